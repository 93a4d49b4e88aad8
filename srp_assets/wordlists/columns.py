"""Arrow columns of text as the scan takes them: bytes, and where each unit begins and ends in them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]


class Units(NamedTuple):
    """The parts of rows of texts, those of a row one after the other.

    Attributes:
        data: uint8, the bytes of all texts.
        starts: int64, where each part begins; a null is an empty part.
        ends: int64, where it ends.
        parts: how many a row has.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    parts: int


def units_of(parts: Sequence[pa.Array]) -> Units:
    """The units of texts; of one part without a copy of its bytes.

    Args:
        parts: arrays of string or large_string of the same length.

    Raises:
        ValueError: if an array's offsets lie outside of its data.
    """
    if len(parts) == 1:
        data, starts, ends = _bytes(parts[0])
        return Units(read_only(data), read_only(starts), read_only(ends), 1)
    columns = [_bytes(part) for part in parts]
    before = np.cumsum([0, *(len(data) for data, _, _ in columns)])
    starts, ends = (
        np.stack([column[which] + first for column, first in zip(columns, before, strict=False)], axis=1).reshape(-1) for which in (1, 2)
    )
    return Units(read_only(np.concatenate([data for data, _, _ in columns])), read_only(starts), read_only(ends), len(parts))


def read_only(array: Array) -> Array:
    """The same array as nobody may write it: kernels tell such arrays apart, and those mapped from a file are no others."""
    view = array.view()
    view.flags.writeable = False
    return view


def _bytes(part: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The bytes that an array's texts lie in, and where each begins and ends."""
    _, offsets, data = part.buffers()
    if data is None or offsets is None or not len(part):
        nowhere = np.zeros(len(part), dtype=np.int64)
        return np.empty(0, dtype=np.uint8), nowhere, nowhere
    offset_type = np.int64 if pa.types.is_large_string(part.type) else np.int32
    bounds: Array = np.frombuffer(offsets, dtype=offset_type, count=part.offset + len(part) + 1)[part.offset :]
    first, last = int(bounds[0]), int(bounds[-1])
    if first < 0 or last > data.size or (len(bounds) > 1 and bool(np.any(bounds[1:] < bounds[:-1]))):
        raise ValueError("the texts' offsets lie outside of their data: the Arrow array is broken; read or build it anew")
    relative = np.subtract(bounds, first, dtype=np.int64)
    starts, ends = relative[:-1], relative[1:]
    if part.null_count:
        ends = np.where(part.is_valid().to_numpy(zero_copy_only=False), ends, starts)
    return np.frombuffer(data, dtype=np.uint8, count=last)[first:], starts, ends


def pieces(columns: Sequence[pa.ChunkedArray]) -> Iterator[tuple[int, list[pa.Array]]]:
    """Columns of the same length in pieces of which each lies in one chunk of every column; with each the row that it begins at."""
    cuts = sorted({0}.union(*(np.cumsum([len(chunk) for chunk in column.chunks]).tolist() for column in columns)))
    for start, stop in zip(cuts, cuts[1:], strict=False):
        yield start, [_whole(column.slice(start, stop - start)) for column in columns]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column whose rows lie in one chunk, as an array."""
    return next(chunk for chunk in column.chunks if len(chunk))
