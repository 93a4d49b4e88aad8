"""Chance that depends on nothing but the seed and what is asked: every draw is a hash of (seed, name of the draw, number of the row).

So any row of a world can be made alone, in any order and in chunks of any size, and a world of a hundred million rows needs no memory.
The hash is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Draws:
    """The draws of one part of a world, for instance of the posts of one product.

    Args:
        seed: seed of the world.
        scope: names that tell this part from others.
    """

    def __init__(self, seed: int, *scope: str) -> None:
        self._scope = (str(seed), *scope)

    def _bits(self, name: str, rows: Ids) -> NDArray[np.uint64]:
        digest = blake2b("/".join((*self._scope, name)).encode(), digest_size=8).digest()
        mixed = rows.astype(np.uint64) * _GOLDEN + np.uint64(int.from_bytes(digest, "little"))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return mixed ^ (mixed >> np.uint64(31))

    def uniform(self, name: str, rows: Ids) -> Reals:
        """One number in [0, 1) for each row."""
        return (self._bits(name, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, name: str, rows: Ids, bound: int | Ids) -> Ids:
        """One whole number in [0, bound) for each row; `bound` may differ from row to row."""
        return np.minimum((self.uniform(name, rows) * bound).astype(np.int64), np.asarray(bound, dtype=np.int64) - 1)

    def chance(self, name: str, rows: Ids, probability: float) -> Flags:
        """True for about this share of the rows."""
        return self.uniform(name, rows) < probability

    def choice(self, name: str, rows: Ids, weights: Reals) -> Ids:
        """One index for each row, drawn with these weights."""
        borders = np.cumsum(weights / weights.sum())
        return np.minimum(np.searchsorted(borders, self.uniform(name, rows), side="right"), len(weights) - 1)

    def power_law(self, name: str, rows: Ids, bound: int | Ids, exponent: float) -> Ids:
        """One whole number in [0, bound) for each row; small ones are frequent: P(result < k) = (k / bound) ** (1 / exponent)."""
        return np.minimum((self.uniform(name, rows) ** exponent * bound).astype(np.int64), np.asarray(bound, dtype=np.int64) - 1)

    def exponential(self, name: str, rows: Ids, mean: float, cap: float) -> Reals:
        """One waiting time for each row, cut off at `cap`."""
        return np.minimum(-mean * np.log1p(-self.uniform(name, rows)), cap)
