"""What the tasks of a pass do, one step after the other; Spark only says who does what (`plan_stitching.py`).

1. `scatter` reads landed events and hands them on by trace; steps that know no trace by user and item.
2. `stitch` finds what belongs to what along traces, and hands impressions, clicks and steps on by day and user, what follows an impression
   once more by the day and user of that impression, and where steps know no trace, what these may belong to by user and item.
3. `credit` finds what steps without a trace belong to, and hands them on as the step before does.
4. `write` writes actions and outcomes of a day and bucket of users.

What is handed on lies in a scratch folder (`warehouse/part_files.py`). A task gives manifests; one that is tried again hands on other
files, and those of the broken one are in no manifest.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.spans import DAY, DaySpan
from srp_assets.logs.stitching.crediting.credited import FOLLOWER_SCHEMA, Credited, stitched_schema, touch_schema, touches_of_shown
from srp_assets.logs.stitching.crediting.events import CLICK, IMPRESSION, log_event_schema, read_events, unified
from srp_assets.logs.stitching.crediting.trace_kernel import TraceKernel, in_order
from srp_assets.logs.stitching.day_files import as_microseconds
from srp_assets.logs.stitching.day_sessions import ActionFiles, ActionPlace
from srp_assets.logs.stitching.outcomes import OutcomeFiles, write_outcomes
from srp_assets.logs.stitching.session_chains import DAY_MICROSECONDS
from srp_assets.warehouse.build_files import ROW_GROUP_ROWS
from srp_assets.warehouse.part_files import NOWHERE, PartFiles, part_numbers, write_parts
from srp_assets.warehouse.row_hash import EPOCH

Handed = Literal["events", "untraced", "touches", "stitched", "followers"]
"""Kinds of files that steps hand on."""

Files = Mapping[Handed, Iterable[str]]
"""What was handed on, by kind."""


@dataclass(frozen=True)
class LandedEvents:
    """What one task of the first step reads: files of a log, by day."""

    log: str
    days: tuple[LandedFiles, ...]


@dataclass(frozen=True)
class Pass:
    """One pass over the logs of some days.

    Args:
        catalogue: the declaration.
        days: the days whose actions and sessions are written.
        outcomes: the days whose outcomes are written, None for none.
        partitions: into how many parts traces are split, and users with items.
        actions: where actions go; their storage is the logs'.
        outcome_files: where outcomes go.
    """

    catalogue: LogCatalogue
    days: DaySpan
    outcomes: DaySpan | None
    partitions: int
    actions: ActionFiles
    outcome_files: OutcomeFiles

    @property
    def units(self) -> int:
        """The number of days and buckets that are written."""
        return ((self.days.last - self.days.first).days + 1) * self.catalogue.buckets

    def scatter(self, order: LandedEvents) -> Iterator[dict[str, Any]]:
        """Step 1, for some files of a log."""
        log = self.catalogue.logs[order.log]
        events = read_events(self.actions.storage, self.catalogue, log, order.days)
        traces = part_numbers(events["trace_id"], self.partitions)
        has_trace = pc.is_valid(events["trace_id"]).to_numpy()
        yield from self._handed_on("events", events, np.where(has_trace, traces, NOWHERE), log=log.name)
        if not has_trace.all():
            untraced = events.filter(pa.array(~has_trace))
            yield from self._handed_on("untraced", untraced, self._pairs(untraced), log=log.name)

    def stitch(self, part: int, events: Mapping[str, tuple[str, ...]], *, with_touches: bool) -> Iterator[dict[str, Any]]:
        """Step 2, for a part of the traces.

        Args:
            part: its number.
            events: files of step 1, by log.
            with_touches: whether there are steps without a trace.
        """
        stitched = TraceKernel(self.catalogue).stitch(self._events(part, events))
        yield from self._placed(pa.concat_tables([stitched.shown, stitched.credited.stitched(self.catalogue)]), stitched.credited)
        if with_touches:
            touches = stitched.credited.of_rank(CLICK).with_impression().touches(self.catalogue)
            if any(self.catalogue.logs[step].after == "impression" for step in self.catalogue.steps):
                touches = pa.concat_tables([touches, touches_of_shown(self.catalogue, stitched.shown, IMPRESSION)])
            touches = touches.filter(pc.is_valid(touches["user_id"]))
            yield from self._handed_on("touches", touches, self._pairs(touches))

    def credit(self, part: int, steps: Mapping[str, tuple[str, ...]], touches: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Step 3, for a part of the users and items.

        Args:
            part: its number.
            steps: files of step 1 with steps without a trace, by log.
            touches: files of step 2.
        """
        with PartFiles(self.actions.storage, tuple(touches), touch_schema(self.catalogue)) as files:
            touched = files.read(part)
        credited = TraceKernel(self.catalogue).credit(touched, self._events(part, steps))
        yield from self._placed(credited.stitched(self.catalogue), credited)

    def write(self, units: range, files: Files) -> Iterator[dict[str, Any]]:
        """Step 4, for some days and buckets; gives the manifests of the written files."""
        schema = stitched_schema(self.catalogue)
        with (
            PartFiles(self.actions.storage, tuple(files["stitched"]), schema) as stitched,
            PartFiles(self.actions.storage, tuple(files["followers"]), FOLLOWER_SCHEMA) as followers,
        ):
            for unit in units:
                days, bucket = divmod(unit, self.catalogue.buckets)
                rows, follows = stitched.read(unit), followers.read(unit)
                if rows.num_rows or follows.num_rows:
                    yield from self._written(self.days.first + days * DAY, bucket, _with_arrival(rows), follows)

    def _written(self, day: date, bucket: int, rows: pa.Table, follows: pa.Table) -> Iterator[dict[str, Any]]:
        ordered = rows.take(pa.array(_by_user(rows)))
        with ExitStack() as unfinished:
            place = ActionPlace(self.actions, day, bucket, unfinished)
            for batch in ordered.combine_chunks().to_batches(max_chunksize=ROW_GROUP_ROWS):
                place.add(batch)
            yield from place.finish()
        impression = self.catalogue.of_role("impression")
        if impression is not None and self.outcomes is not None and day in self.outcomes:
            shown = rows.filter(pc.equal(rows["kind"], impression.name))
            yield from write_outcomes(self.outcome_files, day, bucket, shown, follows)

    def _events(self, part: int, paths: Mapping[str, tuple[str, ...]]) -> pa.Table:
        """The events of a part, of all logs."""
        found = {}
        for log, of_log in paths.items():
            with PartFiles(self.actions.storage, of_log, log_event_schema(self.catalogue, self.catalogue.logs[log])) as files:
                found[log] = files.read(part)
        return unified(self.catalogue, found)

    def _placed(self, rows: pa.Table, credited: Credited) -> Iterator[dict[str, Any]]:
        """Hands rows on to their day and bucket, and what follows an impression to those of the impression."""
        buckets = self._buckets(rows["user_id"], rows["trace_id"])
        yield from self._handed_on("stitched", rows, self._units(rows["event_time"], buckets, self.days))
        if self.outcomes is not None:
            known = credited.with_impression()
            buckets = self._buckets(known.credit["user_id"], known.credit["trace_id"])
            units = self._units(known.credit["impression_time"], buckets, self.outcomes)
            yield from self._handed_on("followers", known.followers(), units)

    def _handed_on(self, kind: Handed, rows: pa.Table, parts: np.ndarray, **more: str) -> Iterator[dict[str, Any]]:
        path = f"{self.actions.scratch}/{kind}/{uuid4().hex}.arrow"
        written = write_parts(self.actions.storage, path, rows, parts)
        if written:
            yield {"table": kind, "path": path, "rows": written, **more}

    def _pairs(self, rows: pa.Table) -> np.ndarray:
        """The parts of users and items."""
        return part_numbers(pc.binary_join_element_wise(rows["user_id"], rows["item_id"], "\x1f"), self.partitions)

    def _buckets(self, users: pa.ChunkedArray, traces: pa.ChunkedArray) -> np.ndarray:
        """The buckets of users; what nobody did is spread by its trace."""
        return part_numbers(pc.coalesce(users, traces), self.catalogue.buckets)

    def _units(self, times: pa.ChunkedArray, buckets: np.ndarray, days: DaySpan) -> np.ndarray:
        """The number of each row's day and bucket; `NOWHERE` for other days than these."""
        day = as_microseconds(times.combine_chunks()) // DAY_MICROSECONDS + (EPOCH.date() - self.days.first).days
        first, last = (days.first - self.days.first).days, (days.last - self.days.first).days
        return np.where((day >= first) & (day <= last), day * self.catalogue.buckets + buckets, NOWHERE)


def _with_arrival(rows: pa.Table) -> pa.Table:
    """Rows with their arrival time, where the source has none the event time, and the days of both times."""
    arrival = pc.coalesce(rows["arrival_time"], rows["event_time"])
    known = pc.is_valid(rows["arrival_time"])
    place = rows.schema.get_field_index("arrival_time")
    rows = rows.set_column(place, rows.schema.field(place), arrival).append_column("_arrival_known", known)
    return rows.append_column("event_day", rows["event_time"].cast(pa.date32())).append_column("arrival_day", arrival.cast(pa.date32()))


def _by_user(rows: pa.Table) -> np.ndarray:
    """The places of rows by user, nobody first, then by time and id."""
    users = rows["user_id"].combine_chunks().dictionary_encode()
    rank = np.empty(len(users.dictionary) + 1, np.int64)
    rank[pc.sort_indices(users.dictionary).to_numpy()] = np.arange(len(users.dictionary))
    rank[-1] = -1
    of_user = rank[pc.fill_null(users.indices, len(rank) - 1).to_numpy(zero_copy_only=False)]
    return in_order((of_user, as_microseconds(rows["event_time"].combine_chunks())), rows["event_id"])
