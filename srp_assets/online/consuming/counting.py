"""What events add to records: the sums, newest values and events of sessions of every feature, as entries.

Events are dictionaries with the columns of `logs/actions` and attributes; times are microseconds since 1970. Entries of one batch that
belong together are added up before they are written, so a market gets a few entries from thousands of events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from srp_assets.features.algebra import ExactSum
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.model import EventTest
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR, hour_texts, weekday_texts
from srp_assets.online.records.digests import digest_of, digest_of_all
from srp_assets.online.records.entries import Keys, count_entry, newest_entry, number_word, session_entry, sum_entry
from srp_assets.online.records.layout import Code, FamilyRecords, Form, RecordLayout, SessionTerm

Event = Mapping[str, Any]
RecordKey = tuple[str, str]
"""The first key of the family, and its value."""

Word = Callable[[Any], int]

HOURS, WEEKDAYS = hour_texts(), weekday_texts()
EPOCH_IS_A = 3
"""1970-01-01 was a Thursday, the day 3 after a Monday."""


@dataclass(frozen=True)
class _Part:
    """What an event of a kind may add to a table: to one code."""

    code: int
    form: Form
    tests: tuple[EventTest, ...]
    column: str | None
    word: Word | None
    text_is_kept: bool


@dataclass(frozen=True)
class _Table:
    """What an event of a kind may add to a table.

    Args:
        middle: the keys between the first and the last.
        last: the last key, where there is more than one.
        names_last: whether the text of the last key is asked for.
        counts: codes that every such event adds one to.
        parts: all else.
    """

    middle: tuple[str, ...]
    last: str | None
    names_last: bool
    counts: tuple[int, ...]
    parts: tuple[_Part, ...]


@dataclass(frozen=True)
class _Session:
    """The terms that an event of a kind may have."""

    values: Struct
    terms: tuple[tuple[SessionTerm, ValueType | None, bool], ...]


@dataclass
class Counted:
    """What a batch of events adds.

    Args:
        entries: to append, by record.
        texts: by their digests, those that are asked for.
    """

    entries: dict[RecordKey, bytes] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)


class Counter:
    """Counts events for a layout of records."""

    def __init__(self, layout: RecordLayout) -> None:
        definitions = layout.definitions
        self._types = {**definitions.event_columns, "kind": "text"}
        self._families = [(family.family.key, self._plans(family), self._session(family)) for family in layout.families]

    def count(self, events: Iterable[Event]) -> Counted:
        """What events add, each of them once and with its attributes."""
        counted = Counted()
        batch = _Batch(counted.texts)
        for event in events:
            described = with_event_calendar(event)
            day = event["event_time"] // MICROSECONDS_OF_DAY
            for key_column, plans, session in self._families:
                key = described.get(key_column)
                if key is None:
                    continue
                record = (key_column, key)
                for table in plans.get(described["kind"], ()):
                    batch.add(record, table, described, day)
                if session is not None:
                    batch.add_to_session(record, session, described)
        counted.entries.update({record: b"".join(parts) for record, parts in batch.packed().items() if parts})
        return counted

    def sessions(self, events: Iterable[Event]) -> Counted:
        """What events add to sessions alone: their sums are known already."""
        counted = Counted()
        batch = _Batch(counted.texts)
        for event in events:
            described = with_event_calendar(event)
            for key_column, _, session in self._families:
                if session is not None and described.get(key_column) is not None:
                    batch.add_to_session((key_column, described[key_column]), session, described)
        counted.entries.update({record: b"".join(parts) for record, parts in batch.packed().items()})
        return counted

    def _plans(self, records: FamilyRecords) -> dict[str, list[_Table]]:
        """By kind, what an event of it adds to each table."""
        plans: dict[str, dict[tuple[str, ...], list[_Part]]] = {}
        for code in records.codes:
            for kind in code.part.filter.kinds:
                plans.setdefault(kind, {}).setdefault(code.table.keys, []).append(self._part(code))
        named = {code.table.keys for code in records.codes if code.names_texts and code.form != "newest"}
        return {kind: [_table(keys, keys in named, parts) for keys, parts in tables.items()] for kind, tables in plans.items()}

    def _part(self, code: Code) -> _Part:
        column = code.part.column
        word = _WORDS[self._types[column]] if code.form == "newest" and column is not None else None
        return _Part(code.number, code.form, code.part.filter.where, column, word, code.form == "newest" and code.names_texts)

    def _session(self, records: FamilyRecords) -> _Session | None:
        if not records.session_terms:
            return None
        terms = [
            (term, None if term.column is None else self._types[term.column], term in records.named_terms) for term in records.session_terms
        ]
        return _Session(Struct("<" + "".join("q" if type_ == "text" else "d" for _, type_, _ in terms)), tuple(terms))


def _table(keys: tuple[str, ...], names_last: bool, parts: Sequence[_Part]) -> _Table:
    counts = [part for part in parts if part.form == "count" and part.column is None and not part.tests]
    others = tuple(part for part in parts if part not in counts)
    return _Table(keys[1:-1], keys[-1] if len(keys) > 1 else None, names_last, tuple(part.code for part in counts), others)


def with_event_calendar(event: Event) -> dict[str, Any]:
    """An event with its hour and weekday."""
    time = event["event_time"]
    day, of_day = divmod(time, MICROSECONDS_OF_DAY)
    return {**event, "hour": HOURS[of_day // MICROSECONDS_OF_HOUR], "weekday": WEEKDAYS[(day + EPOCH_IS_A) % 7]}


_WORDS: dict[str, Word] = {"number": lambda value: number_word(float(value)), "text": digest_of, "time": int}

Cell = tuple[int, Keys, int]
"""Code, further keys and day."""


class _Batch:
    """What was counted so far, by record and cell."""

    def __init__(self, texts: dict[int, str]) -> None:
        self._texts = texts
        self._counts: dict[RecordKey, dict[Cell, float]] = {}
        self._sums: dict[RecordKey, dict[Cell, ExactSum]] = {}
        self._newest: dict[RecordKey, dict[tuple[int, Keys], tuple[int, str, int]]] = {}
        self._sessions: dict[RecordKey, list[bytes]] = {}

    def add(self, record: RecordKey, table: _Table, event: Event, day: int) -> None:
        """Counts an event of the table's record and of a day."""
        keys = self._keys(table, event)
        if keys is None:
            return
        counts = self._counts.get(record)
        if counts is None:
            counts = self._counts[record] = {}
        for code in table.counts:
            cell = (code, keys, day)
            counts[cell] = counts.get(cell, 0.0) + 1.0
        for part in table.parts:
            value = None
            if part.column is not None:
                value = event.get(part.column)
                if value is None:
                    continue
            if part.tests and not all(test.holds(event) for test in part.tests):
                continue
            if part.form == "count":
                cell = (part.code, keys, day)
                counts[cell] = counts.get(cell, 0.0) + 1.0
            elif part.form == "sum":
                sums = self._sums.setdefault(record, {})
                sums.setdefault((part.code, keys, day), ExactSum()).add(float(value))  # type: ignore[arg-type]
            else:
                self._take_newest(record, part, keys, event, value)

    def _keys(self, table: _Table, event: Event) -> Keys | None:
        """The words of the keys after the first; None where one of them is null."""
        if table.last is None:
            return ()
        last = event.get(table.last)
        if last is None:
            return None
        digest = digest_of(last)
        if table.names_last:
            self._texts[digest] = last
        if not table.middle:
            return (digest,)
        middle = [event.get(column) for column in table.middle]
        return None if None in middle else (digest_of_all(middle), digest)  # type: ignore[arg-type]

    def _take_newest(self, record: RecordKey, part: _Part, keys: Keys, event: Event, value: Any) -> None:
        assert part.word is not None
        newest = self._newest.setdefault(record, {})
        known = newest.get((part.code, keys))
        order = (event["event_time"], event["event_id"])
        if known is None or order > known[:2]:
            word = part.word(value)
            newest[part.code, keys] = (*order, word)
            if part.text_is_kept:
                self._texts[word] = value

    def add_to_session(self, record: RecordKey, session: _Session, event: Event) -> None:
        """Keeps an event for the sessions of its user."""
        # An event that no term counts is kept too: it keeps its session from ending.
        words: list[float | int] = []
        for term, type_, named in session.terms:
            value: Any = 1.0 if term.column is None else event.get(term.column)
            if value is None or not term.filter.holds(event):
                words.append(0 if type_ == "text" else float("nan"))
                continue
            if type_ == "text":
                words.append(digest_of(value))
                if named:
                    self._texts[digest_of(value)] = value
            else:
                words.append(float(value))
        time = event["event_time"]
        entry = session_entry(time // MICROSECONDS_OF_DAY, time, session.values.pack(*words), event["event_id"])
        self._sessions.setdefault(record, []).append(entry)

    def packed(self) -> dict[RecordKey, list[bytes]]:
        """The entries of each record."""
        found: dict[RecordKey, list[bytes]] = {}
        for record, counts in self._counts.items():
            found.setdefault(record, []).extend(count_entry(*cell, count) for cell, count in counts.items())
        for record, sums in self._sums.items():
            found.setdefault(record, []).extend(sum_entry(*cell, kept.high, kept.low) for cell, kept in sums.items())
        for record, newest in self._newest.items():
            parts = (
                newest_entry(code, keys, time // MICROSECONDS_OF_DAY, time, word, event_id)
                for (code, keys), (time, event_id, word) in newest.items()
            )
            found.setdefault(record, []).extend(parts)
        for record, entries in self._sessions.items():
            found.setdefault(record, []).extend(entries)
        return found
