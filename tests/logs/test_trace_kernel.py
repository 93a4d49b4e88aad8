"""What belongs to what: the kernel against the reference, on many made logs, without Spark."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from srp_assets.logs import reference
from srp_assets.logs.schema import actions_schema
from srp_assets.logs.stitching.crediting.credited import stitched_schema, touch_schema, touches_of_shown
from srp_assets.logs.stitching.crediting.events import CLICK, IMPRESSION, log_event_schema, unified
from srp_assets.logs.stitching.crediting.trace_kernel import TraceKernel
from support.log_events import CATALOGUE, START, EventMaker, only


def as_unified(events: dict[str, list[dict[str, Any]]]) -> pa.Table:
    """Events as the kernel reads them, in no order."""
    tables = {}
    for log, rows in events.items():
        schema = log_event_schema(CATALOGUE, CATALOGUE.logs[log])
        known = [{name: row.get(name) for name in schema.names} for row in sorted(rows, key=lambda row: row["event_id"][::-1])]
        tables[log] = pa.Table.from_pylist(known, schema)
    return unified(CATALOGUE, tables)


def made(seed: int) -> dict[str, list[dict[str, Any]]]:
    events: dict[str, list[dict[str, Any]]] = {}
    for log, row in EventMaker(seed).events(traces=60):
        events.setdefault(log, []).append({name: row.get(name) for name in CATALOGUE.logs[log].columns})
    return events


def of_actions(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What both sides say of impressions, clicks and steps."""
    names = [name for name in actions_schema(CATALOGUE).names if name in stitched_schema(CATALOGUE).names and name != "arrival_time"]
    return only(names, rows)


@pytest.mark.parametrize("seed", range(20))
def test_credits_along_traces_are_the_references(seed: int) -> None:
    traced = {log: [row for row in rows if row["trace_id"] is not None] for log, rows in made(seed).items()}
    stitched = TraceKernel(CATALOGUE).stitch(as_unified(traced))
    found = [*stitched.shown.to_pylist(), *stitched.credited.stitched(CATALOGUE).to_pylist()]
    assert of_actions(found) == of_actions(reference.stitch(CATALOGUE, traced).actions)
    assert stitched.credited.with_impression().followers().num_rows == sum(
        row["impression_id"] is not None and row["kind"] != "impression" for row in found
    )


@pytest.mark.parametrize("seed", range(20))
def test_credits_by_user_and_item_are_the_references(seed: int) -> None:
    events = made(seed)
    kernel = TraceKernel(CATALOGUE)
    stitched = kernel.stitch(as_unified({log: [row for row in rows if row["trace_id"] is not None] for log, rows in events.items()}))
    touches = pa.concat_tables(
        [
            stitched.credited.of_rank(CLICK).with_impression().touches(CATALOGUE),
            touches_of_shown(CATALOGUE, stitched.shown, IMPRESSION),
        ]
    )
    touches = touches.filter(pc.is_valid(touches["user_id"]))
    untraced = {log: [row for row in rows if row["trace_id"] is None] for log, rows in events.items() if log in CATALOGUE.steps}
    found = kernel.credit(touches, as_unified(untraced)).stitched(CATALOGUE).to_pylist()
    ids = {row["event_id"] for row in found}
    assert len(ids) == sum(map(len, untraced.values()))
    assert of_actions(found) == of_actions([row for row in reference.stitch(CATALOGUE, events).actions if row["event_id"] in ids])


def test_requests_alone_give_nothing() -> None:
    request = dict.fromkeys(CATALOGUE.logs["request"].columns) | {"trace_id": "t", "event_id": "e", "event_time": START}
    stitched = TraceKernel(CATALOGUE).stitch(as_unified({"request": [request]}))
    assert (stitched.shown.num_rows, stitched.credited.events.num_rows) == (0, 0)


def test_no_events_at_all() -> None:
    kernel = TraceKernel(CATALOGUE)
    assert kernel.stitch(as_unified({})).credited.stitched(CATALOGUE).num_rows == 0
    assert kernel.credit(touch_schema(CATALOGUE).empty_table(), as_unified({})).stitched(CATALOGUE).num_rows == 0
