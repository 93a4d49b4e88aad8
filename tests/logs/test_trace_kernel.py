"""What belongs to what along traces: the kernel against the reference, on many made logs, without Spark."""

from typing import Any

import pyarrow as pa
import pytest

from srp_assets.logs import reference
from srp_assets.logs.stitching.plan_stitching import RANKS, trace_kernel
from srp_assets.logs.stitching.trace_kernel import REQUEST
from support.log_events import CATALOGUE, EventMaker


def unified(events: dict[str, list[dict[str, Any]]]) -> pa.Table:
    """Events that know their trace as Spark hands them to the kernel, in no order."""
    kernel = trace_kernel(CATALOGUE)
    columns = pa.schema([field for field in kernel.schema if field.name not in ("orphan", "_credit")])
    rows = [
        {**{name: row.get(name) for name in columns.names}, "kind": log, "_rank": RANKS[CATALOGUE.logs[log].role]}
        for log, of_log in events.items()
        for row in of_log
        if row["trace_id"] is not None
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["event_id"][::-1]), columns)


@pytest.mark.parametrize("seed", range(20))
def test_credits_are_the_references(seed: int) -> None:
    events: dict[str, list[dict[str, Any]]] = {}
    for log, row in EventMaker(seed).events(traces=60):
        events.setdefault(log, []).append({name: row.get(name) for name in CATALOGUE.logs[log].columns})
    table = unified(events)
    stitched = trace_kernel(CATALOGUE).stitch(table).to_pylist()
    traced = {log: [row for row in rows if row["trace_id"] is not None] for log, rows in events.items()}
    expected = {(row["kind"], row["event_id"]): row for row in reference.stitch(CATALOGUE, traced).actions}
    assert len(stitched) == len(expected)
    for row in stitched:
        known = expected[row["kind"], row["event_id"]]
        credit = row["_credit"]
        assert row["orphan"] == known["orphan"]
        if row["kind"] == "impression":
            assert credit is None
            assert {name: row[name] for name in CATALOGUE.context_columns} == {name: known[name] for name in CATALOGUE.context_columns}
        else:
            assert (credit["impression_id"] if credit else None) == known["impression_id"]
            if credit:
                assert credit["position"] == known["position"]
                assert credit["channel"] == known["channel"]


def test_requests_alone_give_nothing() -> None:
    table = unified({"request": [dict.fromkeys(CATALOGUE.logs["request"].columns) | {"trace_id": "t", "event_id": "e"}]})
    assert table.column("_rank").to_pylist() == [REQUEST]
    assert list(trace_kernel(CATALOGUE).run(iter(()))) == []
