"""Raw columns to typed ones, a whole column at a time.

`values.py` says the same value by value, and decides whatever Arrow does not convert plainly.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.warehouse.catalogue import Column
from srp_assets.warehouse.readers.base import RawColumn
from srp_assets.warehouse.row_hash import microseconds, unsliced
from srp_assets.warehouse.schema import ARROW_TYPES, TIMESTAMP
from srp_assets.warehouse.values import EARLIEST, LATEST, NUMBER, TEXT, typed_value

Typed = tuple[pa.Array, np.ndarray | None]
"""A typed column, null where a value does not fit, and which those are (None: all fit)."""

NAIVE = pa.timestamp("us")
LARGEST_WHOLE = 2.0**63


PLAIN_KINDS: tuple[set[type], ...] = ({str}, {int}, {float}, {int, float}, {bool}, {list})
"""Kinds of Python values of which Arrow makes one array as they are; of mixed ones it makes something else (True beside 0.0 becomes
1.0)."""


class _NotPlainError(Exception):
    """The column needs the slow way."""


def typed_column(column: Column, candidates: Sequence[RawColumn], rows: int) -> Typed:
    """Types one column of a batch.

    Args:
        column: the declaration.
        candidates: the raw columns that may carry it; per row the first that is not null counts.
        rows: of the batch.
    """
    target = ARROW_TYPES[column.value_type]
    if not candidates:
        return pa.nulls(rows, target), None
    raw = candidates[0] if len(candidates) == 1 else _first_present(candidates)
    try:
        if isinstance(raw, list) and pa.types.is_map(target):
            return _dicts(raw, target), None
        array = _as_array(raw) if isinstance(raw, list) else raw
        return _plain(column, _without_nan(array), target)
    except (_NotPlainError, pa.ArrowException, ValueError, TypeError, OverflowError):
        return _one_by_one(column, raw, target)


def _first_present(candidates: Sequence[RawColumn]) -> RawColumn:
    arrays = [raw for raw in candidates if not isinstance(raw, list)]
    if len(arrays) == len(candidates) and len({array.type for array in arrays}) == 1:
        return pc.coalesce(*arrays)
    values = [raw if isinstance(raw, list) else _python_values(raw) for raw in candidates]
    return [next((value for value in row if value is not None), None) for row in zip(*values, strict=True)]


def _as_array(values: list[Any]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if kinds and kinds not in PLAIN_KINDS:
        raise _NotPlainError
    return pa.array(values)


def _python_values(array: pa.Array) -> list[Any]:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return [_decoded(value) for value in array.cast(pa.large_binary()).to_pylist()]
    return array.to_pylist()


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _one_by_one(column: Column, raw: RawColumn, target: pa.DataType) -> Typed:
    typed: list[Any] = []
    wrong: list[int] = []
    for place, value in enumerate(raw if isinstance(raw, list) else _python_values(raw)):
        try:
            typed.append(typed_value(column, value))
        except ValueError:
            typed.append(None)
            wrong.append(place)
    mask = None
    if wrong:
        mask = np.zeros(len(typed), bool)
        mask[wrong] = True
    if pa.types.is_timestamp(target):
        return pa.array([None if value is None else microseconds(value) for value in typed], pa.int64()).cast(target), mask
    if pa.types.is_map(target):
        typed = [None if value is None else list(value.items()) for value in typed]
    return pa.array(typed, target), mask


def _without_nan(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
        is_nan = pc.is_nan(array)
        if pc.any(is_nan).as_py():
            array = pc.if_else(is_nan, pa.scalar(None, pa.float64()), array)
    return array


def _plain(column: Column, array: pa.Array, target: pa.DataType) -> Typed:
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), target), None
    match column.value_type:
        case "int64":
            return _integers(array), None
        case "float64":
            return _decimals(array), None
        case "string":
            return _texts(array), None
        case "timestamp":
            return _times(array, column.formats), None
        case "bool":
            return _flags(array), None
        case "list<string>":
            return _lists(array), None
        case _:
            return _maps(array, target), None


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def _integers(array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    if pa.types.is_floating(array.type):
        return _whole(array)
    if _is_text(array.type) and not pc.any(pc.match_substring(array, "x", ignore_case=True)).as_py():
        return array.cast(pa.int64())  # Arrow alone would read 0x10
    raise _NotPlainError


def _whole(array: pa.Array) -> pa.Array:
    values = pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False)
    if not np.all((np.abs(values) < LARGEST_WHOLE) & (values == np.trunc(values))):
        raise _NotPlainError
    return array.cast(pa.int64())


def _decimals(array: pa.Array) -> pa.Array:
    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or _is_text(array.type)):
        raise _NotPlainError
    numbers = array.cast(pa.float64())
    if not pc.all(pc.is_finite(numbers)).as_py():
        raise _NotPlainError
    return pc.add(numbers, 0.0)


def _texts(array: pa.Array) -> pa.Array:
    if _is_text(array.type):
        return array.cast(pa.binary()).cast(pa.string())  # by way of bytes, because that checks that they are UTF-8
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return array.cast(pa.string())
    if pa.types.is_floating(array.type):
        return _whole(array).cast(pa.string())
    raise _NotPlainError


def _times(array: pa.Array, formats: tuple[str, ...]) -> pa.Array:
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        times = array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False).cast(TIMESTAMP)
    elif _is_text(array.type):
        times = _parsed(array, formats)
    else:
        raise _NotPlainError
    bounds = pc.min_max(times.cast(pa.int64()))
    if bounds["min"].is_valid and not (microseconds(EARLIEST) <= bounds["min"].as_py() and bounds["max"].as_py() <= microseconds(LATEST)):
        raise _NotPlainError
    return times


def _parsed(array: pa.Array, formats: tuple[str, ...]) -> pa.Array:
    for type_ in (NAIVE, TIMESTAMP):
        try:
            return array.cast(type_).cast(TIMESTAMP)
        except pa.ArrowInvalid:
            continue
    for format_ in formats:
        parsed = pc.strptime(array, format_, "us", error_is_null=True)
        if parsed.null_count == array.null_count:
            return parsed.cast(TIMESTAMP)
    raise _NotPlainError


def _flags(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type) or _is_text(array.type):
        return array.cast(pa.bool_())
    raise _NotPlainError


def _lists(array: pa.Array) -> pa.Array:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)) or not _is_text(array.type.value_type):
        raise _NotPlainError
    items = array.flatten()
    if items.null_count:
        raise _NotPlainError
    _texts(items)
    return array.cast(pa.list_(pa.string()))


def _maps(array: pa.Array, target: pa.MapType) -> pa.Array:
    if not pa.types.is_map(array.type) or not _is_text(array.type.key_type):
        raise _NotPlainError
    array = unsliced(array)
    if pa.types.is_floating(target.item_type):
        if not pa.types.is_floating(array.type.item_type) or not pc.all(pc.is_finite(array.items)).as_py():
            raise _NotPlainError
    elif not _is_text(array.type.item_type):
        raise _NotPlainError
    else:
        _texts(array.items)
    _texts(array.keys)
    if not _keys_in_order(array):
        raise _NotPlainError
    return array.cast(target)


def _dicts(values: list[Any], target: pa.MapType) -> pa.Array:
    """Dictionaries of Python as maps with their keys in order."""
    if not set(map(type, values)) <= {dict, type(None)}:
        raise _NotPlainError
    keys: list[str] = []
    items: list[Any] = []
    offsets = [0]
    for value in values:
        if value is not None:
            names = sorted(value)
            keys += names
            items += [value[name] for name in names]
        offsets.append(len(keys))
    item_column = TEXT if pa.types.is_string(target.item_type) else NUMBER
    typed_items, wrong = typed_column(item_column, [items], len(items))
    if wrong is not None:
        raise _NotPlainError
    mask = pa.array([value is None for value in values])
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(keys, pa.string()), typed_items, type=target, mask=mask)


def _keys_in_order(array: pa.MapArray) -> bool:
    """Whether the keys of each map ascend, so that equal maps are equal arrays."""
    keys = array.keys
    if len(keys) < 2:
        return True
    ascends = pc.less(keys[:-1], keys[1:]).to_numpy(zero_copy_only=False)
    starts = array.offsets.to_numpy()[1:-1]
    starts = starts[(starts > 0) & (starts < len(keys))]
    ascends[starts - 1] = True
    return bool(ascends.all())
