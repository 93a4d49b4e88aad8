"""From tables of events to the arrays that kernels walk over: codes of keys, numbers, and which rows a filter counts."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Additive
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.model import EventFilter, EventTest
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR, hour_texts, weekday_texts

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ARROW_TYPES: dict[ValueType, pa.DataType] = {
    "number": pa.float64(),
    "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
}

EPOCH_IS_A = 3
"""1970-01-01 was a Thursday, the day 3 after a Monday."""


def integers(column: Any) -> Integers:
    """A column of integers, times or dates without nulls, as int64 of its own: microseconds of times, days of dates."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz)), pa.int64())
    elif pa.types.is_date(column.type):
        column = pc.cast(pc.cast(column, pa.int32()), pa.int64())
    return np.array(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), dtype=np.int64)


def numbers(column: Any) -> Floats:
    """A column of numbers as float64, NaN where it is null."""
    filled = pc.fill_null(pc.cast(column, pa.float64()), np.nan)
    return np.array(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy(), dtype=np.float64)


def flags(column: Any) -> Flags:
    """A column of flags; false where it is null."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy(), dtype=np.bool_)


def with_calendar(table: pa.Table, time: str, columns: Sequence[str]) -> pa.Table:
    """A table with those of the computed columns that are asked for, of the times of one of its columns."""
    moments = integers(table[time])
    of_day = moments % MICROSECONDS_OF_DAY
    weekdays = (moments // MICROSECONDS_OF_DAY + EPOCH_IS_A) % 7
    if "hour" in columns:
        table = table.append_column("hour", _texts(of_day // MICROSECONDS_OF_HOUR, hour_texts()))
    if "weekday" in columns:
        table = table.append_column("weekday", _texts(weekdays, weekday_texts()))
    if "hour_of_day" in columns:
        table = table.append_column("hour_of_day", pa.array(of_day / MICROSECONDS_OF_HOUR))
    if "day_of_week" in columns:
        table = table.append_column("day_of_week", pa.array(weekdays + of_day / MICROSECONDS_OF_HOUR / 24))
    return table


def _texts(codes: Integers, texts: Sequence[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts)).cast(pa.string())


def counted(table: pa.Table, filter_: EventFilter) -> Flags:
    """Which rows a filter counts, shape (rows,)."""
    found = pc.is_in(table["kind"], value_set=pa.array(filter_.kinds, pa.string()))
    for test in filter_.where:
        found = pc.and_(found, _passes(table[test.column], test))
    return flags(found)


def _passes(column: Any, test: EventTest) -> Any:
    if test.test == "is_null":
        return pc.is_null(column)
    if test.test == "is_not_null":
        return pc.is_valid(column)
    value = pa.scalar(test.value, column.type)
    if test.test == "not_equals":
        return pc.fill_null(pc.not_equal(column, value), True)
    compare = {"equals": pc.equal, "at_least": pc.greater_equal, "below": pc.less}[test.test]
    return pc.fill_null(compare(column, value), False)


def additive_values(table: pa.Table, additives: Sequence[Additive]) -> Floats:
    """What each row adds to each sum, shape (rows, additives): 0 where it does not count."""
    values = np.zeros((table.num_rows, len(additives)))
    masks: dict[EventFilter, Flags] = {}
    columns: dict[str, Floats] = {}
    for place, additive in enumerate(additives):
        if additive.filter not in masks:
            masks[additive.filter] = counted(table, additive.filter)
        mask = masks[additive.filter]
        if additive.column is None:
            values[:, place] = mask
            continue
        if additive.column not in columns:
            columns[additive.column] = numbers(table[additive.column])
        column = columns[additive.column]
        known = mask & ~np.isnan(column)
        values[known, place] = 1.0 if additive.part == "count" else column[known]
    return values


def encoded(columns: Sequence[Any]) -> tuple[list[Integers], pa.Array]:
    """Codes of the texts of several columns of texts, and the texts by code, in the order of their code points; -1 for null."""
    chunks = [chunk for column in columns for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])]
    plain = [chunk.cast(pa.string()) for chunk in chunks]
    together = pa.concat_arrays(plain) if plain else pa.array([], pa.string())
    dictionary = together.dictionary_encode()
    order = np.asarray(pc.sort_indices(dictionary.dictionary))
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1
    codes = place[np.asarray(pc.fill_null(dictionary.indices, -1))]
    parts = np.split(codes, np.cumsum([len(column) for column in columns])[:-1]) if columns else []
    return [np.ascontiguousarray(part) for part in parts], dictionary.dictionary.take(pa.array(order))


def combined(codes: Sequence[Sequence[Integers]]) -> list[Integers]:
    """One code for several keys, dense over all parts; -1 where a key is null.

    Args:
        codes: by key, then by part: shape (rows of the part,).
    """
    sizes = [len(part) for part in codes[0]]
    found = np.concatenate(codes[0])
    for further in codes[1:]:
        other = np.concatenate(further)
        null = (found < 0) | (other < 0)
        found = np.where(null, -1, found * (other.max(initial=0) + 1) + other)
        known = found >= 0
        # Dense again after each key: the product of three large dictionaries would not fit.
        found[known] = np.unique(found[known], return_inverse=True)[1]
    return [np.ascontiguousarray(part) for part in np.split(found, np.cumsum(sizes)[:-1])]


def buckets_of(column: Any, buckets: int) -> npt.NDArray[np.int32]:
    """The bucket of each text: the CRC-32 of its UTF-8 bytes, as Spark's `crc32` has it; 0 for null."""
    (codes,), texts = encoded([column])
    places = np.array([crc32(text.encode()) % buckets for text in texts.to_pylist()] + [0], dtype=np.int32)
    return places[codes]


def arrival_order(times: Any, ids: Any) -> Integers:
    """The place of each row in the order of (time, id), both columns without nulls; times int64 or timestamps."""
    order = pc.sort_indices(pa.table({"time": times, "id": ids}), sort_keys=[("time", "ascending"), ("id", "ascending")])
    places = np.empty(len(order), np.int64)
    places[np.asarray(order)] = np.arange(len(order))
    return places
