"""How much of what was served is what is computed again: the repeat rate of sequences, as a whole and by band of positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.sequences.differences.comparing import Comparison, Integers
from srp_assets.sequences.stages import STAGES

BANDS: tuple[tuple[int, int], ...] = ((0, 10), (10, 50), (50, 100), (100, 1_000), (1_000, 10_000))
"""Positions from the newest on, the end not included."""


@dataclass(frozen=True)
class Repeats:
    """Of one stage, or of several chunks of it together.

    Args:
        common: actions that both sides have.
        all: actions of the longer side of each row.
        same: by band, positions that hold the same action.
        positions: by band, positions that either side fills.
    """

    common: int = 0
    all: int = 0
    same: tuple[int, ...] = field(default=(0,) * len(BANDS))
    positions: tuple[int, ...] = field(default=(0,) * len(BANDS))

    @property
    def rate(self) -> float:
        """The overlap: 1 where both sides have the same actions."""
        return self.common / self.all if self.all else 1.0

    @property
    def by_band(self) -> dict[str, float]:
        """The share of positions with the same action, by band."""
        return {
            f"{first}-{end - 1}": same / count for (first, end), same, count in zip(BANDS, self.same, self.positions, strict=True) if count
        }

    def __add__(self, other: "Repeats") -> "Repeats":
        same = tuple(map(sum, zip(self.same, other.same, strict=True)))
        positions = tuple(map(sum, zip(self.positions, other.positions, strict=True)))
        return Repeats(self.common + other.common, self.all + other.all, same, positions)


def repeats_of(served: pa.Table, offline: pa.Table, comparison: Comparison) -> dict[str, Repeats]:
    """The repeat rates of a chunk, by stage. A row on one side alone has nothing in common."""
    found: dict[str, Repeats] = {}
    tables = ((served, comparison.served), (offline, comparison.offline))
    lengths = [np.append(np.asarray(pc.list_value_length(table["event_id"])), 0)[places] for table, places in tables]
    wrong_ids = comparison.columns["event_id"] | comparison.one_sided
    stage_of = _stages(tables)
    for stage in STAGES:
        rows = stage_of == STAGES.index(stage)
        own, other = lengths[0][rows & ~wrong_ids], lengths[1][rows & ~wrong_ids]
        counted = Repeats(int(own.sum()), int(own.sum()), _positions(own), _positions(other))
        wrong = np.flatnonzero(rows & wrong_ids)
        served_ids, offline_ids = (_ids(table, places[wrong]) for table, places in tables)
        counted += _of_rows(served_ids, offline_ids, len(wrong))
        found[stage] = counted
    return found


def _stages(tables: Sequence[tuple[pa.Table, Any]]) -> Any:
    found = np.full(len(tables[0][1]), -1)
    for table, places in tables:
        has = places >= 0
        found[has] = np.asarray(pc.index_in(table["stage"], pa.array(STAGES)))[places[has]]
    return found


def _positions(lengths: Any) -> tuple[int, ...]:
    return tuple(int(np.clip(lengths - first, 0, end - first).sum()) for first, end in BANDS)


def _ids(table: pa.Table, places: Integers) -> tuple[Integers, Any]:
    """The lengths of some rows' lists and their ids; a place of -1 is a row without any."""
    lists = table["event_id"].combine_chunks().take(pa.array(places, mask=places < 0))
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64), pc.list_flatten(lists)


def _of_rows(served: tuple[Integers, Any], offline: tuple[Integers, Any], count: int) -> Repeats:
    """The rates of rows whose lists are not the same."""
    both = pa.chunked_array([served[1], offline[1]], pa.string()).combine_chunks().dictionary_encode()
    codes = np.split(np.asarray(both.indices).astype(np.int64), [len(served[1])])
    rows = [np.repeat(np.arange(count), own[0]) for own in (served, offline)]
    places = [_counted(own[0]) for own in (served, offline)]
    different = len(both.dictionary) or 1
    own, other = (row * different + code for row, code in zip(rows, codes, strict=True))
    common = len(np.intersect1d(own, other))
    shorter = np.minimum(served[0], offline[0])
    reached = [place < shorter[row] for row, place in zip(rows, places, strict=True)]
    same = places[0][reached[0]][codes[0][reached[0]] == codes[1][reached[1]]]
    longer = np.maximum(served[0], offline[0])
    return Repeats(
        common, int(longer.sum()), tuple(int(((same >= first) & (same < end)).sum()) for first, end in BANDS), _positions(longer)
    )


def _counted(lengths: Integers) -> Integers:
    """The place of each element in its row."""
    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)


def together(parts: Sequence[Mapping[str, Repeats]]) -> dict[str, Repeats]:
    """The rates of several chunks as one."""
    found: dict[str, Repeats] = {}
    for part in parts:
        for stage, repeats in part.items():
            found[stage] = found.get(stage, Repeats()) + repeats
    return found
