"""How far a text may be from a word to be similar: exact arithmetic on the threshold as people wrote it."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_EXACT = 1 << 31
"""Up to here a length times a numerator fits in 64 bits."""

Int64s = npt.NDArray[np.int64]


class Limit(NamedTuple):
    """How far a text may be from a word of a length.

    Attributes:
        shortest, longest: the lengths that a text may have, both included.
        numerator, denominator: the share of the longer one's length that edits may be.
    """

    shortest: int
    longest: int
    numerator: int
    denominator: int

    def edits(self, longer: int) -> int:
        """How many edits are allowed where the longer one has so many characters."""
        return longer * self.numerator // self.denominator

    def all_edits(self, longer: Int64s) -> Int64s:
        """The same for many lengths."""
        if self.denominator < _EXACT:
            return longer * self.numerator // self.denominator
        return np.array([self.edits(length) for length in longer.tolist()], np.int64)

    @property
    def threshold(self) -> float:
        """The least similarity, about."""
        return 1 - self.numerator / self.denominator

    @property
    def most_edits(self) -> int:
        """The edits that are allowed for any text."""
        return self.edits(self.longest)


def limit_of(length: int, threshold: float) -> Limit:
    """The limit for a word of a length.

    The similarity 1 - edits / longer is at least the threshold if edits are at most (1 - threshold) * longer. The difference of the lengths
    is a number of edits that no text can do without: so a text has at least threshold * length and at most length / threshold characters.
    """
    least = Fraction(str(threshold))
    share = 1 - least
    return Limit(length - int(length * share), int(length / least), share.numerator, share.denominator)
