"""Labels against the reference, without Spark: impressions and what is credited to them, of one day and bucket."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from srp_assets.errors import Conflict
from srp_assets.logs import reference
from srp_assets.logs.schema import outcomes_schema
from srp_assets.logs.stitching.crediting.credited import FOLLOWER_SCHEMA, stitched_schema
from srp_assets.logs.stitching.outcomes import OutcomeFiles, write_outcomes
from srp_assets.warehouse.storage import Storage
from support.log_events import CATALOGUE, EventMaker, only

DAY = date(2024, 3, 1)
"""Nothing looks at it: whatever is handed over belongs there."""


def labelled(folder: Path, shown: list[dict[str, Any]], follows: list[dict[str, Any]], *, final: bool) -> list[dict[str, Any]]:
    """What is written of impressions and of what follows them, both in no order."""
    storage, schema = Storage(str(folder)), outcomes_schema(CATALOGUE)
    labels = {"click": "click", "cart": "cart", "order": "order"}
    files = OutcomeFiles(storage, "build", schema, labels, frozenset({DAY} if final else ()))
    shown, follows = (sorted(rows, key=lambda row: row["event_id"][::-1]) for rows in (shown, follows))
    impressions = pa.Table.from_pylist(shown, stitched_schema(CATALOGUE))
    (manifest,) = write_outcomes(files, DAY, 0, impressions, pa.Table.from_pylist(follows, FOLLOWER_SCHEMA))
    found = storage.read(manifest["path"]).to_pylist()
    assert found == sorted(found, key=reference.order)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_labels_are_the_references(tmp_path: Path, seed: int) -> None:
    events: dict[str, list[dict[str, Any]]] = {}
    for log, row in EventMaker(seed).events(traces=60):
        events.setdefault(log, []).append({name: row.get(name) for name in CATALOGUE.logs[log].columns})
    stitched = reference.stitch(CATALOGUE, events)
    follows = [row for row in stitched.actions if row["kind"] != "impression" and row["impression_id"]]
    shown = [{**row, "dwell_seconds": None, "amount": None} for row in stitched.outcomes]
    found = labelled(tmp_path, shown, follows, final=seed % 2 == 0)
    expected = [{**row, "label_state": "final" if seed % 2 == 0 else "provisional"} for row in stitched.outcomes]
    names = outcomes_schema(CATALOGUE).names
    assert only(names, found) == only(names, expected)


def test_impressions_of_which_nothing_came(tmp_path: Path) -> None:
    ((_, row),) = [event for event in EventMaker(1).events(traces=5) if event[0] == "impression"][:1]
    shown = {name: row.get(name) for name in outcomes_schema(CATALOGUE).names}
    (found,) = labelled(tmp_path, [{**shown, "amount": None}], [], final=False)
    assert (found["clicked"], found["order"], found["order_amount"], found["click_delay_seconds"]) == (False, False, None, None)


def test_an_event_whose_impression_is_elsewhere_is_no_silent_loss(tmp_path: Path) -> None:
    maker = EventMaker(1).events(traces=5)
    shown = next(row for name, row in maker if name == "impression")
    click = next(row for name, row in maker if name == "click")
    with pytest.raises(Conflict, match="impressions that are not there"):
        labelled(tmp_path, [{**shown, "amount": None}], [{**click, "kind": "click", "impression_id": "x"}], final=False)
