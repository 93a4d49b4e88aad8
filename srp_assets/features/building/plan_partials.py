"""Builds the partial sums of days in Spark: a task for each family of each day reads the day's events itself and writes its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from srp_assets.features.aggregation.layout import Family, Layout
from srp_assets.features.aggregation.rows import ARROW_TYPES
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.files import VersionFiles, Written, open_files, read_versions, write_day
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.warehouse.storage import Storage

SMALLEST_SPLIT, UNITS_OF_A_TASK = 16, 5

MANIFEST = "number int, family string, table string, path string, rows bigint, bytes bigint"


@dataclass(frozen=True)
class DayOfEvents:
    """The events of a day and where its partials go.

    Args:
        day: days since 1970.
        storage: of the logs.
        paths: files of `logs/actions` of this day.
        folder: of the build, relative to the storage of the features; nothing else is written to.
    """

    day: int
    storage: Storage
    paths: tuple[str, ...]
    folder: str


def build_partials(
    spark: SparkSession, storage: Storage, layout: Layout, days: Sequence[DayOfEvents], versions: Mapping[str, VersionFiles], buckets: int
) -> dict[int, list[Written]]:
    """Builds days; returns the files of each, by its days since 1970.

    Args:
        spark: the session.
        storage: of the features.
        layout: what is built.
        days: which days, in any order.
        versions: of the rows that attributes are taken from.
        buckets: how many there are; all builds that are read together have the same number.
    """
    # Days of a family follow each other, so that a task reads the versions of attributes once for several days.
    units = list(product(range(len(layout.families)), range(len(days))))
    build = _builder(storage, layout, tuple(days), dict(versions), buckets, units)
    built: dict[int, list[Written]] = {day.day: [] for day in days}
    for row in spark.range(0, len(units), 1, task_count(len(units))).mapInArrow(build, MANIFEST).toArrow().to_pylist():
        built[days[row.pop("number")].day].append(Written(**row))
    return built


def task_count(units: int) -> int:
    """How many tasks some units of work become: a task costs Spark about as much as a small unit does."""
    return max(1, min(units, SMALLEST_SPLIT), ceil(units / UNITS_OF_A_TASK))


def _builder(
    storage: Storage,
    layout: Layout,
    days: Sequence[DayOfEvents],
    versions: Mapping[str, VersionFiles],
    buckets: int,
    units: Sequence[tuple[int, int]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    definitions = layout.definitions

    def build(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        standing: dict[str, dict[str, pa.Table]] = {}
        for batch in batches:
            for unit in batch.column(0).to_pylist():
                family_number, number = units[unit]
                family, day = layout.families[family_number], days[number]
                if family.key not in standing:
                    standing = {family.key: read_versions(definitions, versions, family.raw_columns)}
                events = read_events(definitions, family, day, standing[family.key])
                written = write_day(storage, definitions, family, events, day.folder, buckets)
                rows = [{"number": number, **vars(file)} for file in written]
                yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST_SCHEMA)

    return build


MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int32()),
        pa.field("family", pa.string()),
        pa.field("table", pa.string()),
        pa.field("path", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("bytes", pa.int64()),
    ]
)


def read_events(definitions: Definitions, family: Family, day: DayOfEvents, versions: Mapping[str, pa.Table]) -> pa.Table:
    """The events of a day with what a family needs of them; an event without a time of arrival arrived when it happened.

    Args:
        definitions: of the features.
        family: whose columns are read.
        day: whose events.
        versions: of the sources of the attributes that the family needs.
    """
    attributes = {name: source.key for source in definitions.attributes.values() for name in source.columns if name in family.raw_columns}
    names = list(dict.fromkeys([*(name for name in family.raw_columns if name not in attributes), *attributes.values()]))
    types: dict[str, ValueType] = {**definitions.event_columns, "event_id": "text", "kind": "text", "arrival_time": "time"}
    schema = pa.schema([pa.field(name, ARROW_TYPES[types[name]]) for name in names])
    if not day.paths:
        return with_attributes(definitions, schema.empty_table(), "event_time", {}, attributes)
    events = open_files(day.storage, day.paths).to_table(columns=names).cast(schema)
    arrived = pc.coalesce(events["arrival_time"], events["event_time"])
    events = events.set_column(names.index("arrival_time"), "arrival_time", arrived)
    return with_attributes(definitions, events, "event_time", versions, attributes)
