"""What events add to records: the sums, newest values and events of sessions of every feature, as entries.

A batch is counted by columns (`batch.py`), in loops that are compiled (`records/counting_kernels.py`). Entries of one batch that belong
together are added up before they are written, so a market gets a few entries from thousands of events.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from srp_assets.features.aggregation.layout import PartialTable
from srp_assets.features.aggregation.rows import Flags, Integers
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.model import EventFilter, EventTest
from srp_assets.online.consuming.batch import EventBatch
from srp_assets.online.records.entries import WORD, head
from srp_assets.online.records.layout import FORMS, SESSION_CODE, Code, RecordLayout, SessionTerm
from srp_assets.online.store import record_key


@dataclass
class Counted:
    """What a batch of events adds.

    Args:
        entries: to append, by the keys of records.
        texts: by their digests, those that are asked for.
    """

    entries: dict[str, bytes] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)

    def add(self, entries: Iterator[tuple[str, bytes]]) -> None:
        """Adds entries after those that are there."""
        for key, data in entries:
            self.entries[key] = self.entries[key] + data if key in self.entries else data


class _Numbers:
    """Things by number, in the order in which they were first asked for."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def of(self, thing: Any) -> int:
        """The number of a thing."""
        return self.known.setdefault(thing, len(self.known))


