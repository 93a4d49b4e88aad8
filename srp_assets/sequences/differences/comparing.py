"""Lays the served stage tables beside the offline ones and says which rows differ, in which columns, from which stage on.

A row is one stage of one trace (of one candidate, at the last stage). Whole columns are compared at once, so that a million traces take
minutes; what differs is explained elsewhere, trace by trace. Texts and times are the same or not, numbers agree to contract 8, null is
equal to null alone.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.online.parity.comparing import same_numbers
from srp_assets.sequences.stages import KEYS, LISTS, STAGES

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

LABELS = (
    "user_id", "as_of", "length", "padding_side", "session_gap_minutes", "definition_version", "embedding_version", "dictionary_version",
)  # fmt: skip
"""What each side says of how it was made. `snapshot_day` is only of the online side and is not compared."""


@dataclass(frozen=True)
class Comparison:
    """Rows of both sides by their keys.

    Args:
        served: place of each row in the served table, -1 where it has none, shape (rows,).
        offline: the same of the offline table.
        columns: by column of either side whether it differs, shape (rows,) each; all of them do where a row is on one side alone.
        differs: whether any of them does.
    """

    served: Integers
    offline: Integers
    columns: dict[str, Flags]
    differs: Flags

    @cached_property
    def one_sided(self) -> Flags:
        """Rows that are on one side alone."""
        return (self.served < 0) | (self.offline < 0)


def compared_stages(served: pa.Table, offline: pa.Table) -> Comparison:
    """Compares two stage tables.

    Args:
        served: what the online side logged.
        offline: the same requests made again; columns that neither table has are not compared.
    """
    served_place, offline_place = _aligned(served, offline)
    both = (served_place >= 0) & (offline_place >= 0)
    places = served_place[both], offline_place[both]

    def differing(name: str) -> Flags:
        own, other = (_of_places(table[name], place) for table, place in zip((served, offline), places, strict=True))
        flags = np.ones(len(both), bool)
        flags[both] = differing_lists(own, other) if name in LISTS else differing_values(own, other)
        return flags

    names = [name for name in (*LISTS, *LABELS) if name in served.column_names and name in offline.column_names]
    # Arrow lets go of the interpreter: columns are compared on all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = dict(zip(names, pool.map(differing, names), strict=True))
    differs = np.zeros(len(both), bool)
    for flags in columns.values():
        differs |= flags
    return Comparison(served_place, offline_place, columns, differs | ~both)


def what_was_asked(served: pa.Table, offline: pa.Table, *, every_request: bool) -> pa.Table:
    """The offline rows that what was served can be compared with.

    Offline, a request has the candidates of every log; the online side was asked for those that it served.

    Args:
        served: what the online side logged.
        offline: the requests made again.
        every_request: whether the online side logs all of them, so that one it has not logged is kept.
    """
    served_place, offline_place = _aligned(served, offline)
    asked = np.zeros(offline.num_rows, bool)
    asked[offline_place[(served_place >= 0) & (offline_place >= 0)]] = True
    known = np.asarray(pc.is_in(offline["trace_id"], pc.unique(served["trace_id"])))
    asked |= known & np.asarray(pc.not_equal(offline["stage"], "final"))
    return offline.filter(pa.array(asked | ~known if every_request else asked))


def _aligned(served: pa.Table, offline: pa.Table) -> tuple[Integers, Integers]:
    """The places of each key in both tables; of a key that a table has twice, the first row counts."""
    size = served.num_rows
    key = np.zeros(size + offline.num_rows, np.int64)
    for name in KEYS:
        codes = _codes([served[name], offline[name]])
        key = key * (int(codes.max(initial=-1)) + 2) + codes + 1
        key = np.unique(key, return_inverse=True)[1].astype(np.int64)
    count = int(key.max(initial=-1)) + 1
    places = []
    for own in (key[:size], key[size:]):
        place = np.full(count, -1, np.int64)
        place[own[::-1]] = np.arange(len(own))[::-1]
        places.append(place)
    return places[0], places[1]


def _codes(columns: Sequence[pa.ChunkedArray]) -> Integers:
    """One code for each value of some columns, -1 for null."""
    chunks = [chunk.cast(pa.string()) for column in columns for chunk in column.chunks]
    found = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(found.indices, -1)).astype(np.int64)


def _of_places(column: pa.ChunkedArray, places: Integers) -> Any:
    """The values at some places; the column as it is where these are all of them in order."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    in_order = len(places) == len(whole) and bool((np.diff(places) == 1).all())
    return whole if in_order else whole.take(pa.array(places))


def differing_values(served: pa.Array, offline: pa.Array) -> Flags:
    """Which of two columns' values differ, null being equal to null alone."""
    if served.type != offline.type:
        offline = offline.cast(served.type)
    if served.null_count or offline.null_count:
        same = pc.or_(pc.fill_null(pc.equal(served, offline), False), pc.and_(pc.is_null(served), pc.is_null(offline)))
        differs = ~np.asarray(same)
    else:
        differs = np.array(pc.not_equal(served, offline))
    if pa.types.is_floating(served.type) and differs.any():
        # Most numbers are the same to the last bit; only the others are held to contract 8.
        places = np.flatnonzero(differs)
        own, other = (_floats(column.take(pa.array(places))) for column in (served, offline))
        differs[places] = ~same_numbers(own, other)
    return differs


def differing_lists(served: Any, offline: Any) -> Flags:
    """Which of two columns' lists differ: in length, or in an element at its place; a null list is equal to a null list alone."""
    lengths = [np.asarray(pc.fill_null(pc.list_value_length(column), -1)).astype(np.int64) for column in (served, offline)]
    differs = lengths[0] != lengths[1]
    if differs.any():
        same = pa.array(np.flatnonzero(~differs))
        served, offline = served.take(same), offline.take(same)
    sizes = np.maximum(lengths[0][~differs], 0)
    different = differing_values(pc.list_flatten(served), pc.list_flatten(offline))
    if different.any():
        counted = np.concatenate([[0], np.cumsum(different)])
        ends = np.cumsum(sizes)
        differs[np.flatnonzero(~differs)] = counted[ends] > counted[ends - sizes]
    return differs


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan))


def broken_stage(comparison: Comparison, served: pa.Table, offline: pa.Table) -> dict[str, str]:
    """The first stage that differs, by trace; traces that are equal are left out."""
    rows = np.flatnonzero(comparison.differs)
    traces, stages = (_of_rows(comparison, served, offline, rows, name) for name in ("trace_id", "stage"))
    found: dict[str, int] = {}
    for trace, stage in zip(traces, stages, strict=True):
        found[trace] = min(STAGES.index(stage), found.get(trace, len(STAGES)))
    return {trace: STAGES[number] for trace, number in found.items()}


def _of_rows(comparison: Comparison, served: pa.Table, offline: pa.Table, rows: Integers, name: str) -> list[Any]:
    """A column of some rows, from whichever side has them."""
    has = comparison.served[rows] >= 0
    found: list[Any] = [None] * len(rows)
    for table, places, own in ((served, comparison.served, has), (offline, comparison.offline, ~has)):
        values = table[name].take(pa.array(places[rows[own]])).to_pylist()
        for place, value in zip(np.flatnonzero(own).tolist(), values, strict=True):
            found[place] = value
    return found
