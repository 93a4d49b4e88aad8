"""Features that speak of the values of a column, at request time: how many differ, how diverse they are, how far they moved, which lead."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Distinct, Entropy, Shift, Top
from srp_assets.online.answering.columns import Values, taken


@dataclass(frozen=True)
class Collected:
    """Counts of values by day, sorted by code, slot and value; all of shape (rows,)."""

    slot: Integers
    code: Integers
    value: Integers
    day: Integers
    count: Floats

    @classmethod
    def sorted(cls, slot: Integers, code: Integers, value: Integers, day: Integers, count: Floats) -> "Collected":
        """Rows in any order."""
        order = np.lexsort((value, slot, code))
        return cls(slot[order], code[order], value[order], day[order], count[order])

    def of(self, code: int, first_slot: int, slots: int) -> "CollectedSlots":
        """The rows of one code by slot."""
        begin, end = np.searchsorted(self.code, [code, code + 1])
        own = slice(int(begin), int(end))
        bounds = np.searchsorted(self.slot[own], np.arange(first_slot, first_slot + slots + 1))
        return CollectedSlots(bounds, self.value[own], self.day[own], self.count[own])


@dataclass(frozen=True)
class CollectedSlots:
    """The rows of slots: those of slot n from `bounds[n]` to before `bounds[n + 1]`."""

    bounds: Integers
    value: Integers
    day: Integers
    count: Floats


def value_feature(feature: Feature, rows: CollectedSlots, today: int, weights: Floats, places: Integers) -> Values:
    """A feature of all candidates: float64, NaN where nothing counts; of a ranking lists of (digest, score), None where there is none.

    Args:
        feature: which.
        rows: its counts.
        today: days since 1970.
        weights: of counts by their age, empty for none.
        places: the slot of each candidate, -1 for none.
    """
    declared, window = feature.declared, feature.window
    assert isinstance(window, int)
    slots = [slice(int(begin), int(end)) for begin, end in zip(rows.bounds, rows.bounds[1:], strict=False)]
    if isinstance(declared, Top):
        scored: list[Any] = [_scores(rows, own, today, window, weights) for own in slots]
        return [scored[place] if place >= 0 else None for place in places.tolist()]
    found = np.full(len(slots), np.nan)
    for number, own in enumerate(slots):
        if own.start < own.stop:
            found[number] = _figure(declared, rows, own, today, window)
    return taken(found, places)


def _figure(declared: Any, rows: CollectedSlots, own: slice, today: int, window: int) -> float:
    from srp_assets.online.records import kernels

    _, totals, _ = _totals(rows, own, today, window, np.zeros(0))
    if isinstance(declared, Distinct):
        return float((totals > 0).sum()) or np.nan
    if isinstance(declared, Entropy):
        return float(kernels.entropy_of(totals))
    assert isinstance(declared, Shift)
    _, others, _ = _totals(rows, own, today, declared.compared_days, np.zeros(0))
    return float(kernels.shift_of(totals, others))


def _scores(rows: CollectedSlots, own: slice, today: int, window: int, weights: Floats) -> list[tuple[int, float]] | None:
    first, totals, scores = _totals(rows, own, today, window, weights)
    values = rows.value[own]
    found = [(int(values[first[place]]), float(scores[place])) for place in np.flatnonzero(totals > 0)]
    return found or None


def _totals(rows: CollectedSlots, own: slice, today: int, window: int, weights: Floats) -> tuple[Integers, Floats, Floats]:
    """Of each value its first row, its count and its score."""
    from srp_assets.online.records import kernels

    size = own.stop - own.start
    out = (np.empty(size, np.int64), np.empty(size), np.empty(size))
    count = kernels.value_totals(rows.value[own], rows.day[own], rows.count[own], today, window, weights, out)
    return out[0][:count], out[1][:count], out[2][:count]
