"""What belongs to what along a trace: rules 2 to 5 of `reference.py` for all events of some traces at once, in numpy.

The events are ordered by trace and time; the last request, the last impression of an item and the last credited click of an item before
each event are then found by running maxima over places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.stitching.day_files import as_microseconds

REQUEST, IMPRESSION, CLICK, STEP = range(4)
"""What comes first of what happens at the same time: the column `_rank`."""

NONE = -1
BATCH_ROWS = 65_536
"""Rows that go back to Spark at a time."""


@dataclass(frozen=True)
class Rules:
    """What a log catalogue says of credits.

    Args:
        impression_window: how long after its request an impression belongs to it, in microseconds; None where requests are not logged.
        click_window: how long after its impression a click belongs to it, in microseconds.
        steps: by kind its window in microseconds, and whether it comes after a click.
        context: the columns that an impression takes from its request.
    """

    impression_window: int | None
    click_window: int
    steps: Mapping[str, tuple[int, bool]]
    context: tuple[str, ...]


@dataclass(frozen=True)
class Credits:
    """Places of rows in a table of events, one a row.

    Args:
        request: int64, of the request that an impression belongs to, or -1.
        impression: int64, of the impression that a click or step belongs to, or -1.
    """

    request: np.ndarray
    impression: np.ndarray


def find_credits(events: pa.Table, rules: Rules) -> Credits:
    """Finds what belongs to what.

    Args:
        events: with `trace_id` (no nulls), `item_id`, `event_time`, `event_id`, `kind` and `_rank`; all events of their traces.
        rules: of the catalogue.
    """
    count = events.num_rows
    request, impression = np.full(count, NONE), np.full(count, NONE)
    if count == 0:
        return Credits(request, impression)
    rank = events.column("_rank").to_numpy().astype(np.int8)
    time = as_microseconds(events.column("event_time").combine_chunks())
    trace, item = _codes(events, "trace_id"), _codes(events, "item_id")
    order = _in_time(events, trace, time, rank)

    latest = _latest(order, trace, rank == REQUEST)
    shown = (rank == IMPRESSION) & (latest != NONE)
    if rules.impression_window is not None:
        shown &= time - time[latest] <= rules.impression_window
    request[shown] = latest[shown]

    of_item = trace * (item.max() + 2) + item + 1
    order = order[np.argsort(of_item[order], kind="stable")]
    latest_shown = _latest(order, of_item, rank == IMPRESSION)
    clicked = (rank == CLICK) & (latest_shown != NONE)
    clicked &= time - time[latest_shown] <= rules.click_window
    impression[clicked] = latest_shown[clicked]
    latest_click = _latest(order, of_item, clicked)
    kinds = events.column("kind").combine_chunks()
    for kind, (window, after_click) in rules.steps.items():
        step = (rank == STEP) & pc.equal(kinds, kind).to_numpy(zero_copy_only=False)
        touched = np.where(latest_click != NONE, latest_shown[latest_click], NONE) if after_click else latest_shown
        found = step & (touched != NONE)
        found &= time - time[touched] <= window
        impression[found] = touched[found]
    return Credits(request, impression)


def _codes(events: pa.Table, column: str) -> np.ndarray:
    """Equal values as equal numbers from 0; null is -1."""
    indices = events.column(column).combine_chunks().dictionary_encode().indices
    return pc.fill_null(indices, NONE).to_numpy(zero_copy_only=False).astype(np.int64)


def _in_time(events: pa.Table, trace: np.ndarray, time: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """The places of events by trace, time, rank and id; ids are compared only where the rest is equal."""
    order = np.lexsort((rank, time, trace))
    same = (trace[order][1:] == trace[order][:-1]) & (time[order][1:] == time[order][:-1]) & (rank[order][1:] == rank[order][:-1])
    if not same.any():
        return order
    tied = order[np.concatenate([[False], same]) | np.concatenate([same, [False]])]
    by_id = np.zeros(len(order), np.int64)
    by_id[tied] = pc.rank(events.column("event_id").combine_chunks().take(pa.array(tied))).to_numpy().astype(np.int64)
    return np.lexsort((by_id, rank, time, trace))


def _latest(order: np.ndarray, group: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """For each row the place of the last chosen row of its group up to itself in an order that keeps groups together, or -1."""
    along = np.arange(len(order))
    last = np.maximum.accumulate(np.where(chosen[order], along, NONE))
    begins = np.ones(len(order), bool)
    begins[1:] = group[order][1:] != group[order][:-1]
    start = np.maximum.accumulate(np.where(begins, along, 0))
    found = np.empty(len(order), np.int64)
    found[order] = np.where(last >= start, order[last], NONE)
    return found


@dataclass(frozen=True)
class TraceKernel:
    """The kernel of `mapInArrow`: all events of some traces in, impressions, clicks and steps with their credits out.

    Args:
        rules: of the catalogue.
        orphans: by kind what an event of it lacks that belongs nowhere.
        schema: of what comes out.
    """

    rules: Rules
    orphans: Mapping[str, str]
    schema: pa.Schema

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Takes all events of a task at once: a trace must not be cut."""
        taken = list(batches)
        if taken:
            yield from self.stitch(pa.Table.from_batches(taken).combine_chunks()).to_batches(max_chunksize=BATCH_ROWS)

    def stitch(self, events: pa.Table) -> pa.Table:
        """The rows of `schema`: own columns (an impression's context is that of its request), `orphan`, `_credit`."""
        credits = find_credits(events, self.rules)
        rank = events.column("_rank").to_numpy()
        rows = np.flatnonzero(rank != REQUEST)
        is_shown = rank[rows] == IMPRESSION
        context_of = np.where(is_shown, credits.request[rows], rows)
        columns = {name: _taken(events, name, context_of if name in self.rules.context else rows) for name in events.column_names}
        columns["orphan"] = self._orphans(columns["kind"], is_shown, credits.request[rows], credits.impression[rows])
        columns["_credit"] = self._credit(events, credits, credits.impression[rows])
        return pa.table([columns[field.name] for field in self.schema], schema=self.schema)

    def _orphans(self, kinds: pa.Array, is_shown: np.ndarray, request: np.ndarray, impression: np.ndarray) -> pa.Array:
        lost = np.where(is_shown, (request == NONE) & (self.rules.impression_window is not None), impression == NONE)
        lacks = pa.array(list(self.orphans.values()), pa.string())
        place = pc.index_in(kinds, value_set=pa.array(list(self.orphans), pa.string()))
        return lacks.take(pc.if_else(pa.array(lost), place, pa.scalar(None, pa.int32())))

    def _credit(self, events: pa.Table, credits: Credits, impression: np.ndarray) -> pa.Array:
        """What is known of the impressions that clicks and steps belong to."""
        type_ = self.schema.field("_credit").type
        context_of = np.where(impression == NONE, NONE, credits.request[impression])
        named = {"impression_id": "event_id", "impression_time": "event_time"}
        places = {field.name: context_of if field.name in self.rules.context else impression for field in type_}
        parts = [_taken(events, named.get(field.name, field.name), places[field.name]).cast(field.type) for field in type_]
        return pa.StructArray.from_arrays(parts, fields=list(type_), mask=pa.array(impression == NONE))


def _taken(events: pa.Table, name: str, places: np.ndarray) -> pa.Array:
    """A column at some places, null where the place is -1."""
    return events.column(name).combine_chunks().take(pa.array(places, mask=places == NONE))
