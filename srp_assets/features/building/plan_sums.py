"""Partial sums in the columns that all their tables promise alike, so that one check looks at every table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.features.aggregation.layout import Family, Layout, PartialTable
from srp_assets.features.aggregation.partials import ARRIVAL_DAY, BUCKET, EVENT_DAY, partial_schema
from srp_assets.features.aggregation.rows import buckets_of
from srp_assets.features.building.files import file_of
from srp_assets.features.building.plan_partials import task_count
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.warehouse.storage import Storage

SEPARATOR = "\x1f"

PROMISED = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("keys", pa.string()),
        pa.field("day", pa.date32()),
        pa.field(EVENT_DAY, pa.date32()),
        pa.field(ARRIVAL_DAY, pa.date32()),
        pa.field(BUCKET, pa.int32()),
        pa.field("bucket_of_keys", pa.int32()),
        pa.field("least_count", pa.int64()),
        pa.field("missing_sums", pa.int64()),
        pa.field("other_columns", pa.int64()),
    ]
)
"""`keys` are those of the table as one text, null if one of them is; `day` is the day that the build is of; `least_count` is the least of a
row's counts, null where a table has none; `missing_sums` is how many of its counts and sums are null; `other_columns` is how many columns
of the file are not as declared."""


def promised_sums(spark: SparkSession, storage: Storage, layout: Layout, folders: Mapping[int, str], buckets: int) -> DataFrame:
    """A row for each row of each partial table of some days. A file that is not there is a row without keys.

    Args:
        spark: the session.
        storage: of the features.
        layout: that the sums were built for.
        folders: of the builds, by the days since 1970.
        buckets: how many there are.
    """
    tables = [(family, table) for family in layout.families for table in family.tables]
    units = list(product(sorted(folders), range(len(tables))))
    read = _reader(storage, layout.definitions, tables, dict(folders), buckets, units)
    return spark.range(0, len(units), 1, task_count(len(units))).mapInArrow(read, from_arrow_schema(PROMISED))


def _reader(
    storage: Storage,
    definitions: Definitions,
    tables: Sequence[tuple[Family, PartialTable]],
    folders: Mapping[int, str],
    buckets: int,
    units: Sequence[tuple[int, int]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for unit in batch.column(0).to_pylist():
                day, number = units[unit]
                family, table = tables[number]
                path = file_of(folders[day], family, table.name)
                found = storage.read(path) if storage.exists(path) else None
                yield from promised(definitions, family, table, found, day, buckets).to_batches()

    return read


def promised(definitions: Definitions, family: Family, table: PartialTable, rows: pa.Table | None, day: int, buckets: int) -> pa.Table:
    """What is promised of the rows of one table and day; of no table, that it is not there.

    Args:
        definitions: of the features.
        family: of the table.
        table: as it is declared.
        rows: as they were written.
        day: that they are of, in days since 1970.
        buckets: how many there are.
    """
    name = f"{family.key}/{table.name}"
    if rows is None:
        return pa.Table.from_pylist([{"table": name}], schema=PROMISED)
    declared = partial_schema(definitions, table)
    differing = len(set(declared) ^ set(rows.schema))
    for field in declared:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    sums = [additive.name for additive in table.additives]
    counts = [rows[additive.name] for additive in table.additives if additive.part == "count"]
    missing = pa.array([0] * len(rows), pa.int64())
    for column in sums:
        missing = pc.add(missing, pc.cast(pc.is_null(rows[column]), pa.int64()))
    columns = {
        "table": pa.repeat(name, len(rows)),
        "keys": pc.binary_join_element_wise(*(rows[key] for key in table.keys), SEPARATOR),
        "day": pa.repeat(pa.scalar(day, pa.int32()), len(rows)).cast(pa.date32()),
        EVENT_DAY: rows[EVENT_DAY],
        ARRIVAL_DAY: rows[ARRIVAL_DAY],
        BUCKET: rows[BUCKET],
        "bucket_of_keys": pa.array(buckets_of(rows[family.key], buckets)),
        "least_count": pc.min_element_wise(*counts) if counts else pa.nulls(len(rows), pa.int64()),
        "missing_sums": missing,
        "other_columns": pa.repeat(pa.scalar(differing, pa.int64()), len(rows)),
    }
    # A count of another type is one of the other columns already; it must not end the check.
    return pa.table(columns).cast(PROMISED, safe=False)
