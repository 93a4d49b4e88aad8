"""The aggregations as states: what a twin keeps that sees events one after the other, in whatever order they arrive.

A state takes events (`add`), can be put together with another one of other events (`merge`, associative and commutative), forgets what no
window reaches any more (`expire`), and has a `value` as of a day. It holds sums by the day of the event, so a late event lands in its own
day, and neither order nor grouping of what was added matters. The kernels in `aggregation/` are the same algebra over columns.

Days are whole days since 1970, times microseconds. Values are None where nothing counts: the default is the feature's. Sessions are not
states: they are exact in time and come from the newest events.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import (
    Count,
    DecayedSum,
    Distinct,
    Entropy,
    Last,
    Mean,
    Rate,
    Shift,
    Sum,
    Top,
)
from srp_assets.features.times import decay_weight, rank_key


@dataclass
class ExactSum:
    """A sum and what its rounding lost, so that it does not depend on the order of what was added (Dekker 1971)."""

    high: float = 0.0
    low: float = 0.0

    def add(self, value: float, rest: float = 0.0) -> None:
        """Adds a number, or another sum by its two parts."""
        total = self.high + value
        back = total - self.high
        self.low += (self.high - (total - back)) + (value - back) + rest
        self.high = total

    @property
    def value(self) -> float:
        """The sum."""
        return self.high + self.low


@dataclass
class DailySums:
    """Sums by day."""

    days: dict[int, ExactSum] = field(default_factory=dict)

    def add(self, day: int, value: float) -> None:
        """Adds a value of a day."""
        self.days.setdefault(day, ExactSum()).add(value)

    def merge(self, other: Self) -> None:
        """Takes in the sums of other events."""
        for day, found in other.days.items():
            self.days.setdefault(day, ExactSum()).add(found.high, found.low)

    def expire(self, first_day: int) -> None:
        """Forgets the days before one."""
        for day in [day for day in self.days if day < first_day]:
            del self.days[day]

    def total(self, first_day: int) -> float:
        """The sum from a day on."""
        return math.fsum(part for day, found in self.days.items() if day >= first_day for part in (found.high, found.low))

    def decayed(self, first_day: int, today: int, half_life_days: int) -> float:
        """The sum from a day on, each day weighted by its age."""
        weighted = (found.value * decay_weight(today - day, half_life_days) for day, found in self.days.items() if day >= first_day)
        return math.fsum(weighted)


class State(Protocol):
    """What one feature keeps for one entity."""

    def add(self, event: Mapping[str, Any], day: int) -> None:
        """Counts an event of the entity, if the feature counts it; `day` is that of the event."""

    def merge(self, other: Any) -> None:
        """Takes in a state of the same feature and entity, of other events."""

    def expire(self, first_day: int) -> None:
        """Forgets events of the days before one."""

    def value(self, today: int) -> Any:
        """The feature's value on a day, of the events that were added; None where nothing counts."""


@dataclass
class Sums:
    """Counts, sums, means, rates and decayed sums."""

    declared: Count | Sum | Mean | Rate | DecayedSum
    window_days: int
    counts: DailySums = field(default_factory=DailySums)
    others: DailySums = field(default_factory=DailySums)
    """Of a rate its denominators, of all else that has a column its sum."""

    def add(self, event: Mapping[str, Any], day: int) -> None:
        """Counts an event."""
        declared = self.declared
        if isinstance(declared, Rate):
            if declared.of.holds(event):
                self.others.add(day, 1.0)
            if declared.event.holds(event):
                self.counts.add(day, 1.0)
            return
        column = None if isinstance(declared, Count) else declared.column
        if declared.event.holds(event) and (column is None or event.get(column) is not None):
            self.counts.add(day, 1.0)
            if column is not None:
                self.others.add(day, event[column])

    def merge(self, other: Self) -> None:
        """Takes in another state."""
        self.counts.merge(other.counts)
        self.others.merge(other.others)

    def expire(self, first_day: int) -> None:
        """Forgets days."""
        self.counts.expire(first_day)
        self.others.expire(first_day)

    def value(self, today: int) -> float | None:
        """The value on a day."""
        declared, first = self.declared, today - self.window_days
        count = self.counts.total(first)
        if isinstance(declared, Rate):
            prior, strength = (declared.smoothing.prior, declared.smoothing.strength) if declared.smoothing else (0.0, 0.0)
            trials = self.others.total(first) + strength
            return (count + prior * strength) / trials if trials > 0 else None
        if count == 0:
            return None
        if isinstance(declared, DecayedSum):
            return (self.others if declared.column else self.counts).decayed(first, today, declared.half_life_days)
        if isinstance(declared, Count):
            return count
        total = self.others.total(first)
        return total / count if isinstance(declared, Mean) else total


