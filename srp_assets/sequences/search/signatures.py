"""Signatures of vectors: the signs of 64 random projections, which differ in the more bits the larger the angle between two vectors.

M. S. Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002. Two vectors at an angle differ in each bit with the
probability angle / pi.
"""

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.vectors import Vectors

BITS = 64
SEED = 20_020_519
"""Arbitrary; another one makes other signatures."""

LOOKED_AT = 4
"""For each place of a final sequence so many actions are looked at: benchmarks/sequences.py tells how much is missed by that."""


def signatures_of(vectors: Vectors) -> npt.NDArray[np.uint64]:
    """The signatures of vectors, shape (items,).

    Both flows take those of the whole matrix of a version, so that an item has one signature.
    """
    planes = np.random.default_rng(SEED).standard_normal((vectors.shape[1], BITS))
    signs = vectors.astype(np.float64) @ planes >= 0
    return np.ascontiguousarray(np.packbits(signs, axis=1, bitorder="little")).view(np.uint64)[:, 0]
