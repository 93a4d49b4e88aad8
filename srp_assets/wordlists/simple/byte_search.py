"""What the ways of finding plain words by their bytes have in common: what they answer, and which characters they cannot judge.

They know bytes and the case of ASCII letters, not our folds. So rows are *suspect* that hold one of the few characters that a fold makes a
character of some word, like É for é or the Kelvin sign for k: their answer is the automaton's. What else there is of bytes, broken UTF-8
too, changes nothing: a word's bytes begin and end where characters do.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.columns import Units
from srp_assets.wordlists.transforms import Fold

MOST_SUSPECTS = 2_000
"""Folds that change more characters than that into characters of words would make most rows suspect."""

Int64s = npt.NDArray[np.int64]


class ByteHits(NamedTuple):
    """Which words stand in which rows.

    Attributes:
        row: int64.
        word: int64, parallel; each (row, word) once.
        suspects: int64, the rows of which the automaton has to say what they hold, sorted; they are not among `row`.
    """

    row: Int64s
    word: Int64s
    suspects: Int64s


class ByteSearch(Protocol):
    """Compiled words. Holds no state of a scan."""

    def scan(self, units: Units) -> ByteHits | None:
        """Finds the words in texts of one part; None if there are too many for this way."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The compiled words as plain arrays."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "ByteSearch | None":
        """Opens what `to_arrays` gave; None if that can not be used here."""
        ...


def suspects_of(words: Sequence[str], fold: Fold) -> list[str] | None:
    """The characters that a fold makes characters of words, but for the capitals of ASCII; None if words can not be found by bytes."""
    alphabet = set().union(*words)
    if alphabet & {"\0", "\ufffd"}:  # the end of a text; and what bytes that are no UTF-8 are read as
        return None
    if any(len(text) != 1 for text in fold.table.values()):
        return None
    capitals = set() if fold.case_sensitive else set(range(ord("A"), ord("Z") + 1))
    suspects = [chr(code) for code, text in fold.table.items() if text in alphabet and code not in capitals]
    return suspects if len(suspects) <= MOST_SUSPECTS else None
