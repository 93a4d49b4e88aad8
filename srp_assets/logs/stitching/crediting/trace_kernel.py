"""What belongs to what: rules 2 to 6 of `reference.py` for all events of some traces, or of some users and items, at once in numpy.

The events are ordered by trace and time; the last request, the last impression of an item and the last credited click of an item before
each event are then found by running maxima over places. Steps that know no trace find what their user last saw or clicked in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.durations import MICROSECOND
from srp_assets.logs.stitching.crediting.credited import Credited, credit_schema, stitched_schema
from srp_assets.logs.stitching.crediting.events import CLICK, IMPRESSION, REQUEST
from srp_assets.logs.stitching.day_files import as_microseconds

NONE = -1


@dataclass(frozen=True)
class Rules:
    """What a log catalogue says of credits.

    Args:
        impression_window: how long after its request an impression belongs to it, in microseconds; None where requests are not logged.
        click_window: how long after its impression a click belongs to it, in microseconds.
        steps: by kind its window in microseconds, and whether it comes after a click.
    """

    impression_window: int | None
    click_window: int
    steps: Mapping[str, tuple[int, bool]]


def rules_of(catalogue: LogCatalogue) -> Rules:
    """The rules of a catalogue's logs."""
    impression, click, has_requests = catalogue.of_role("impression"), catalogue.of_role("click"), catalogue.of_role("request") is not None
    return Rules(
        impression_window=impression.window // MICROSECOND if impression and has_requests else None,
        click_window=click.window // MICROSECOND if click else 0,
        steps={name: (catalogue.logs[name].window // MICROSECOND, catalogue.logs[name].after == "click") for name in catalogue.steps},
    )


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
    rank, time = events["_rank"].to_numpy(), _times(events, "event_time")
    trace, item = _codes(events["trace_id"]), _codes(events["item_id"])
    order = in_order((trace, time, rank), events["event_id"])

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
    for kind, (window, after_click) in rules.steps.items():
        step = _is_kind(events, kind)
        touched = np.where(latest_click != NONE, latest_shown[latest_click], NONE) if after_click else latest_shown
        found = step & (touched != NONE)
        found &= time - time[touched] <= window
        impression[found] = touched[found]
    return Credits(request, impression)


def find_touches(touches: pa.Table, steps: pa.Table, rules: Rules) -> np.ndarray:
    """The place of the touch that each step belongs to, or -1: of what its user last saw or clicked of the item.

    Args:
        touches: of `touch_schema`, each with a user; all that some users had to do with some items.
        steps: without trace; those without a user belong to nothing.
        rules: of the catalogue.
    """
    if not (touches.num_rows and steps.num_rows):
        return np.full(steps.num_rows, NONE)
    names = ["user_id", "item_id", "event_time", "event_id", "_rank"]
    both = pa.concat_tables([touches.select(names), steps.select(names)])
    rank, time, user, item = both["_rank"].to_numpy(), _times(both, "event_time"), _codes(both["user_id"]), _codes(both["item_id"])
    of_item = user * (item.max() + 1) + item
    order = in_order((of_item, time, rank), both["event_id"])
    latest = {after: _latest(order, of_item, rank == (CLICK if after else IMPRESSION))[touches.num_rows :] for after in (True, False)}
    shown_at, step_time = _times(touches, "impression_time"), time[touches.num_rows :]
    found = np.full(steps.num_rows, NONE)
    for kind, (window, after_click) in rules.steps.items():
        touched = latest[after_click]
        belongs = _is_kind(steps, kind) & (touched != NONE) & (user[touches.num_rows :] != NONE)
        belongs &= step_time - shown_at[touched] <= window
        found[belongs] = touched[belongs]
    return found


def in_order(keys: Sequence[np.ndarray], ids: pa.ChunkedArray) -> np.ndarray:
    """The places of rows by some keys, the first one foremost, then by id; ids are compared only where all keys are equal."""
    order = np.lexsort(tuple(reversed(keys)))
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    if not same.any():
        return order
    tied = order[np.concatenate([[False], same]) | np.concatenate([same, [False]])]
    by_id = np.zeros(len(order), np.int64)
    by_id[tied] = pc.rank(ids.combine_chunks().take(pa.array(tied))).to_numpy().astype(np.int64)
    return np.lexsort((by_id, *reversed(keys)))


def _is_kind(events: pa.Table, kind: str) -> np.ndarray:
    return pc.equal(events["kind"].combine_chunks(), kind).to_numpy(zero_copy_only=False)


def _times(events: pa.Table, column: str) -> np.ndarray:
    return as_microseconds(events[column].combine_chunks())


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    """Equal values as equal numbers from 0; null is -1."""
    indices = texts.combine_chunks().dictionary_encode().indices
    return pc.fill_null(indices, NONE).to_numpy(zero_copy_only=False).astype(np.int64)


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
class Stitched:
    """What becomes of events.

    Args:
        shown: impressions with the context of their requests, rows of `stitched_schema`.
        credited: clicks and steps.
    """

    shown: pa.Table
    credited: Credited


class TraceKernel:
    """Finds what belongs to what and puts it together, for a catalogue's logs."""

    def __init__(self, catalogue: LogCatalogue) -> None:
        self._catalogue = catalogue
        self._rules = rules_of(catalogue)
        self._lacks = {name: f"without_{catalogue.logs[name].after}" for name in catalogue.steps}
        click = catalogue.of_role("click")
        if click is not None:
            self._lacks[click.name] = "without_impression"

    def stitch(self, events: pa.Table) -> Stitched:
        """Stitches all events of some traces (of `unified`)."""
        credits, rank = find_credits(events, self._rules), events["_rank"].to_numpy()
        shown, after = np.flatnonzero(rank == IMPRESSION), np.flatnonzero(rank > IMPRESSION)
        impression = credits.impression[after]
        context = np.where(impression == NONE, NONE, credits.request[impression])
        places = {name: context if name in self._catalogue.context_columns else impression for name in credit_schema(self._catalogue).names}
        named = {"impression_id": "event_id", "impression_time": "event_time"}
        credit = pa.table({name: _taken(events, named.get(name, name), at) for name, at in places.items()})
        return Stitched(self._shown(events, shown, credits.request[shown]), self._credited(events.take(pa.array(after)), credit))

    def credit(self, touches: pa.Table, steps: pa.Table) -> Credited:
        """Credits steps without a trace; see `find_touches`."""
        found = find_touches(touches, steps, self._rules)
        names = credit_schema(self._catalogue).names
        return self._credited(steps, pa.table({name: _taken(touches, name, found) for name in names}), keyless=pc.is_null(steps["user_id"]))

    def _shown(self, events: pa.Table, rows: np.ndarray, request: np.ndarray) -> pa.Table:
        context, schema = self._catalogue.context_columns, stitched_schema(self._catalogue)
        lost = pa.array((request == NONE) & (self._rules.impression_window is not None))
        columns = {name: _taken(events, name, request if name in context else rows) for name in events.column_names}
        columns["impression_id"] = columns["event_id"]
        columns["orphan"] = pc.if_else(lost, pa.scalar("without_request"), pa.scalar(None, pa.string()))
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _credited(self, events: pa.Table, credit: pa.Table, keyless: pa.ChunkedArray | None = None) -> Credited:
        kinds = pc.index_in(events["kind"], value_set=pa.array(list(self._lacks), pa.string()))
        lacks = pa.chunked_array([pa.array(list(self._lacks.values()), pa.string())]).take(kinds)
        if keyless is not None:
            lacks = pc.if_else(keyless, pa.scalar("without_key"), lacks)
        orphan = pc.if_else(pc.is_null(credit["impression_id"]), lacks, pa.scalar(None, pa.string()))
        return Credited(events.append_column("orphan", orphan), credit)


def _taken(events: pa.Table, name: str, places: np.ndarray) -> pa.Array:
    """A column at some places, null where the place is -1."""
    return events[name].combine_chunks().take(pa.array(places, mask=places == NONE))