class Counter:
    """Counts events for a layout of records."""

    def __init__(self, layout: RecordLayout) -> None:
        self._types: dict[str, ValueType] = {**layout.definitions.event_columns, "kind": "text"}
        self._families = layout.families
        self._firsts = [records.family.key for records in layout.families]
        self._keys, self._filters, self._sums, self._newest = _Numbers(), _Numbers(), _Numbers(), _Numbers()
        self._tables: list[tuple[str, PartialTable]] = []
        self._named: set[str] = set()
        tables: list[tuple[int, ...]] = []
        codes: list[tuple[int, ...]] = []
        key_words: list[int] = []
        for number, records in enumerate(layout.families):
            for table in records.family.tables:
                own = [code for code in records.codes if code.table == table]
                last = self._keys.of(table.keys[-1:]) if len(table.keys) > 1 else -1
                middle = self._keys.of(table.keys[1:-1]) if len(table.keys) > 2 else -1
                begin = len(codes)
                codes += [self._code(code) for code in own]
                key_words += [code.key_words for code in own]
                tables.append((number, last, middle, table in records.apart, begin, len(codes)))
                self._tables.append((records.group(table), table))
                self._named |= {code.part.column if code.form == "newest" else table.keys[-1] for code in own if code.names_texts}  # type: ignore[misc]
        self._table_rows = np.array(tables, np.int64).reshape(-1, 6)
        self._code_rows = np.array(codes, np.int64).reshape(-1, 4)
        self._key_words = np.array(key_words, np.int64)

    def _code(self, code: Code) -> tuple[int, int, int, int]:
        """A row of `codes` of `count_rows`."""
        column = code.part.column
        values = -1
        if code.form != "count":
            values = (self._sums if code.form == "sum" else self._newest).of(column)
        return code.number, FORMS.index(code.form), self._filters.of((code.part.filter, column)), values

    def count(self, batch: EventBatch) -> Counted:
        """What events add, each of them once."""
        from srp_assets.online.records import counting_kernels as kernels  # numba takes a second to import

        counted = Counted()
        if not batch.size or not len(self._code_rows):
            self._add_sessions(counted, batch)
            return counted
        flags = np.array([self._counted(batch, filter_, column) for filter_, column in self._filters.known])
        most = max(1, int(flags.sum(axis=1)[self._code_rows[:, kernels.FILTER]].sum()))
        sums = (np.zeros(most), np.zeros(most), np.empty(most, np.int64))
        cells, buckets = np.empty((most, 5), np.int64), np.empty((most, 5), np.int64)
        days = batch.day
        found, found_buckets = kernels.count_rows(
            (
                np.array([batch.coded(name)[0] for name in self._firsts]),
                _rows([batch.digests(*names) for names in self._keys.known], batch.size, np.int64),
                days,
                batch.order,
                _rows([batch.numbers(name)[0] for name in self._sums.known], batch.size, np.float64),
            ),
            self._table_rows,
            self._code_rows,
            flags,
            sums,
            (_hash_table(most), _hash_table(most), cells, buckets),
        )
        ids = batch.ids
        newest = _rows([batch.words(name, self._types[name]) for name in self._newest.known], batch.size, np.int64)
        words, bounds = kernels.pack_cells(
            cells[:found],
            sums,
            (self._code_rows, self._key_words),
            found_buckets,
            (days, batch.time, newest),
            (ids.words, ids.bounds, ids.sizes),
        )
        counted.add(zip(self._record_keys(batch, buckets[:found_buckets]), slices(words, bounds), strict=True))
        for name in self._named:
            counted.texts.update(batch.texts(name))
        self._add_sessions(counted, batch)
        return counted

    def sessions(self, batch: EventBatch) -> Counted:
        """What events add to sessions alone: their sums are known already."""
        counted = Counted()
        self._add_sessions(counted, batch)
        return counted

    def _record_keys(self, batch: EventBatch, buckets: Integers) -> Iterator[str]:
        """The keys of the records that buckets are."""
        for table, first, _, middle, last in buckets.tolist():
            if table < 0:
                key = self._firsts[-1 - table]
                yield record_key(key, batch.coded(key)[1][first])
            else:
                group, own = self._tables[table]
                further = (last,) if len(own.keys) == 2 else (middle, last)
                yield record_key(group, batch.coded(own.keys[0])[1][first], *further)

    def _counted(self, batch: EventBatch, filter_: EventFilter, column: str | None) -> Flags:
        """Which events a filter counts that have a value in a column."""
        kinds, names = batch.coded("kind")
        found = np.array([*(name in filter_.kinds for name in names), False], np.bool_)[kinds]
        for test in filter_.where:
            found &= self._passes(batch, test)
        return found if column is None else found & batch.known(column, self._types[column])

    def _passes(self, batch: EventBatch, test: EventTest) -> Flags:
        if self._types[test.column] == "text":
            codes, texts = batch.coded(test.column)
            return np.array([test.holds({test.column: text}) for text in (*texts, None)], np.bool_)[codes]
        values, known = batch.numbers(test.column)
        if test.test == "is_null":
            return ~known
        if test.test == "is_not_null":
            return known
        # Validated: what is compared with a number is one.
        wanted: Any = test.value
        if test.test == "not_equals":
            return ~known | (values != wanted)
        compare = {"equals": np.equal, "at_least": np.greater_equal, "below": np.less}[test.test]
        return known & compare(values, wanted)

    def _add_sessions(self, counted: Counted, batch: EventBatch) -> None:
        """Keeps events for the sessions of their users."""
        from srp_assets.online.records import counting_kernels as kernels

        for records in self._families:
            if not records.session_terms or not batch.size:
                continue
            key = records.family.key
            ids = batch.ids
            heads = head(SESSION_CODE, 0, 0) + batch.day * head(0, 0, 1)
            # An event that no term counts is kept too: it keeps its session from ending.
            terms = [self._term(batch, term) for term in records.session_terms]
            codes, values = batch.coded(key)
            fixed = np.stack([heads, batch.time, *terms, ids.sizes], axis=1)
            words, bounds = kernels.pack_rows(codes, len(values), fixed, (ids.words, ids.bounds))
            counted.add(zip((record_key(key, value) for value in values), slices(words, bounds), strict=True))
            for term in records.named_terms:
                assert term.column is not None
                counted.texts.update(batch.texts(term.column))

    def _term(self, batch: EventBatch, term: SessionTerm) -> Integers:
        """The words of a term."""
        holds = self._counted(batch, term.filter, term.column)
        if term.column is None:
            return np.where(holds, 1.0, np.nan).view(np.int64)
        if self._types[term.column] == "text":
            return np.where(holds, batch.digests(term.column), 0)
        return np.where(holds, batch.numbers(term.column)[0], np.nan).view(np.int64)


def slices(words: Integers, bounds: Integers) -> Iterator[bytes]:
    """The bytes between bounds."""
    data, ends = words.tobytes(), (bounds * WORD).tolist()
    return (data[begin:end] for begin, end in zip(ends, ends[1:], strict=False))


def _rows(columns: list[Any], size: int, type_: Any) -> Any:
    """Columns as the rows of a matrix; of none a matrix without rows."""
    return np.array(columns, type_) if columns else np.zeros((0, size), type_)


def _hash_table(most: int) -> Integers:
    """An empty hash table that stays half empty with so many entries."""
    return np.full(1 << (2 * most - 1).bit_length(), -1, np.int64)
