"""Builds the partial sums of days in Spark: a task for each family of each day reads the day's events itself and writes its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import SparkSession

from srp_assets.features.aggregation.layout import Family, Layout
from srp_assets.features.aggregation.rows import ARROW_TYPES
from srp_assets.features.attributes import with_attributes
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.files import VersionFiles, Written, read_versions, write_day
from srp_assets.warehouse.storage import Storage

MANIFEST = "number int, family string, table string, path string, rows bigint, bytes bigint"


@dataclass(frozen=True)
class DayOfEvents:
    """The events of a day and where its partials go.

    Args:
        day: days since 1970.
        paths: files of `logs/actions` of this day.
        folder: of the build, relative to the warehouse; nothing else is written to.
    """

    day: int
    paths: tuple[str, ...]
    folder: str


def build_partials(
    spark: SparkSession, storage: Storage, layout: Layout, days: Sequence[DayOfEvents], versions: Mapping[str, VersionFiles], buckets: int
) -> dict[int, list[Written]]:
    """Builds days; returns the files of each, by its days since 1970.

    Args:
        spark: the session.
        storage: the warehouse.
        layout: what is built.
        days: which days, in any order.
        versions: of the rows that attributes are taken from.
        buckets: how many there are; all builds that are read together have the same number.
    """
    tasks = list(product(range(len(days)), range(len(layout.families))))
    build = _builder(storage, layout, tuple(days), dict(versions), buckets, tasks)
    built: dict[int, list[Written]] = {day.day: [] for day in days}
    for row in spark.range(0, len(tasks), 1, max(1, len(tasks))).mapInArrow(build, MANIFEST).toArrow().to_pylist():
        built[days[row.pop("number")].day].append(Written(**row))
    return built


def _builder(
    storage: Storage,
    layout: Layout,
    days: Sequence[DayOfEvents],
    versions: Mapping[str, VersionFiles],
    buckets: int,
    tasks: Sequence[tuple[int, int]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def build(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column(0).to_pylist():
                number, family_number = tasks[task]
                family, day = layout.families[family_number], days[number]
                events = read_events(storage, layout.definitions, family, day.paths, versions)
                written = write_day(storage, layout.definitions, family, events, day.folder, buckets)
                rows = [{"number": number, **vars(file)} for file in written]
                yield pa.RecordBatch.from_pylist(rows, schema=_MANIFEST_SCHEMA)

    return build


_MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int32()),
        pa.field("family", pa.string()),
        pa.field("table", pa.string()),
        pa.field("path", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("bytes", pa.int64()),
    ]
)


def read_events(
    storage: Storage, definitions: Definitions, family: Family, paths: Sequence[str], versions: Mapping[str, VersionFiles]
) -> pa.Table:
    """The events of a day with what a family needs of them; an event without a time of arrival arrived when it happened."""
    attributes = {name: source.key for source in definitions.attributes.values() for name in source.columns if name in family.raw_columns}
    names = list(dict.fromkeys([*(name for name in family.raw_columns if name not in attributes), *attributes.values()]))
    types: dict[str, ValueType] = {**definitions.event_columns, "event_id": "text", "kind": "text", "arrival_time": "time"}
    schema = pa.schema([pa.field(name, ARROW_TYPES[types[name]]) for name in names])
    if not paths:
        return with_attributes(definitions, schema.empty_table(), "event_time", {}, attributes)
    files = ds.dataset([storage.path(path) for path in paths], format="parquet", filesystem=storage.filesystem)
    events = files.to_table(columns=names).cast(schema)
    arrived = pc.coalesce(events["arrival_time"], events["event_time"])
    events = events.set_column(names.index("arrival_time"), "arrival_time", arrived)
    standing = read_versions(storage, definitions, versions, list(attributes))
    return with_attributes(definitions, events, "event_time", standing, attributes)
