"""Where partial sums lie, and how a task reads those of its bucket: a folder for each build of a day, a file in it for each table.

In a file, rows are sorted by bucket and each bucket is a row group of its own, so that a reader of one bucket reads little else. Beside the
tables of a family lie its raw rows, and once more those of them that arrived on a later day than they happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from srp_assets.features.aggregation.layout import Family, PartialTable
from srp_assets.features.aggregation.partials import BUCKET, day_partials, family_rows, partial_schema, raw_schema
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import Clock, days_of
from srp_assets.warehouse.storage import Storage

RAW, LATE = "raw", "late"

DAYS_OF_A_SESSION = 1
"""How many days before its own a request's session may reach into."""


@dataclass(frozen=True)
class VersionFiles:
    """Parquet files with the versions of an entity's rows, and the column that says since when each stands."""

    paths: tuple[str, ...]
    updated_at: str


@dataclass(frozen=True)
class Written:
    """A file that was written: whose, with how many rows and bytes."""

    family: str
    table: str
    path: str
    rows: int
    bytes: int


def file_of(folder: str, family: Family, table: str) -> str:
    """The file of one table of a family in the folder of a day's build."""
    return f"{folder}/{family.key}/{table}.parquet"


def write_day(storage: Storage, definitions: Definitions, family: Family, events: pa.Table, folder: str, buckets: int) -> list[Written]:
    """Writes the partials and raw rows of one family and day.

    Args:
        storage: the warehouse.
        definitions: of the features.
        family: what is written.
        events: rows of the day, with the attributes that the family needs.
        folder: of the build.
        buckets: how many buckets there are.
    """
    rows = family_rows(definitions, family, events, buckets)
    late = days_of(integers(rows["arrival_time"])) > days_of(integers(rows["event_time"]))
    tables = {RAW: rows, LATE: rows.filter(pa.array(late))}
    tables |= {table.name: day_partials(definitions, table, rows) for table in family.tables}
    written = []
    for name, table in tables.items():
        path = file_of(folder, family, name)
        written.append(Written(family.key, name, path, table.num_rows, _write(storage, path, table)))
    return written


def _write(storage: Storage, path: str, table: pa.Table) -> int:
    """Writes rows sorted by bucket, each bucket as a row group."""
    buckets = integers(table[BUCKET])
    starts = [0, *(np.flatnonzero(np.diff(buckets)) + 1).tolist(), table.num_rows]
    with storage.parquet_writer(path, table.schema) as writer:
        for start, end in zip(starts, starts[1:], strict=False):
            if end > start:
                writer.write_table(table.slice(start, end - start))
    return storage.sizes([path])[0]


@dataclass(frozen=True)
class PartialFiles:
    """The newest builds of days: what the point-in-time join reads.

    Args:
        storage: the warehouse.
        definitions: that the builds were made for, or others with the same layout.
        folders: of each built day, by the days since 1970. A day without a build counts as one without events; whoever plans a join decides
            whether that may be.
    """

    storage: Storage
    definitions: Definitions
    folders: Mapping[int, str]

    def partials(self, family: Family, bucket: int, first_day: int, last_day: int) -> dict[str, pa.Table]:
        """The partial tables of one bucket, of the days that windows of requests of these days reach."""
        first = first_day - self.definitions.lookback_days
        return {table.name: self._partials(family, table, bucket, first, last_day - 1) for table in family.tables}

    def _partials(self, family: Family, table: PartialTable, bucket: int, first: int, last: int) -> pa.Table:
        return self._read(family, table.name, partial_schema(self.definitions, table), bucket, first, last)

    def rows(self, family: Family, bucket: int, first_day: int, last_day: int, clock: Clock) -> pa.Table:
        """The raw rows of one bucket that complete the partials: of these days, for sessions of the day before, and late ones."""
        schema = raw_schema(self.definitions, family)
        begin = first_day - DAYS_OF_A_SESSION
        found = [self._read(family, RAW, schema, bucket, begin, last_day)]
        if clock == "as_arrived":
            found.append(self._read(family, LATE, schema, bucket, first_day - self.definitions.lookback_days, begin - 1))
        return pa.concat_tables(found)

    def _read(self, family: Family, table: str, schema: pa.Schema, bucket: int, first: int, last: int) -> pa.Table:
        paths = [self.storage.path(file_of(folder, family, table)) for day, folder in sorted(self.folders.items()) if first <= day <= last]
        if not paths:
            return schema.empty_table()
        found = ds.dataset(paths, schema=schema, format="parquet", filesystem=self.storage.filesystem)
        return found.to_table(filter=pc.field(BUCKET) == bucket)


def read_versions(
    storage: Storage, definitions: Definitions, files: Mapping[str, VersionFiles], only: Sequence[str]
) -> dict[str, pa.Table]:
    """The versions of the sources that some attributes are taken from."""
    tables = {}
    for name, source in definitions.attributes.items():
        columns = sorted({attribute.column for column, attribute in source.columns.items() if column in only} - {source.key})
        if columns and name in files and files[name].paths:
            paths = [storage.path(path) for path in files[name].paths]
            found = ds.dataset(paths, format="parquet", filesystem=storage.filesystem).to_table(
                columns=[source.key, *columns, *({files[name].updated_at} - {source.key, *columns})]
            )
            # A column of text ids whatever the warehouse keeps ids as: logs name items by texts.
            key = pc.cast(found[source.key], pa.string())
            found = found.set_column(found.column_names.index(source.key), source.key, key)
            tables[name] = found if files[name].updated_at == UPDATED_AT else found.append_column(UPDATED_AT, found[files[name].updated_at])
    return tables
