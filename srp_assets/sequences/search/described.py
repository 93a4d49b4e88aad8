"""Actions in columns, with all that searches ask of them; where they come from is up to who makes them.

Texts stand as digests (0 for null) in both flows, so one search serves both: comparing them is comparing numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from srp_assets.features.aggregation.rows import EPOCH_IS_A, Floats, Integers
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR, days_of, hour_texts, weekday_texts
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.search.attributes import AttributeIndex


@dataclass
class Described:
    """Columns of actions, computed when they are first asked for.

    Args:
        event_time: microseconds, shape (actions,).
        arrival_time: microseconds, shape (actions,).
        own_texts: digests of a column that actions bring.
        own_numbers: numbers of such a column.
        attributes: by which they are described, as of the beginnings of their days.
    """

    event_time: Integers
    arrival_time: Integers
    own_texts: Callable[[str], Integers]
    own_numbers: Callable[[str], Floats]
    attributes: AttributeIndex
    _texts: dict[str, Integers] = field(default_factory=dict, init=False)
    _numbers: dict[str, Floats] = field(default_factory=dict, init=False)
    _rows: dict[str, Integers] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.event_time)

    def texts(self, name: str) -> Integers:
        """The digests of a column of texts."""
        if name not in self._texts:
            self._texts[name] = self._digests(name)
        return self._texts[name]

    def _digests(self, name: str) -> Integers:
        if name == "hour":
            return _digests_by_number(hour_texts())[self.event_time % MICROSECONDS_OF_DAY // MICROSECONDS_OF_HOUR]
        if name == "weekday":
            return _digests_by_number(weekday_texts())[(days_of(self.event_time) + EPOCH_IS_A) % 7]
        source = self.attributes.source_of(name)
        return self.own_texts(name) if source is None else source.texts[name][self.versions(name)]

    def numbers(self, name: str) -> Floats:
        """A column of numbers."""
        if name not in self._numbers:
            source = self.attributes.source_of(name)
            self._numbers[name] = self.own_numbers(name) if source is None else source.numbers[name][self.versions(name)]
        return self._numbers[name]

    def versions(self, name: str) -> Integers:
        """The rows of the versions that an attribute is taken from, as of the day of each action."""
        source = self.attributes.source_of(name)
        assert source is not None
        return self._source_rows(source.name)

    def _source_rows(self, name: str) -> Integers:
        if name not in self._rows:
            source = self.attributes.sources[name]
            self._rows[name] = source.rows(self.texts(source.key), days_of(self.event_time))
        return self._rows[name]

    @property
    def size(self) -> int:
        """Bytes of what has been computed of all columns so far, with the times."""
        found = [self.event_time, self.arrival_time, *self._texts.values(), *self._numbers.values(), *self._rows.values()]
        return sum(own.nbytes for own in found)

    def extended(self, more: "Described", own_texts: Callable[[str], Integers], own_numbers: Callable[[str], Floats]) -> "Described":
        """These actions and others after them: what was computed stays, and is completed by what the others need.

        Args:
            more: the others.
            own_texts: digests of a column that all of them bring.
            own_numbers: numbers of such a column.
        """
        times = (np.concatenate([self.event_time, more.event_time]), np.concatenate([self.arrival_time, more.arrival_time]))
        both = Described(*times, own_texts, own_numbers, self.attributes)
        both._rows = {name: np.concatenate([own, more._source_rows(name)]) for name, own in self._rows.items()}
        both._texts = {name: np.concatenate([own, more.texts(name)]) for name, own in self._texts.items()}
        both._numbers = {name: np.concatenate([own, more.numbers(name)]) for name, own in self._numbers.items()}
        return both


def _digests_by_number(texts: list[str]) -> Integers:
    return np.array([digest_of(text) for text in texts], np.int64)
