"""The index of a portrait: a user's actions sorted and prepared for every sequence, grown by what is appended.

Columns stay in the order in which actions were appended, so nothing that was computed moves; `order` says which is the newest. What is new
in a portrait is decoded, described and merged into the order; a portrait that was cut, or written anew, is indexed from its beginning.
"""

from collections.abc import Callable

import numpy as np

from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.online.portrait import KINDS_COLUMN, Portrait, portrait_of
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.described import Described
from srp_assets.sequences.search.searching import PreparedSequence, SearchVectors

EVERYTHING = 1 << 62

MOST_PARTS = 64
"""Appended pieces after which a portrait is indexed anew, as one: each costs a little whenever ids are read."""


class PortraitIndex:
    """The actions of one user.

    Args:
        document: which sequences they are prepared for.
        attributes: by which they are described.
        vectors: of items, for soft searches.

    `order` are the places of the actions, the newest first, and `ages` their negated event times; `event_time` and `arrival_time`
    are in the order of places.
    """

    def __init__(self, document: Document, attributes: AttributeIndex, vectors: SearchVectors | None) -> None:
        self._document = document
        self._attributes = attributes
        self._vectors = vectors
        self._clear()

    def _clear(self) -> None:
        self._data = b""
        self._parts: list[Portrait] = []
        self.order: Integers = np.zeros(0, np.int64)
        self.ages: Integers = np.zeros(0, np.int64)
        self.described = self._describe([])
        self.sequences = self._prepare(self.described)

    @property
    def event_time(self) -> Integers:
        """Microseconds, by place."""
        return self.described.event_time

    @property
    def arrival_time(self) -> Integers:
        """Microseconds, by place."""
        return self.described.arrival_time

    @property
    def size(self) -> int:
        """Bytes that the index holds beside the portrait itself."""
        return self.order.nbytes + self.ages.nbytes + self.described.size + sum(own.size for own in self.sequences)

    def take(self, data: bytes) -> None:
        """Brings the index to what a portrait holds now.

        Raises:
            ValueError: if the data are no portrait.
        """
        if data == self._data:
            return
        if not data.startswith(self._data) or len(self._parts) == MOST_PARTS:
            self._clear()
        new = portrait_of(data[len(self._data) :], length=EVERYTHING)
        self._append(new)
        self._data = data

    def _append(self, new: Portrait) -> None:
        # Their own order is by time and id already; places follow it, the oldest first.
        part = Portrait(new.words, new.starts[::-1])
        first = len(self.described)
        self._parts.append(part)
        described = self._describe([part])
        self.described = self.described.extended(described, self.texts, self.numbers)
        prepared = zip(self.sequences, self._prepare(described), strict=True)
        self.sequences = [old.extended(own, self.described) for old, own in prepared]
        self.order = self._merged(np.arange(first + len(part) - 1, first - 1, -1))
        self.ages = -self.described.event_time[self.order]

    def _merged(self, new: Integers) -> Integers:
        """The order of all actions: what is new and what was there, each the newest first."""
        times = self.described.event_time
        old = self.order
        if not len(old) or not len(new) or times[new[-1]] > times[old[0]]:
            return np.concatenate([new, old])
        both = np.concatenate([new, old])
        order = np.argsort(-times[both], kind="stable")
        ties = np.flatnonzero(np.diff(times[both[order]]) == 0)
        if len(ties):
            tied = np.unique(np.concatenate([order[ties], order[ties + 1]])).tolist()
            ids = dict(zip(tied, self.event_ids(both[tied]), strict=True))
            rank = np.zeros(len(both), np.int64)
            for number, place in enumerate(sorted(tied, key=ids.__getitem__)):
                rank[place] = number
            order = np.lexsort((-rank, -times[both]))
        return both[order]

    def event_ids(self, places: Integers) -> list[str]:
        """The ids of actions."""
        borders = np.cumsum([0, *map(len, self._parts)])
        of_part = np.searchsorted(borders, places, side="right") - 1
        found = [""] * len(places)
        for number in np.unique(of_part).tolist():
            own = np.flatnonzero(of_part == number)
            part = self._parts[number]
            ids = Portrait(part.words, part.starts[places[own] - borders[number]]).event_ids
            for place, text in zip(own.tolist(), ids, strict=True):
                found[place] = text
        return found

    def texts(self, name: str) -> Integers:
        """The digests of a column that actions bring, by place."""
        return self._texts(self._parts)(name)

    def numbers(self, name: str) -> Floats:
        """The numbers of a column that actions bring, by place."""
        return self._numbers(self._parts)(name)

    def _describe(self, parts: list[Portrait]) -> Described:
        happened = np.concatenate([np.zeros(0, np.int64), *(part.event_time for part in parts)])
        arrived = np.concatenate([np.zeros(0, np.int64), *(part.arrival_time for part in parts)])
        return Described(happened, arrived, self._texts(parts), self._numbers(parts), self._attributes)

    def _prepare(self, described: Described) -> list[PreparedSequence]:
        return [PreparedSequence(own, described, self._vectors) for own in self._document.sequences]

    @staticmethod
    def _texts(parts: list[Portrait]) -> Callable[[str], Integers]:
        def texts(name: str) -> Integers:
            return np.concatenate([np.zeros(0, np.int64), *(part.kind if name == KINDS_COLUMN else part.text(name) for part in parts)])

        return texts

    @staticmethod
    def _numbers(parts: list[Portrait]) -> Callable[[str], Floats]:
        def numbers(name: str) -> Floats:
            return np.concatenate([np.zeros(0), *(part.number(name) for part in parts)])

        return numbers
