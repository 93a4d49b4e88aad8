"""Content hash of a row: what makes two rows "the same row" and breaks ties between versions.

Canonical form of a row, its own columns in the catalogue's order: one presence byte a column (so null is not empty), then eight bytes a
column (a number's bits, a time's microseconds, or the length of what follows), then the bytes of all texts, lists and maps. A list is its
elements, a map its keys and values in key order, each element with its length before it (-1 for null). The hash is BLAKE2b with 128 bits:
strong enough that nobody can write a row that passes for another one.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.warehouse.catalogue import ColumnType, Entity

DIGEST_BYTES = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NULL_LENGTH = struct.pack("<q", -1)


def microseconds(moment: datetime) -> int:
    """A time as whole microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@cache
def _seam() -> pa.Scalar:
    """What stands between joined parts: nothing. Made when needed, since a scalar makes pyarrow import pandas."""
    return pa.scalar(b"", pa.large_binary())


def row_hash(entity: Entity, row: Mapping[str, Any]) -> str:
    """The hash of one typed row (a dict of Python values), in hexadecimal."""
    flags, fixed, tail = b"", b"", b""
    for name, column in entity.columns.items():
        value = row.get(name)
        flags += b"\0" if value is None else b"\1"
        number, text = (bytes(8), b"") if value is None else _encoded(column.value_type, value)
        fixed += number
        tail += text
    return blake2b(flags + fixed + tail, digest_size=DIGEST_BYTES).hexdigest()


def _encoded(type_: ColumnType, value: Any) -> tuple[bytes, bytes]:
    if type_ == "int64" or type_ == "bool":
        return struct.pack("<q", value), b""
    if type_ == "float64":
        return struct.pack("<d", value + 0.0), b""
    if type_ == "timestamp":
        return struct.pack("<q", microseconds(value)), b""
    if type_ == "string":
        tail = value.encode()
    elif type_ == "list<string>":
        tail = b"".join(_element(item) for item in value)
    else:
        entries = sorted((value if isinstance(value, Mapping) else dict(value)).items())
        tail = b"".join(_element(key) + _element(item) for key, item in entries)
    return struct.pack("<q", len(tail)), tail


def _element(value: str | float | None) -> bytes:
    if value is None:
        return NULL_LENGTH
    data = value.encode() if isinstance(value, str) else struct.pack("<d", value + 0.0)
    return struct.pack("<q", len(data)) + data


def row_hashes(entity: Entity, columns: Mapping[str, pa.Array]) -> np.ndarray:
    """The hashes of typed rows, column by column: the fast way to `row_hash`.

    Args:
        entity: whose own columns are hashed.
        columns: each own column as one Arrow array of its declared type; maps in key order.

    Returns:
        uint64 of shape (rows, 2): the hash as two big-endian halves, so that comparing them compares the hashes.
    """
    return content_hashes([(column.value_type, columns[name]) for name, column in entity.columns.items()])


def content_hashes(columns: Sequence[tuple[ColumnType, pa.Array]]) -> np.ndarray:
    """The hashes of any typed columns, as `row_hashes`."""
    rows = len(columns[0][1])
    if not rows:
        return np.zeros((0, 2), np.uint64)
    flags = np.zeros((rows, len(columns)), np.uint8)
    fixed = np.zeros((rows, len(columns)), np.int64)
    tails = []
    for place, (type_, array) in enumerate(columns):
        flags[:, place] = _present(array)
        number, tail = _encoded_column(type_, array)
        fixed[:, place] = np.where(flags[:, place] == 1, number, 0)
        if tail is not None:
            tails.append(tail)
    head = np.concatenate([flags, fixed.astype("<i8").view(np.uint8).reshape(rows, -1)], axis=1)
    return _digests([_fixed_binary(head), *tails])


def _digests(parts: list[pa.Array]) -> np.ndarray:
    joined = pc.binary_join_element_wise(*[part.cast(pa.large_binary()) for part in parts], _seam())
    offsets = _offsets(joined).tolist()
    data = memoryview(joined.buffers()[2]) if joined.buffers()[2] is not None else memoryview(b"")
    digest = b"".join(
        [blake2b(data[start:stop], digest_size=DIGEST_BYTES).digest() for start, stop in zip(offsets, offsets[1:], strict=False)]
    )
    return np.frombuffer(digest, ">u8").astype(np.uint64).reshape(-1, 2)


