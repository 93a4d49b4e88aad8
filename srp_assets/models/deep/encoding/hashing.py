"""From texts to rows of a table: a hash that is the same on every machine and in every version.

FNV-1a over the UTF-8 bytes (64 bits; draft-eastlake-fnv), begun with a number that the input's name gives, so that two inputs do not
collide on the same pairs of ids; then the finalizer of MurmurHash3, since the low bits of FNV-1a alone follow the last byte.
`reference.py` says the same in plain Python.
"""

from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.kernels import kernel

MISSING = 0
"""The row of a missing value: the first of each input's rows. Hashed ids have the rows after it."""

_PRIME = np.uint64(0x100000001B3)
_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


def seed_of(name: str) -> int:
    """Where the hash of an input begins: 64 bits of its name's digest."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "little")


@kernel
def _hash_texts(offsets: Any, data: Any, seed: Any, hashes: Any) -> None:
    for row in range(hashes.shape[0]):
        found = seed
        for place in range(offsets[row], offsets[row + 1]):
            found = (found ^ np.uint64(data[place])) * _PRIME
        found = (found ^ (found >> _SHIFT)) * _FIRST
        found = (found ^ (found >> _SHIFT)) * _SECOND
        hashes[row] = found ^ (found >> _SHIFT)


def hash_texts(texts: pa.Array, seed: int) -> np.ndarray:
    """The hash of each text; what stands for null means nothing.

    Args:
        texts: of type string or large_string.
        seed: where the hash begins, 64 bits.

    Returns:
        uint64, shape (rows,).
    """
    _, offsets, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    hashes = np.zeros(len(texts), dtype=np.uint64)
    if offsets is not None and len(texts):
        ends = np.frombuffer(offsets, dtype=width)[texts.offset : texts.offset + len(texts) + 1]
        letters = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(1, dtype=np.uint8)
        _hash_texts(ends, letters, np.uint64(seed), hashes)
    return hashes


def rows_of(hashes: np.ndarray, space: int, missing: np.ndarray | None) -> np.ndarray:
    """The row that each hash falls on, 1 to `space`; row 0 for what is missing.

    Args:
        hashes: uint64, shape (rows,).
        space: how many rows there are beside that of missing values.
        missing: bool, shape (rows,), or None where nothing is missing.
    """
    found = (hashes % np.uint64(space)).astype(np.int64) + 1
    if missing is not None:
        found[missing] = MISSING
    return found


def combined(hashes: list[np.ndarray]) -> np.ndarray:
    """One hash of several of the same rows, which depends on their order (the combination of Boost's hash_combine, in 64 bits)."""
    found = hashes[0].copy()
    for other in hashes[1:]:
        found ^= other + np.uint64(0x9E3779B97F4A7C15) + (found << np.uint64(6)) + (found >> np.uint64(2))
    return found
