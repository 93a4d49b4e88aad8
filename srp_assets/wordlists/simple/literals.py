"""Plain words by hyperscan over the whole buffer of a column: the fastest way for short words of which there are few.

Suspect characters (`byte_search.py`) are looked for beside the words.
"""

import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.columns import Units
from srp_assets.wordlists.simple.byte_search import ByteHits, suspects_of
from srp_assets.wordlists.transforms import Fold

MOST_WORDS = 2_000
"""hyperscan compiles so many in a few hundredths of a second; of more, `strides.py` was always faster."""

MOST_BYTES = (1 << 32) - 1
"""What hyperscan scans at once."""

MOST_HITS_PER_BYTE = 1 / 64
"""More hits than that cost more, each a call of Python, than the automaton needs for the text."""

Int64s = npt.NDArray[np.int64]


_NOTHING = np.empty(0, dtype=np.int64)


class Literals:
    """Compiled words.

    Args:
        database: what hyperscan compiled, as bytes.
        lengths: the bytes of each word, and then of each suspect character.
        word_count: how many of them are words.
    """

    def __init__(self, database: bytes, lengths: Int64s, word_count: int) -> None:
        self._written = database
        self._lengths = lengths
        self._word_count = word_count
        self._database = _loaded(database)
        self._of_thread = threading.local()

    @classmethod
    def build(cls, words: Sequence[str], fold: Fold) -> "Literals | None":
        """Compiles transformed words; None if hyperscan is not there, or can not find exactly them."""
        hyperscan = _hyperscan()
        suspects = suspects_of(words, fold)
        if hyperscan is None or suspects is None or not 0 < len(words) <= MOST_WORDS:
            return None
        flag = 0 if fold.case_sensitive else hyperscan.HS_FLAG_CASELESS
        expressions = [text.encode() for text in (*words, *suspects)]
        flags = [*[flag] * len(words), *[0] * len(suspects)]
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=expressions, ids=list(range(len(flags))), elements=len(flags), flags=flags, literal=True)
        return cls(bytes(hyperscan.dumpb(database)), np.array([len(text) for text in expressions], dtype=np.int64), len(words))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The compiled words as plain arrays."""
        return {
            "database": np.frombuffer(self._written, dtype=np.uint8),
            "lengths": self._lengths,
            "word_count": np.array([self._word_count], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Literals | None":
        """Opens what `to_arrays` gave; None if hyperscan is not there, or was compiled for another machine."""
        opened = cls(arrays["database"].tobytes(), arrays["lengths"], int(arrays["word_count"][0]))
        return opened if opened._database is not None else None

    def scan(self, units: Units) -> ByteHits | None:
        """Finds the words in texts of one part; None if there are too many for this way."""
        most = 2 * max(1_000, int(len(units.data) * MOST_HITS_PER_BYTE))
        found: list[int] = []
        extend = found.extend

        def note(number: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
            extend((number, end))
            return len(found) > most

        if not hasattr(self._of_thread, "scratch"):
            self._of_thread.scratch = _hyperscan().Scratch(self._database)  # type: ignore[union-attr]
        try:
            self._database.scan(units.data.data, match_event_handler=note, scratch=self._of_thread.scratch)
        except _hyperscan().ScanTerminated:  # type: ignore[union-attr]
            return None
        number, end = np.array(found, dtype=np.int64).reshape(-1, 2).T
        row = np.searchsorted(units.starts, end - self._lengths[number], side="right") - 1
        is_hit = (row >= 0) & (end <= units.ends[row])
        suspects = _NOTHING
        if len(self._lengths) > self._word_count:
            is_suspect = is_hit & (number >= self._word_count)
            suspects = np.unique(row[is_suspect])
            is_hit &= ~np.isin(row, suspects)
        both = np.unique(row[is_hit] * self._word_count + number[is_hit])
        row, word = np.divmod(both, self._word_count)
        return ByteHits(row, word, suspects)


def _hyperscan() -> ModuleType | None:
    try:
        import hyperscan
    except ImportError:  # no wheel for this platform
        return None
    module: ModuleType = hyperscan
    return module


def _loaded(database: bytes) -> Any:
    """A stored database; None if it is not of this machine and version."""
    hyperscan = _hyperscan()
    if hyperscan is None:
        return None
    try:
        loaded = hyperscan.loadb(database, hyperscan.HS_MODE_BLOCK)
        hyperscan.Scratch(loaded)
    except (hyperscan.error, hyperscan.HyperscanError):
        return None
    return loaded
