"""A batch of events as columns: what counting needs of each, made once when it is first asked for.

Events come as dictionaries from a live stream or as tables of the built logs, and lack their attributes and their calendar.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.rows import Flags, Floats, Integers
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR, hour_texts, weekday_texts
from srp_assets.online.attributes import Attributes
from srp_assets.online.records.digests import digest_of, digest_of_all
from srp_assets.online.records.entries import IdWords, id_words

Event = Mapping[str, Any]

HOURS, WEEKDAYS = hour_texts(), weekday_texts()
EPOCH_IS_A = 3
"""1970-01-01 was a Thursday, the day 3 after a Monday."""


class EventBatch:
    """Events of a stream.

    Args:
        size: how many there are.
        given: a column of theirs as a list, None for null or for what they do not have; times in microseconds since 1970.
        attributes: by which they are described.
    """

    def __init__(self, size: int, given: Callable[[str], list[Any]], attributes: Attributes) -> None:
        self.size = size
        self._given = given
        self._attributes = attributes
        self._lists: dict[str, list[Any]] = {}
        self._coded: dict[str, tuple[Integers, list[str]]] = {}
        self._digests: dict[tuple[str, ...], Integers] = {}
        self._numbers: dict[str, tuple[Floats, Flags]] = {}
        self._rows: dict[str, list[int]] = {}
        self.time: Integers = np.array(self.listed("event_time"), np.int64)
        self.day: Integers = self.time // MICROSECONDS_OF_DAY

    @classmethod
    def of_events(cls, events: Sequence[Event], attributes: Attributes) -> Self:
        """Events as dictionaries."""
        return cls(len(events), lambda name: [event.get(name) for event in events], attributes)

    @classmethod
    def of_table(cls, table: pa.Table, attributes: Attributes) -> Self:
        """Rows of a stream (`stream.as_stream`)."""

        def given(name: str) -> list[Any]:
            if name not in table.column_names:
                return [None] * table.num_rows
            column = table[name]
            return list((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())

        return cls(table.num_rows, given, attributes)

    def listed(self, name: str) -> list[Any]:
        """A column as a list, None for null."""
        if name not in self._lists:
            self._lists[name] = self._listed(name)
        return self._lists[name]

    def _listed(self, name: str) -> list[Any]:
        if name == "hour":
            return [HOURS[hour] for hour in (self.time % MICROSECONDS_OF_DAY // MICROSECONDS_OF_HOUR).tolist()]
        if name == "weekday":
            return [WEEKDAYS[weekday] for weekday in ((self.day + EPOCH_IS_A) % 7).tolist()]
        source = self._attributes.source_of(name)
        if source is None:
            return [None] * self.size if name in self._attributes.names else self._given(name)
        if source.name not in self._rows:
            self._rows[source.name] = source.rows_of(self.listed(source.key), self.day.tolist())
        return source.column(name, self._rows[source.name])

    def coded(self, name: str) -> tuple[Integers, list[str]]:
        """The values of a text column by number, -1 for null, and the different values."""
        if name not in self._coded:
            numbers: dict[str, int] = {}
            places = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in self.listed(name)]
            self._coded[name] = (np.array(places, np.int64), list(numbers))
        return self._coded[name]

    def texts(self, name: str) -> dict[int, str]:
        """The different values of a text column by their digests."""
        return {digest_of(value): value for value in self.coded(name)[1]}

    def digests(self, *names: str) -> Integers:
        """The digest of a text column, or of some columns together; 0 where one of them is null."""
        if names not in self._digests:
            coded = [self.coded(name) for name in names]
            if len(names) == 1:
                ((codes, values),) = coded
                self._digests[names] = np.array([*map(digest_of, values), 0], np.int64)[codes]
            else:
                rows = zip(*(codes.tolist() for codes, _ in coded), strict=True)
                texts = [[*values, None] for _, values in coded]
                self._digests[names] = np.array([_digest([own[code] for own, code in zip(texts, row, strict=True)]) for row in rows])
        return self._digests[names]

    def numbers(self, name: str) -> tuple[Floats, Flags]:
        """A column of numbers or times as float64, NaN for null; and which are not null."""
        if name not in self._numbers:
            values = self.listed(name)
            known = np.array([value is not None for value in values], np.bool_)
            self._numbers[name] = (np.array([np.nan if value is None else value for value in values], np.float64), known)
        return self._numbers[name]

    def known(self, name: str, type_: str) -> Flags:
        """Where a column is not null."""
        return self.coded(name)[0] >= 0 if type_ == "text" else self.numbers(name)[1]

    def words(self, name: str, type_: str) -> Integers:
        """A column as the words of values: digests of texts, numbers bit by bit, times in microseconds; anything where it is null."""
        if type_ == "text":
            return self.digests(name)
        if type_ == "number":
            return self.numbers(name)[0].view(np.int64)
        return np.array([0 if value is None else value for value in self.listed(name)], np.int64)

    @cached_property
    def ids(self) -> IdWords:
        """The ids of the events."""
        return id_words(self.listed("event_id"))

    @cached_property
    def order(self) -> Integers:
        """The place of each event in the order of contract 2."""
        ids = self.listed("event_id")
        times = self.time.tolist()
        places = np.empty(self.size, np.int64)
        places[sorted(range(self.size), key=lambda row: (times[row], ids[row]))] = np.arange(self.size)
        return places


def _digest(texts: Sequence[str | None]) -> int:
    known = [text for text in texts if text is not None]
    return digest_of_all(known) if len(known) == len(texts) else 0