def _offsets(array: pa.Array) -> np.ndarray:
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]


def _present(array: pa.Array) -> np.ndarray:
    return pc.is_valid(array).to_numpy(zero_copy_only=False).astype(np.uint8)


def _fixed_binary(matrix: np.ndarray) -> pa.Array:
    """A uint8 matrix as one binary value a row."""
    rows, width = matrix.shape
    buffer = pa.py_buffer(np.ascontiguousarray(matrix))
    return pa.Array.from_buffers(pa.binary(width), rows, [None, buffer]).cast(pa.large_binary())


def _encoded_column(type_: ColumnType, array: pa.Array) -> tuple[np.ndarray, pa.Array | None]:
    if type_ == "float64":
        values = pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False) + 0.0
        return values.view(np.int64), None
    if type_ == "timestamp":
        return pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), None
    if type_ == "bool":
        return pc.fill_null(array, False).to_numpy(zero_copy_only=False).astype(np.int64), None
    if type_ == "int64":
        return pc.fill_null(array, 0).to_numpy(zero_copy_only=False), None
    if type_ == "string":
        tail = array.cast(pa.large_binary())
    elif type_ == "list<string>":
        tail = _joined(array, _elements(array.flatten()))
    else:
        keys, items = _entries(array)
        tail = _joined(array, pc.binary_join_element_wise(_elements(keys), _elements(items), _seam()))
    tail = pc.fill_null(tail, b"")
    return pc.binary_length(tail).to_numpy(zero_copy_only=False).astype(np.int64), tail


def _entries(array: pa.MapArray) -> tuple[pa.Array, pa.Array]:
    """Keys and values of the non-null maps, without what null maps hide."""
    array = unsliced(array)
    entries = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    flat = pa.ListArray.from_arrays(array.offsets, entries, mask=array.is_null()).flatten()
    return flat.field("key"), flat.field("value")


def unsliced(array: pa.Array) -> pa.Array:
    """The same values in buffers of their own: Arrow's maps show the keys of what a slice left out."""
    return array.take(pa.array(np.arange(len(array)))) if array.offset else array


def _elements(values: pa.Array) -> pa.Array:
    """Each value with its length before it."""
    rows = len(values)
    if pa.types.is_floating(values.type):
        numbers = (pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False) + 0.0).astype("<f8")
        data = _fixed_binary(numbers.view(np.uint8).reshape(rows, 8)) if rows else pa.array([], pa.large_binary())
        data = pc.if_else(values.is_valid(), data, pa.scalar(b"", pa.large_binary()))
    else:
        data = pc.fill_null(values.cast(pa.large_binary()), b"")
    if not rows:
        return data
    lengths = pc.binary_length(data).to_numpy(zero_copy_only=False).astype(np.int64)
    lengths = np.where(_present(values) == 1, lengths, -1).astype("<i8")
    return pc.binary_join_element_wise(_fixed_binary(lengths.view(np.uint8).reshape(rows, 8)), data, _seam())


def _joined(array: pa.Array, elements: pa.Array) -> pa.Array:
    """The elements of each row, joined; empty for a null row."""
    if pa.types.is_map(array.type):
        lengths = np.diff(unsliced(array).offsets.to_numpy()) * _present(array)
    else:
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pc.binary_join(pa.LargeListArray.from_arrays(pa.array(offsets), elements), _seam())


def hexadecimal(halves: np.ndarray) -> pa.Array:
    """Hashes (uint64, shape (rows, 2)) as text of 32 hexadecimal digits."""
    rows = len(halves)
    data = halves.astype(">u8").view(np.uint8).reshape(rows, DIGEST_BYTES) if rows else np.zeros((0, DIGEST_BYTES), np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.empty((rows, 2 * DIGEST_BYTES), np.uint8)
    text[:, 0::2] = digits[data >> 4]
    text[:, 1::2] = digits[data & 15]
    offsets = np.arange(rows + 1, dtype=np.int32) * (2 * DIGEST_BYTES)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def halves_of(texts: pa.Array) -> np.ndarray:
    """The inverse of `hexadecimal`."""
    rows = len(texts)
    data = bytes.fromhex("".join(texts.to_pylist()))
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(rows, 2)
