"""Partial sums of one day of events: what a day adds to every feature, by the day on which it arrived.

A partial table has a row for each combination of its keys and an arrival day. It is a function of the day's events alone, so days may be
built in any order, and a late event changes the partials of its own day only.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Family, Newest, PartialTable, value_type_of
from srp_assets.features.aggregation.rows import (
    ARROW_TYPES,
    Flags,
    Integers,
    additive_values,
    arrival_order,
    buckets_of,
    combined,
    counted,
    encoded,
    integers,
    with_calendar,
)
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import days_of

BUCKET, EVENT_DAY, ARRIVAL_DAY = "bucket", "event_day", "arrival_day"
REST = "_rest"
"""What follows the name of a sum in the name of the column that keeps what its rounding lost."""


def raw_schema(definitions: Definitions, family: Family) -> pa.Schema:
    """The rows of events that a family keeps beside its partials, for requests of the same day and for sessions."""
    types: dict[str, ValueType] = {**definitions.event_columns, "event_id": "text", "kind": "text", "arrival_time": "time"}
    return pa.schema([pa.field(BUCKET, pa.int32()), *(pa.field(name, ARROW_TYPES[types[name]]) for name in family.raw_columns)])


def partial_schema(definitions: Definitions, table: PartialTable) -> pa.Schema:
    """The columns of a partial table."""
    fields = [pa.field(BUCKET, pa.int32()), *(pa.field(key, pa.string()) for key in table.keys)]
    fields += [pa.field(EVENT_DAY, pa.date32()), pa.field(ARRIVAL_DAY, pa.date32())]
    for additive in table.additives:
        fields.append(pa.field(additive.name, pa.int64() if additive.part == "count" else pa.float64()))
        if additive.part == "sum":
            fields.append(pa.field(additive.name + REST, pa.float64()))
    for newest in table.newest:
        type_ = ARROW_TYPES[value_type_of(definitions, newest.column)]
        fields += [pa.field(newest.name, type_), *(pa.field(f"{newest.name}_{part}", type_of) for part, type_of in ORDER_PARTS)]
    return pa.schema(fields)


ORDER_PARTS = (("time", ARROW_TYPES["time"]), ("id", pa.string()))
"""What tells which of two newest values is newer."""


def family_rows(definitions: Definitions, family: Family, events: pa.Table, buckets: int) -> pa.Table:
    """The raw rows of a family, in the order of their buckets: those that its first key names.

    Args:
        definitions: of the features.
        family: whose rows.
        events: rows of a day of `logs/actions`, with attributes.
        buckets: how many buckets there are.
    """
    rows = with_calendar(events, "event_time", [key for key in COMPUTED_COLUMNS if key == family.key])
    rows = rows.filter(pc.is_valid(rows[family.key]))
    rows = rows.append_column(BUCKET, pa.array(buckets_of(rows[family.key], buckets)))
    order = pc.sort_indices(rows, sort_keys=[(BUCKET, "ascending")])
    return rows.select(raw_schema(definitions, family).names).take(order).cast(raw_schema(definitions, family))


def day_partials(definitions: Definitions, table: PartialTable, rows: pa.Table) -> pa.Table:
    """The partial sums of the rows of one family and day, sorted by bucket.

    Args:
        definitions: of the features.
        table: what is summed.
        rows: of `family_rows`.
    """
    rows = _with_computed(rows, table.read_columns)
    encodings = [encoded([rows[key]]) for key in table.keys]
    (code,) = combined([codes for codes, _ in encodings])
    values = additive_values(rows, table.additives)
    wanted = {newest: _is_newest_candidate(rows, newest) for newest in table.newest}
    counts = (values != 0).any(axis=1) if values.shape[1] else np.zeros(len(code), bool)
    keep = (code >= 0) & np.logical_or.reduce([counts, *wanted.values()])
    arrival = days_of(integers(rows["arrival_time"]))
    places = np.flatnonzero(keep)
    groups, first, size = _groups(code[places], arrival[places])
    representatives = pa.array(places[first])
    columns: dict[str, Any] = {BUCKET: rows[BUCKET].take(representatives)}
    columns |= {key: rows[key].take(representatives) for key in table.keys}
    columns[EVENT_DAY] = pa.array(days_of(integers(rows["event_time"]))[places[first]].astype(np.int32)).cast(pa.date32())
    columns[ARRIVAL_DAY] = pa.array(arrival[places[first]].astype(np.int32)).cast(pa.date32())
    columns |= _sums(table, groups, values[places], size)
    for newest, mask in wanted.items():
        columns |= _newest(rows, newest, mask[places], places, groups, size)
    found = pa.table(columns).cast(partial_schema(definitions, table))
    return found.take(pc.sort_indices(found, sort_keys=[(BUCKET, "ascending")]))


def _with_computed(rows: pa.Table, names: Iterable[str]) -> pa.Table:
    return with_calendar(rows, "event_time", [name for name in names if name in COMPUTED_COLUMNS])


def _is_newest_candidate(rows: pa.Table, newest: Newest) -> Flags:
    return counted(rows, newest.filter) & np.asarray(pc.is_valid(rows[newest.column]))


def _groups(code: Integers, arrival: Integers) -> tuple[Integers, Integers, int]:
    """The group of each row, the first row of each group, and how many there are."""
    (together,) = combined([[code], [arrival - arrival.min(initial=0)]])
    found, first, groups = np.unique(together, return_index=True, return_inverse=True)
    return np.ascontiguousarray(groups.astype(np.int64)), first, len(found)


def _sums(table: PartialTable, groups: Integers, values: Any, size: int) -> dict[str, Any]:
    from srp_assets.features.aggregation.kernels import sum_groups  # numba takes a second to import

    high, low = np.zeros((size, values.shape[1])), np.zeros((size, values.shape[1]))
    sum_groups(groups, np.ascontiguousarray(values), high, low)
    columns: dict[str, Any] = {}
    for place, additive in enumerate(table.additives):
        if additive.part == "count":
            columns[additive.name] = pa.array(high[:, place].astype(np.int64))
        else:
            columns[additive.name] = pa.array(high[:, place])
            columns[additive.name + REST] = pa.array(low[:, place])
    return columns


def _newest(rows: pa.Table, newest: Newest, mask: Flags, places: Integers, groups: Integers, size: int) -> dict[str, Any]:
    from srp_assets.features.aggregation.kernels import newest_of_groups

    order = np.full(len(places), -1, np.int64)
    candidates = places[mask]
    order[mask] = arrival_order(rows["event_time"].take(pa.array(candidates)), rows["event_id"].take(pa.array(candidates)))
    found = np.full(size, -1, np.int64)
    newest_of_groups(groups, order, found)
    chosen = pa.array(np.where(found >= 0, places[found] if len(places) else 0, 0), mask=found < 0)
    value, time, id_ = (rows[name].take(chosen) for name in (newest.column, "event_time", "event_id"))
    return {newest.name: value, f"{newest.name}_time": time, f"{newest.name}_id": id_}
