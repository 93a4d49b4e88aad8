"""Columns of a training set as what encoders take: texts, numbers, lists of texts."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MICROSECONDS = 1e6

ENDLESS = 1 << 62


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def as_texts(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column of texts, or of numbers as their shortest text."""
    found = one_array(column)
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    return found if pa.types.is_string(found.type) or pa.types.is_large_string(found.type) else pc.cast(found, pa.string())


def as_numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of numbers, or of times as seconds since 1970, as float64; nan where it is null."""
    found = one_array(column)
    if pa.types.is_timestamp(found.type):
        seconds = pc.cast(pc.cast(found, pa.timestamp("us", tz=found.type.tz)), pa.int64())
        return pc.cast(seconds, pa.float64(), safe=False).to_numpy(zero_copy_only=False) / MICROSECONDS
    if not pa.types.is_float64(found.type):
        found = pc.cast(pc.cast(found, pa.int8()) if pa.types.is_boolean(found.type) else found, pa.float64(), safe=False)
    return found.to_numpy(zero_copy_only=False)


def missing_rows(column: pa.Array) -> np.ndarray | None:
    """Which values are null; None where none is."""
    return pc.is_null(column).to_numpy(zero_copy_only=False) if column.null_count else None


def list_places(column: pa.ChunkedArray | pa.Array, length: int) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """The first elements of each list, and where they go.

    Args:
        column: of lists.
        length: how many elements of a list count.

    Returns:
        The elements that count, of all lists, nulls among them; of each element its row and its place in the list; the number of elements
        of each row that count (int64).
    """
    found = one_array(column)
    whole = pc.fill_null(pc.list_value_length(found), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = pc.list_flatten(found)
    rows = np.repeat(np.arange(len(whole)), whole)
    places = np.arange(len(elements)) - np.repeat(np.cumsum(whole) - whole, whole)
    if len(whole) and whole.max() > length:
        kept = places < length
        elements, rows, places = elements.filter(pa.array(kept)), rows[kept], places[kept]
    return elements, rows, places, np.minimum(whole, length)


def masked_places(
    column: pa.ChunkedArray | pa.Array, mask: pa.ChunkedArray | pa.Array, length: int
) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """The same of lists with a mask beside them, whichever side of them is padded: only elements that are there count.

    Args:
        column: of lists, as long as those of the mask.
        mask: of lists of flags.
        length: how many elements of a list count.

    Raises:
        ValueError: if the two are not of one length in each row.
    """
    elements, rows, _, sizes = list_places(column, ENDLESS)
    flags, _, _, others = list_places(mask, ENDLESS)
    if not np.array_equal(sizes, others):
        raise ValueError("lists and mask are not of one length")
    there = pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
    counts = np.bincount(rows[there], minlength=len(sizes))
    places = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = places < length
    chosen = np.flatnonzero(there)[kept]
    return elements.take(pa.array(chosen)), rows[chosen], places[kept], np.minimum(counts, length)
