"""Looks for patterns in columns of text: regexes, similar characters and acrostics.

Three steps, each for fewer texts than the one before. Texts that may hit are found by their filters (`filter_engine.py`), acrostics by a
kernel of their own; patterns without a filter are looked for in every text. Each candidate is then confirmed by the pattern's automaton,
in time linear in the text. Patterns that refer back, or forbid to try again, are confirmed last, by the module `regex` within a budget of
time.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.patterns.acrostic_kernel import Acrostics, acrostics_of, candidates
from srp_assets.wordlists.patterns.automaton import automata_of
from srp_assets.wordlists.patterns.entries import PatternEntry, compiled, read_entry, split_word
from srp_assets.wordlists.patterns.filter import filter_of
from srp_assets.wordlists.patterns.filter_engine import Filters
from srp_assets.wordlists.patterns.kernel import Tables, found, pack
from srp_assets.wordlists.text_column import ColumnFold, TextColumn, Utf8Texts, read_texts, utf8_of

TRIAL_SECONDS = 10.0
"""How long a pattern that refers back may be tried on the texts of one call of `scan`, which takes a hundredth of that for all patterns
together; a pattern that needs more would take hours for a platform."""

MAX_PAIRS = 1 << 20
"""Pairs of a text and a pattern without a filter that are looked at at a time."""

Int64s = npt.NDArray[np.int64]
Pairs = tuple[Int64s, Int64s]


class PatternOutOfTime(Exception):
    """Trying a pattern took more than `TRIAL_SECONDS`. `entry` is its place among the entries of the engine."""

    def __init__(self, entry: int) -> None:
        super().__init__(f"pattern {entry} needs more than {TRIAL_SECONDS:.0f} seconds")
        self.entry = entry


class PatternEngine:
    """Compiled patterns.

    Args:
        entries: the patterns.
        filters: for each of them its filter, or None.
        tables: their automata.
        databases: compiled filters as `Filters.database` gives them, for each fold; where one is missing or of another machine, the filters
            are compiled anew.
    """

    def __init__(
        self, entries: Sequence[PatternEntry], filters: Sequence[str | None], tables: Tables, databases: Sequence[bytes] = ()
    ) -> None:
        self._entries = list(entries)
        self._filters = list(filters)
        self._tables = tables
        self._tried = {number: compiled(entry) for number, entry in enumerate(entries) if read_entry(entry).is_tried}
        numbers_of: dict[tuple[frozenset[str], bool], list[int]] = {}
        for number, entry in enumerate(entries):
            numbers_of.setdefault((entry.fold.transforms, entry.fold.case_sensitive), []).append(number)
        stored = [*databases, *[b""] * (len(numbers_of) - len(databases))]
        self._groups = [self._group(numbers, database) for numbers, database in zip(numbers_of.values(), stored, strict=True)]

    @classmethod
    def build(cls, entries: Sequence[PatternEntry]) -> Self:
        """Compiles patterns.

        Raises:
            WordError: for a pattern that saving its list would have refused.
        """
        patterns = [read_entry(entry) for entry in entries]
        filters = [None if _has_kernel(entry) else filter_of(pattern) for entry, pattern in zip(entries, patterns, strict=True)]
        return cls(entries, filters, pack([automata_of(pattern) for pattern in patterns]))

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the patterns that hit any part of a text; a pattern never goes on from one part into the next.

        Raises:
            PatternOutOfTime: if a pattern that has to be tried takes too long.
        """
        width = max(1, len(self._entries))
        spent: dict[int, float] = {}
        hits = [np.empty(0, np.int64)]
        for part in parts:
            texts = read_texts(part)
            for group in self._groups:
                hits += self._scan_group(group, texts, spent)
        both = np.unique(np.concatenate(hits))
        return Found(both // width, both % width, np.zeros(len(both), np.bool_))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The compiled patterns as plain arrays."""
        written = {"entries": self._entries, "filters": self._filters}
        databases = {f"database_{number}": np.frombuffer(group.filters.database, np.uint8) for number, group in enumerate(self._groups)}
        return self._tables._asdict() | databases | {"written": np.frombuffer(json.dumps(written).encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave. The automata are used where they lie."""
        written = json.loads(arrays["written"].tobytes())
        entries = [PatternEntry(type_, tuple(words), tuple(transforms), case) for type_, words, transforms, case in written["entries"]]
        databases = [arrays[f"database_{number}"].tobytes() for number in range(sum(name.startswith("database_") for name in arrays))]
        return cls(entries, written["filters"], Tables(*(arrays[name] for name in Tables._fields)), databases)

    def _group(self, numbers: Sequence[int], database: bytes) -> "_Group":
        """The patterns with these numbers, which have one fold."""
        acrostics = [(number, self._entries[number]) for number in numbers if _has_kernel(self._entries[number])]
        filters = Filters([(number, text) for number in numbers if (text := self._filters[number]) is not None], database)
        for number in filters.refused:
            self._filters[number] = None
        in_every_text = [number for number in numbers if self._filters[number] is None and not _has_kernel(self._entries[number])]
        fold = ColumnFold.of(self._entries[numbers[0]].fold)
        return _Group(fold, filters, acrostics_of(acrostics) if acrostics else None, np.array(in_every_text, np.int64))

    def _scan_group(self, group: "_Group", texts: Utf8Texts, spent: dict[int, float]) -> Iterator[Int64s]:
        """The hits of a group as row * number of entries + entry."""
        column, chosen, pairs = group.candidates(texts)
        for places, entries in pairs:
            is_hit = found(self._tables, places, entries, column.codes, column.bounds)
            places, entries = places[is_hit], entries[is_hit]
            if self._tried:
                kept = [self._is_found(int(entry), column.text(place), spent) for place, entry in zip(places, entries, strict=True)]
                places, entries = places[kept], entries[kept]
            yield chosen[places] * len(self._entries) + entries

    def _is_found(self, entry: int, text: str, spent: dict[int, float]) -> bool:
        """Whether a pattern whose automaton hits is really there: only one that has to be tried may not be."""
        pattern = self._tried.get(entry)
        if pattern is None:
            return True
        begin = time.perf_counter()
        try:
            is_found = pattern.search(text, timeout=max(0.001, TRIAL_SECONDS - spent.get(entry, 0.0))) is not None
        except TimeoutError as error:
            raise PatternOutOfTime(entry) from error
        spent[entry] = spent.get(entry, 0.0) + time.perf_counter() - begin
        return is_found


def _has_kernel(entry: PatternEntry) -> bool:
    """Whether an acrostic is followed by the kernel, which takes a line feed for the end of a line wherever it stands."""
    return entry.type == "acrostic" and not any("\n" in entry.fold(part)[1:] for part in split_word(entry.words[0]))


@dataclass(frozen=True, eq=False)
class _Group:
    """The patterns under one fold, and how their candidates are found.

    Attributes:
        fold: what is done to a column.
        filters: the filters of those that have one.
        acrostics: the acrostics, if there are any.
        in_every_text: those that are looked for in every text.
    """

    fold: ColumnFold
    filters: Filters
    acrostics: Acrostics | None
    in_every_text: Int64s

    def candidates(self, texts: Utf8Texts) -> tuple[TextColumn, Int64s, Iterator[Pairs]]:
        """Which texts may hit.

        Returns:
            Transformed texts, the row of each of them, and pairs: the places of texts among these, and entries. No null is in a pair.
        """
        if self.fold.is_identity and self.acrostics is None and not len(self.in_every_text):
            rows, entries = self.filters.candidates(texts)
            chosen, places = np.unique(rows, return_inverse=True)
            return texts.column(chosen), chosen, iter([(places, entries)])
        column = self.fold(texts.column())
        return column, np.arange(len(column.is_there)), self._pairs(column, texts)

    def _pairs(self, column: TextColumn, texts: Utf8Texts) -> Iterator[Pairs]:
        if self.filters.count:
            yield self.filters.candidates(texts if self.fold.is_identity else utf8_of(column))
        if self.acrostics is not None:
            yield candidates(self.acrostics, column.codes, column.bounds)
        rows = np.flatnonzero(column.is_there)
        step = max(1, MAX_PAIRS // max(1, len(rows)))
        for start in range(0, len(self.in_every_text), step):
            some = self.in_every_text[start : start + step]
            yield np.repeat(rows, len(some)), np.tile(some, len(rows))
