"""The tasks of rows: 64-bit words in arrays, and as candidates keep them, in lists. No framework but numpy and pyarrow."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bitmaps = npt.NDArray[np.uint64]
"""The tasks of each row, shape (rows, words)."""


def bitmaps_of(lists: pa.ChunkedArray, words: int) -> Bitmaps:
    """Bitmaps as candidates keep them, as an array.

    Args:
        lists: lists of `words` int64.
        words: 64-bit words of a bitmap.
    """
    return lists.combine_chunks().flatten().to_numpy(zero_copy_only=False).view(np.uint64).reshape(-1, words)


def lists_of(bitmaps: Bitmaps) -> pa.ListArray:
    """Bitmaps as candidates keep them: lists of int64."""
    offsets = np.arange(len(bitmaps) + 1, dtype=np.int32) * bitmaps.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(bitmaps.reshape(-1).view(np.int64)))
