"""Finds the texts that pass filters: by hyperscan over the joined buffer of all texts, or by re2 text by text where it is not there.

hyperscan's wheels are built for some platforms only; re2's are built for all. Both get the same filters, which ask for nothing that the two
understand differently. A filter may also let a text pass whose end and the next text's beginning make a hit together; texts that pass are
only candidates.
"""

import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from srp_assets.wordlists.text_column import Utf8Texts

RE2_MEMORY = 256 << 20
"""Bytes that re2 may use for its automata before it starts over, which is slow (its own default is 8 MB)."""

Int64s = npt.NDArray[np.int64]


class Filters:
    """Compiled filters.

    Args:
        filters: each with its number.
        database: what `database` gave for the same filters, which saves compiling them.
    """

    def __init__(self, filters: Sequence[tuple[int, str]], database: bytes = b"") -> None:
        self.refused: list[int] = []
        self._numbers = np.array([number for number, _ in filters], np.int64)
        self._hyperscan = _hyperscan() if filters else None
        self._database: Any = None
        self._set: Any = None
        self._of_thread = threading.local()
        if self._hyperscan is not None:
            self._database = _loaded(self._hyperscan, database) or self._compiled(self._hyperscan, filters)
        elif filters:
            self._set = self._re2_set(filters)

    @property
    def count(self) -> int:
        """The number of filters."""
        return len(self._numbers)

    @property
    def database(self) -> bytes:
        """The compiled filters, where hyperscan compiled them; else nothing."""
        return b"" if self._hyperscan is None or self._database is None else bytes(self._hyperscan.dumpb(self._database))

    def candidates(self, texts: Utf8Texts) -> tuple[Int64s, Int64s]:
        """The rows that pass filters and the numbers of these, each pair once; nulls pass none."""
        if self._database is not None:
            return self._by_hyperscan(texts)
        return self._by_re2(texts) if self._set is not None else (np.empty(0, np.int64), np.empty(0, np.int64))

    def _compiled(self, hyperscan: ModuleType, filters: Sequence[tuple[int, str]]) -> Any:
        """The database of the filters. A filter that hyperscan does not take is refused: its pattern has to be looked for in every text."""
        try:
            return _database_of(hyperscan, filters)
        except hyperscan.error:
            taken = [one for one in filters if _is_taken(hyperscan, one)]
        self.refused = [number for number, _ in filters if number not in dict(taken)]
        return _database_of(hyperscan, taken) if taken else None

    def _re2_set(self, filters: Sequence[tuple[int, str]]) -> Any:
        options = re2.Options()
        options.max_mem = RE2_MEMORY
        options.log_errors = False
        found = re2.Set.SearchSet(options)
        for _, text in filters:
            found.Add(text)
        # Every text passes this one. Where re2 runs out of memory it says that nothing passes, and that is how we know.
        found.Add("")
        found.Compile()
        return found

    def _by_hyperscan(self, texts: Utf8Texts) -> tuple[Int64s, Int64s]:
        if not hasattr(self._of_thread, "scratch"):
            self._of_thread.scratch = self._hyperscan.Scratch(self._database)  # type: ignore[union-attr]
        numbers: list[int] = []
        ends: list[int] = []

        def note(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            numbers.append(number)
            ends.append(end)

        self._database.scan(texts.data.data, match_event_handler=note, scratch=self._of_thread.scratch)
        # The row that holds the last byte of the match.
        rows = np.searchsorted(texts.starts, np.array(ends, np.int64) - 1, side="right") - 1
        width = int(self._numbers.max()) + 1
        pairs = np.unique((rows * width + np.array(numbers, np.int64))[texts.is_there[rows]])
        return pairs // width, pairs % width

    def _by_re2(self, texts: Utf8Texts) -> tuple[Int64s, Int64s]:
        everything = range(len(self._numbers))
        rows: list[int] = []
        places: list[int] = []
        for row in np.flatnonzero(texts.is_there).tolist():
            passed = self._set.Match(texts.text(row))
            here = everything if passed is None else [place for place in passed if place < len(self._numbers)]
            rows += [row] * len(here)
            places += here
        return np.array(rows, np.int64), self._numbers[np.array(places, np.int64)]


def _hyperscan() -> ModuleType | None:
    try:
        import hyperscan
    except ImportError:
        return None
    module: ModuleType = hyperscan
    return module


def _loaded(hyperscan: ModuleType, database: bytes) -> Any:
    """A stored database; None if it is not there, or not of this machine and version."""
    if not database:
        return None
    try:
        loaded = hyperscan.loadb(database, hyperscan.HS_MODE_BLOCK)
        hyperscan.Scratch(loaded)
    except (hyperscan.error, hyperscan.HyperscanError):
        return None
    return loaded


def _database_of(hyperscan: ModuleType, filters: Sequence[tuple[int, str]]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[text.encode() for _, text in filters],
        ids=[number for number, _ in filters],
        elements=len(filters),
        flags=[hyperscan.HS_FLAG_UTF8] * len(filters),
    )
    return database


def _is_taken(hyperscan: ModuleType, one: tuple[int, str]) -> bool:
    try:
        _database_of(hyperscan, [one])
    except hyperscan.error:
        return False
    return True
