"""The Open Bandit Dataset: each row is an impression with its position, its propensity and whether it was clicked.

It has no users and no traces, so each row becomes a request of its own: its campaign is the market, its policy the page, and the hashed
user features are context that the catalogue adds. A click has the time of its impression, since the data has no other. Items of different
campaigns are different items. Affinities of users to items (zero in more than 99.8 % of the cells) are not read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.adapters.base import parquet_batches, require_logs, rows_of_log
from srp_assets.warehouse.readers.base import UNREADABLE, Ignored, Readable, Reject, Request

LOGS = ("request", "impression", "click")
POLICIES = ("random", "bts")
NEEDED = ("timestamp", "item_id", "position", "click", "propensity_score")
USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))


def read(request: Request) -> Iterator[Readable]:
    """Reads a file named `<policy>_<campaign>.parquet`, or all of a folder."""
    require_logs(request, LOGS, "examples/open_bandit/logs.yaml")
    for path in request.files(".parquet"):
        policy, _, campaign = path.stem.partition("_")
        if policy not in POLICIES or not campaign:
            yield Ignored(str(path), "its name does not say policy and campaign")
            continue
        for found in parquet_batches(path, "impression", [*NEEDED, *USER_FEATURES]):
            if isinstance(found, Reject):
                yield found
                continue
            first, batch = found
            missing = [name for name in NEEDED if name not in batch.schema.names]
            if missing:
                yield Reject("impression", UNREADABLE, str(path), None, f"the file has no column {missing[0]!r}")
                break
            yield from _logs(path, policy, campaign, first, batch)


def _logs(path: Path, policy: str, campaign: str, first: int, batch: pa.RecordBatch) -> Iterator[Readable]:
    rows = batch.num_rows
    everything = np.arange(rows)
    trace_id = _prefixed(f"{policy}/{campaign}/", pa.array(everything + first).cast(pa.string()))
    shared = {"trace_id": trace_id, "event_time": batch.column("timestamp")}
    item = {"item_id": _prefixed(f"{campaign}/", batch.column("item_id").cast(pa.string()))}
    features = {name: batch.column(name) for name in USER_FEATURES if name in batch.schema.names}
    context = {"market": pa.repeat(campaign, rows), "page": pa.repeat(policy, rows)}
    yield rows_of_log("request", {**shared, **context, **features}, everything, path, first)
    shown = {
        "position": batch.column("position"),
        "propensity": batch.column("propensity_score"),
        "explored": pa.repeat(policy == "random", rows),
    }
    yield rows_of_log("impression", {**shared, **item, **shown}, everything, path, first)
    clicked = np.flatnonzero(pc.fill_null(pc.equal(batch.column("click"), 1), False).to_numpy(zero_copy_only=False))
    if len(clicked):
        yield rows_of_log("click", {**shared, **item}, clicked, path, first)


def _prefixed(prefix: str, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, texts, "")
