"""Where partial sums lie, and how a task reads those of its bucket: a folder for each build of a day, a file in it for each table.

In a file, rows are sorted by bucket and each bucket is a row group of its own, so that a reader of one bucket reads little else. Beside the
tables of a family lie its raw rows, and once more those of them that arrived on a later day than they happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Family, PartialTable
from srp_assets.features.aggregation.partials import BUCKET, day_partials, family_rows, partial_schema, raw_schema
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import Clock, days_of
from srp_assets.warehouse.storage import Storage

RAW, LATE = "raw", "late"

SMALL_TABLE = 10_000
"""Rows up to which a file is one row group: a reader of one bucket reads them faster than it finds its own."""

DAYS_OF_A_SESSION = 1
"""How many days before its own a request's session may reach into."""


@dataclass(frozen=True)
class VersionFiles:
    """Parquet files with the versions of an entity's rows, and the column that says since when each stands.

    `without` is a column that marks rows which are no versions by not being null (tombstones of landing); `order` are columns that say
    which of the versions of one time is the newest.
    """

    storage: Storage
    paths: tuple[str, ...]
    updated_at: str
    without: str | None = None
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file that was written: whose, with how many rows and bytes."""

    family: str
    table: str
    path: str
    rows: int
    bytes: int


def open_files(storage: Storage, paths: Sequence[str], schema: pa.Schema | None = None) -> Any:
    """Parquet files as one dataset, from which columns and rows are chosen; of the first file's schema unless one is given."""
    import pyarrow.dataset as ds  # brings pandas along, which takes half a second to import

    return ds.dataset([storage.path(path) for path in paths], schema=schema, format="parquet", filesystem=storage.filesystem)


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
        written.append(Written(family.key, name, path, table.num_rows, write_by(storage, path, table, BUCKET)))
    return written


def write_by(storage: Storage, path: str, table: pa.Table, column: str) -> int:
    """Writes rows that are sorted by a column of numbers, each number as a row group, or small tables as one; returns the size in bytes."""
    numbers = integers(table[column])
    borders = (np.flatnonzero(np.diff(numbers)) + 1).tolist() if table.num_rows > SMALL_TABLE else []
    starts = [0, *borders, table.num_rows]
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
        paths = [file_of(folder, family, table) for day, folder in sorted(self.folders.items()) if first <= day <= last]
        return open_files(self.storage, paths, schema).to_table(filter=pc.field(BUCKET) == bucket) if paths else schema.empty_table()


def read_versions(definitions: Definitions, files: Mapping[str, VersionFiles], only: Sequence[str]) -> dict[str, pa.Table]:
    """The versions of the sources that some attributes are taken from, by source."""
    tables = {}
    for name, source in definitions.attributes.items():
        columns = sorted({attribute.column for column, attribute in source.columns.items() if column in only} - {source.key})
        if columns and name in files and files[name].paths:
            tables[name] = _read_versions(files[name], source.key, columns)
    return tables


def _read_versions(files: VersionFiles, key: str, columns: Sequence[str]) -> pa.Table:
    names = list(dict.fromkeys([key, *columns, files.updated_at, *files.order]))
    kept = None if files.without is None else pc.field(files.without).is_null()
    found = open_files(files.storage, files.paths).to_table(columns=names, filter=kept)
    if files.order:
        found = found.take(pc.sort_indices(found, sort_keys=[(name, "ascending") for name in files.order]))
    # Logs name things by texts, whatever the warehouse keeps ids as.
    found = found.set_column(0, key, pc.cast(found[key], pa.string()))
    return found if files.updated_at == UPDATED_AT else found.append_column(UPDATED_AT, found[files.updated_at])
