"""Ids of items as numbers of a space: what models read instead of texts.

The digest of the id, a stirred seed added to it, through the finalizer of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable
Pseudorandom Number Generators", OOPSLA 2014), so that two seeds let other ids collide.
"""

from typing import Any

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.sequences.declaration import Hashing
from srp_assets.sequences.search.attributes import digests_of

MISSING = 0

_GOLDEN, _BITS = 0x9E3779B97F4A7C15, 0xFFFFFFFFFFFFFFFF
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashed(items: Any, hashing: Hashing) -> Integers:
    """The number of each id, 1 to `space`; 0 for null."""
    return hashed_digests(digests_of(items), hashing)


def hashed_digests(digests: Integers, hashing: Hashing) -> Integers:
    """The same of the digests of ids."""
    found = digests.view(np.uint64) + np.uint64((hashing.seed + 1) * _GOLDEN & _BITS)
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    found ^= found >> np.uint64(31)
    return np.where(digests == 0, MISSING, (found % np.uint64(hashing.space)).astype(np.int64) + 1)