@dataclass
class NewestValue:
    """The last value."""

    declared: Last
    window_days: int
    newest: tuple[Any, str, int, Any] | None = None
    """Time, event_id, day and value of the newest event."""

    def add(self, event: Mapping[str, Any], day: int) -> None:
        """Takes an event if it is newer."""
        if self.declared.event.holds(event) and event.get(self.declared.column) is not None:
            self._take((event["event_time"], event["event_id"], day, event[self.declared.column]))

    def merge(self, other: Self) -> None:
        """Takes the newer of both."""
        if other.newest is not None:
            self._take(other.newest)

    def _take(self, found: tuple[Any, str, int, Any]) -> None:
        if self.newest is None or found[:2] > self.newest[:2]:
            self.newest = found

    def expire(self, first_day: int) -> None:
        """Forgets the value if it is older."""
        if self.newest is not None and self.newest[2] < first_day:
            self.newest = None

    def value(self, today: int) -> Any:
        """The value, if it is in the window."""
        return self.newest[3] if self.newest is not None and self.newest[2] >= today - self.window_days else None


@dataclass
class ValueCounts:
    """How often each value of a column was seen: distinct, top, entropy and shift."""

    declared: Distinct | Top | Entropy | Shift
    window_days: int
    counts: dict[str, DailySums] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any], day: int) -> None:
        """Counts an event."""
        value = event.get(self.declared.column)
        if value is not None and self.declared.event.holds(event):
            self.counts.setdefault(value, DailySums()).add(day, 1.0)

    def merge(self, other: Self) -> None:
        """Takes in another state."""
        for value, found in other.counts.items():
            self.counts.setdefault(value, DailySums()).merge(found)

    def expire(self, first_day: int) -> None:
        """Forgets days, and values that have none left."""
        for value in list(self.counts):
            self.counts[value].expire(first_day)
            if not self.counts[value].days:
                del self.counts[value]

    def value(self, today: int) -> Any:
        """The value on a day."""
        declared, first = self.declared, today - self.window_days
        counts = self._counts(first)
        if not counts:
            return None
        if isinstance(declared, Distinct):
            return float(len(counts))
        if isinstance(declared, Entropy):
            total = math.fsum(counts.values())
            return math.fsum(count / total * math.log(total / count) for count in counts.values())
        if isinstance(declared, Shift):
            return shift_of(counts, self._counts(today - declared.compared_days))
        half_life = declared.half_life_days
        scores = counts if half_life is None else {value: self.counts[value].decayed(first, today, half_life) for value in counts}
        return tuple(sorted(scores, key=lambda value: (-rank_key(scores[value]), value))[: declared.size])

    def _counts(self, first_day: int) -> dict[str, float]:
        totals = {value: found.total(first_day) for value, found in self.counts.items()}
        return {value: total for value, total in totals.items() if total > 0}


def shift_of(counts: Mapping[str, float], others: Mapping[str, float]) -> float | None:
    """Half the sum of the differences between the shares of values; None where one side has none."""
    total, total_of_others = math.fsum(counts.values()), math.fsum(others.values())
    if not total or not total_of_others:
        return None
    values = counts.keys() | others.keys()
    return math.fsum(abs(counts.get(value, 0.0) / total - others.get(value, 0.0) / total_of_others) for value in values) / 2


def empty_state(feature: Feature) -> State:
    """The state of a windowed feature before any event."""
    declared = feature.declared
    assert isinstance(feature.window, int)
    if isinstance(declared, Last):
        return NewestValue(declared, feature.window)
    if isinstance(declared, Distinct | Top | Entropy | Shift):
        return ValueCounts(declared, feature.window)
    assert isinstance(declared, Count | Sum | Mean | Rate | DecayedSum)
    return Sums(declared, feature.window)


def reach_days(feature: Feature) -> int:
    """How many days before today a feature's state has to remember."""
    declared = feature.declared
    assert isinstance(feature.window, int)
    return max(feature.window, declared.compared_days) if isinstance(declared, Shift) else feature.window
