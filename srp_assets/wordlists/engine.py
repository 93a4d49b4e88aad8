"""What an engine of the scanner is: entries are compiled into it, parts of texts go in, numbers of the entries that hit come out.

There is one engine for each family of word lists: the automaton for simple words, patterns, and similar texts. `scanner.py` numbers the
entries that it gives an engine and knows which words and exemptions of which lists stand behind each; an engine knows nothing of lists.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Found(NamedTuple):
    """Which entries hit which rows: parallel arrays, in any order, each (row, entry) once.

    Attributes:
        row: int64, the row of the texts.
        entry: int64, the place of the entry among those that the engine was built from.
        crosses: bool, whether the entry is a logical word whose segments lie in several parts, so that no single part would have hit.
    """

    row: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]
    crosses: npt.NDArray[np.bool_]


class Engine(Protocol):
    """Compiled entries. Holds no state of a scan: it may be used from several threads, and after a fork."""

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the entries that hit texts.

        Args:
            parts: the parts of each row's text, arrays of the same length, string or large_string, possibly slices; a null is no part.
        """
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The engine as plain arrays (bytes as uint8), from which `from_arrays` opens it without compiling anything."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave. They may be read-only, mapped from a file; they are not copied if that can be avoided."""
        ...
