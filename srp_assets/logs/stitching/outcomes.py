"""A day and bucket of `impression_outcomes`: impressions, and what was credited to them, become labelled impressions."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import Conflict
from srp_assets.logs.stitching.crediting.trace_kernel import in_order
from srp_assets.logs.stitching.day_files import DayFile, as_microseconds, file_path
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class OutcomeFiles:
    """What the files of outcomes have in common.

    Args:
        storage: where they go.
        folder: of the build.
        schema: of `logs/impression_outcomes`.
        labels: by the name of a label (`click`, and each step) the kind of its events; None where they are not logged.
        final_days: the days whose labels are final.
    """

    storage: Storage
    folder: str
    schema: pa.Schema
    labels: dict[str, str | None]
    final_days: frozenset[date]


def write_outcomes(files: OutcomeFiles, day: date, bucket: int, shown: pa.Table, follows: pa.Table) -> list[dict[str, Any]]:
    """Writes the outcomes of a day and bucket, in the order of their events; gives their manifest.

    Args:
        files: where they go.
        day: of the impressions.
        bucket: of their users.
        shown: the impressions with their own columns, in any order.
        follows: rows of `FOLLOWER_SCHEMA`: all that belongs to these impressions, in any order.

    Raises:
        Conflict: if an event belongs to an impression that is not here.
    """
    shown, follows = (rows.take(pa.array(_in_time(rows))).combine_chunks() for rows in (shown, follows))
    place = pc.index_in(follows["impression_id"], value_set=shown["event_id"].combine_chunks())
    if place.null_count:
        raise Conflict(
            f"{place.null_count:,} events belong to impressions that are not there",
            where=f"logs of {day}",
            remedy="build again; if it stays so, tell whoever maintains this",
        )
    columns: dict[str, Any] = {name: shown[name] for name in files.schema.names if name in shown.column_names}
    columns["explored"] = pc.fill_null(shown["explored"], False)
    columns["label_state"] = pa.repeat(pa.scalar("final" if day in files.final_days else "provisional"), shown.num_rows)
    for label, kind in files.labels.items():
        columns |= labelled(label, shown, _of_kind(follows, place, kind))
    with ExitStack() as unfinished:
        file = DayFile(files.storage, file_path(files.folder, "impression_outcomes", day, bucket), files.schema, unfinished)
        for batch in pa.table([columns[name] for name in files.schema.names], schema=files.schema).to_batches():
            file.add(batch)
        return [{"table": "impression_outcomes", "day": day.isoformat(), **found} for found in file.finish()]


def _in_time(rows: pa.Table) -> np.ndarray:
    return in_order((as_microseconds(rows["event_time"].combine_chunks()),), rows["event_id"])


@dataclass(frozen=True)
class Follows:
    """Events of one kind in order, and the places of the impressions that they belong to."""

    events: pa.Table
    impression: np.ndarray


def _of_kind(credited: pa.Table, place: pa.ChunkedArray, kind: str | None) -> Follows:
    chosen = pc.equal(credited.column("kind"), pa.scalar(kind, pa.string())) if kind else pa.repeat(False, credited.num_rows)
    return Follows(credited.filter(chosen), place.filter(chosen).to_numpy().astype(np.int64))


def labelled(label: str, shown: pa.Table, credited: Follows) -> dict[str, pa.Array]:
    """What outcomes say of the click or of a step: whether, when first, how long after, and the first click's dwell or all steps' amount.

    Args:
        label: `click`, or the name of the step.
        shown: the impressions.
        credited: the events, in order.
    """
    count = shown.num_rows
    first = np.full(count, -1)
    # The last assignment counts: backwards it is the first event.
    first[credited.impression[::-1]] = np.arange(len(credited.impression))[::-1]
    happened = first >= 0
    places = pa.array(first, mask=~happened)
    times = as_microseconds(credited.events.column("event_time").combine_chunks())
    time = np.where(happened, times[first], 0) if len(times) else np.zeros(count, np.int64)
    delay = (time - as_microseconds(shown.column("event_time").combine_chunks())) / 1e6
    found = {
        "clicked" if label == "click" else label: pa.array(happened),
        f"{label}_time": pa.array(time, mask=~happened).cast(TIMESTAMP),
        f"{label}_delay_seconds": pa.array(delay, mask=~happened),
    }
    if label == "click":
        return found | {"dwell_seconds": credited.events.column("dwell_seconds").combine_chunks().take(places)}
    amount = credited.events.column("amount").combine_chunks()
    known = amount.is_valid().to_numpy(zero_copy_only=False)
    to = credited.impression[known]
    total = np.bincount(to, weights=amount.drop_null().to_numpy(), minlength=count)
    return found | {f"{label}_amount": pa.array(total, mask=np.bincount(to, minlength=count) == 0)}
