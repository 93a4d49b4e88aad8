"""Which partial sums the features need: tables by the columns that they are grouped by, each sum once however many windows use it.

Features of an entity are computed from a table with the entity's keys; what speaks of the values of a column (distinct, top, entropy,
shift) from a table with that column as a further key, which is also the table of a pair of them, if one is declared. Tables whose keys
begin with the same column are a *family*: they lie in the same buckets, by that column, and are computed together.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal
from zlib import crc32

from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, ValueType
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.model import (
    SESSION,
    Aggregated,
    Count,
    DecayedSum,
    Distinct,
    Entropy,
    EventFilter,
    Last,
    Mean,
    Rate,
    Shift,
    Sum,
    Top,
)

OF_VALUES = (Distinct, Top, Entropy, Shift)
"""Aggregations that speak of the values of a column."""

ALWAYS_READ = ("event_id", "event_time", "arrival_time", "kind")
"""Columns of events that every family keeps."""


@dataclass(frozen=True)
class Additive:
    """One thing that is summed over events: the events themselves, or those where a column is not null, or the column."""

    filter: EventFilter
    column: str | None
    part: Literal["count", "sum"]

    @cached_property
    def name(self) -> str:
        """Its column in partial tables: `click_count`, `order_amount_sum`; tests stand in it as a digest."""
        return f"{_label(self.filter, self.column)}_{self.part}"


@dataclass(frozen=True)
class Newest:
    """The newest value of a column, null aside."""

    filter: EventFilter
    column: str

    @cached_property
    def name(self) -> str:
        """The beginning of its columns in partial tables: `click_category_last`."""
        return f"{_label(self.filter, self.column)}_last"


@dataclass(frozen=True)
class Accumulator:
    """An additive over a window, with a weight by age if there is a half-life."""

    additive: Additive
    window_days: int
    half_life_days: int | None = None


@dataclass(frozen=True)
class PartialTable:
    """What is summed up by the same keys."""

    keys: tuple[str, ...]
    additives: tuple[Additive, ...]
    newest: tuple[Newest, ...]

    @property
    def name(self) -> str:
        """`user_id`, `user_id-category`."""
        return "-".join(self.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys and the names of what is kept for them."""
        return (*self.keys, *(additive.name for additive in self.additives), *(newest.name for newest in self.newest))

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns of events that it is made from."""
        parts: tuple[Additive | Newest, ...] = (*self.additives, *self.newest)
        tests = (test.column for part in parts for test in part.filter.where)
        return tuple(dict.fromkeys([*self.keys, *(part.column for part in parts if part.column), *tests]))


@dataclass(frozen=True)
class Family:
    """Tables whose keys begin with the same column, and the features computed from them.

    Args:
        key: that column.
        tables: by their keys.
        features: that are computed from the tables or from sessions.
        raw_columns: columns of events that tables and sessions are made of.
        computed_columns: those of them that follow from the event's time and are in no row.
    """

    key: str
    tables: tuple[PartialTable, ...]
    features: tuple[Feature, ...]
    raw_columns: tuple[str, ...]
    computed_columns: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """All families of some definitions."""

    definitions: Definitions
    families: tuple[Family, ...]

    @cached_property
    def digest(self) -> str:
        """Identity of what is kept: definitions that differ in windows, defaults or derived features alone share their partials."""
        kept = [(family.key, family.raw_columns, [table.columns for table in family.tables]) for family in self.families]
        sources = [(name, source.model_dump(mode="json")) for name, source in sorted(self.definitions.attributes.items())]
        return sha256(json.dumps([kept, sources], sort_keys=True).encode()).hexdigest()[:16]


def _label(filter_: EventFilter, column: str | None) -> str:
    parts = ["_or_".join(filter_.kinds), *([column] if column else [])]
    if filter_.where:
        tests = json.dumps([test.model_dump(mode="json") for test in filter_.where], sort_keys=True)
        parts.append(f"{crc32(tests.encode()):08x}")
    return "_".join(parts)


def layout_of(definitions: Definitions) -> Layout:
    """The partial tables of some definitions."""
    additives: dict[tuple[str, ...], dict[Additive, None]] = {}
    newest: dict[tuple[str, ...], dict[Newest, None]] = {}
    of_family: dict[str, list[Feature]] = {}
    for feature in definitions.aggregated:
        declared = feature.declared
        assert isinstance(declared, Aggregated)
        entity = definitions.entities[declared.entity]
        of_family.setdefault(entity[0], []).append(feature)
        if feature.window == SESSION:
            continue
        keys = table_keys(definitions, feature)
        additives.setdefault(keys, {}).update(dict.fromkeys(additives_of(declared)))
        newest.setdefault(keys, {})
        if isinstance(declared, Last):
            newest[keys][Newest(declared.event, declared.column)] = None
    families = []
    for key, features in of_family.items():
        tables = [PartialTable(keys, tuple(additives[keys]), tuple(newest[keys])) for keys in additives if keys[0] == key]
        needed = _needed_columns(key, tables, features)
        raw = tuple(column for column in needed if column not in COMPUTED_COLUMNS)
        families.append(Family(key, tuple(tables), tuple(features), raw, tuple(name for name in COMPUTED_COLUMNS if name in needed)))
    return Layout(definitions, tuple(families))


def table_keys(definitions: Definitions, feature: Feature) -> tuple[str, ...]:
    """The keys of the table that a feature is computed from."""
    declared = feature.declared
    assert isinstance(declared, Aggregated)
    keys = definitions.entities[declared.entity]
    return (*keys, declared.column) if isinstance(declared, OF_VALUES) else keys


def additives_of(declared: Aggregated) -> tuple[Additive, ...]:
    """What is summed for an aggregation; how many values a sum has comes before the sum."""
    if isinstance(declared, Sum | Mean) or (isinstance(declared, DecayedSum) and declared.column):
        return Additive(declared.event, declared.column, "count"), Additive(declared.event, declared.column, "sum")
    if isinstance(declared, Rate):
        return Additive(declared.event, None, "count"), Additive(declared.of, None, "count")
    if isinstance(declared, Count | DecayedSum | Distinct | Top | Entropy | Shift):
        return (Additive(declared.event, None, "count"),)
    return ()


def _needed_columns(key: str, tables: Iterable[PartialTable], features: Iterable[Feature]) -> dict[str, None]:
    """The columns that a family's tables and sessions read."""
    needed: dict[str, None] = dict.fromkeys([*ALWAYS_READ, key])
    for table in tables:
        needed |= dict.fromkeys(table.keys)
    for feature in features:
        declared = feature.declared
        if column := getattr(declared, "column", None):
            needed[column] = None
        for filter_ in (getattr(declared, "event", None), getattr(declared, "of", None)):
            if filter_ is not None:
                needed |= dict.fromkeys(test.column for test in filter_.where)
    return needed


def value_type_of(definitions: Definitions, column: str) -> ValueType:
    """What a column of events holds."""
    return definitions.event_columns[column]
