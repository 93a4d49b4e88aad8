"""The files of built days: for each table, day and bucket, as rows stream by in that order.

Kernels for `mapInArrow`; what they give are manifests, one JSON text a file. A task that is tried again writes the same names.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.warehouse.build_files import ROW_GROUP_ROWS, run_borders
from srp_assets.warehouse.manifests import manifests
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

PLACE = ("_day", "_bucket")
"""The columns that say where a row belongs: a date and the number of a file."""

Kernel = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Place(Protocol):
    """The files of one day and bucket of a table, in the making."""

    def add(self, rows: pa.RecordBatch) -> None:
        """Takes the next rows."""

    def finish(self) -> Iterable[dict[str, Any]]:
        """Completes the files; gives their manifests."""


def file_path(folder: str, table: str, day: date, bucket: int, part: str = "part") -> str:
    """Where rows of a table's day and bucket lie."""
    return f"{folder}/{table}/day={day.isoformat()}/{part}-{bucket:05d}.parquet"


def place_kernel(open_place: Callable[[date, int, ExitStack], Place]) -> Kernel:
    """A kernel that takes rows ordered by place and writes each place by what `open_place` makes.

    `open_place` is handed the day, the bucket, and a stack that holds unfinished files: where the kernel breaks off, they do not appear.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        written: list[dict[str, Any]] = []
        current: tuple[date, int] | None = None
        place: Place | None = None
        with ExitStack() as unfinished:
            for day, bucket, rows in _runs(batches):
                if place is None or (day, bucket) != current:
                    written += place.finish() if place is not None else ()
                    current, place = (day, bucket), open_place(day, bucket, unfinished)
                place.add(rows)
            written += place.finish() if place is not None else ()
        yield from manifests(written)

    return write


def _runs(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date, int, pa.RecordBatch]]:
    for batch in batches:
        borders = run_borders([batch.column(name) for name in PLACE])
        for start, end in zip(borders, borders[1:], strict=False):
            day, bucket = (batch.column(name)[start].as_py() for name in PLACE)
            yield day, bucket, batch.slice(start, end - start)


class DayFile:
    """One file in the making; it is opened when its first rows come, and appears when it is finished."""

    def __init__(self, storage: Storage, path: str, schema: pa.Schema, unfinished: ExitStack) -> None:
        self._storage = storage
        self._path = path
        self._schema = schema
        self._unfinished = unfinished.enter_context(ExitStack())
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self.rows = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Adds rows that have the file's columns, among others."""
        if rows.num_rows == 0:
            return
        self._waiting.append(rows.select(self._schema.names).cast(self._schema))
        self._waiting_rows += rows.num_rows
        self.rows += rows.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = self._unfinished.enter_context(self._storage.parquet_writer(self._path, self._schema))
        table = pa.Table.from_batches(self._waiting, self._schema).combine_chunks()
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._waiting, self._waiting_rows = [], 0

    def finish(self) -> list[dict[str, Any]]:
        """Completes the file; gives its path, rows and size, or nothing if no row came."""
        self._flush()
        self._unfinished.close()
        if self.rows == 0:
            return []
        return [{"path": self._path, "rows": self.rows, "bytes": self._storage.sizes([self._path])[0]}]


def as_microseconds(times: pa.Array) -> np.ndarray:
    """Times without nulls as int64 microseconds since 1970."""
    return times.cast(TIMESTAMP).cast(pa.int64()).to_numpy(zero_copy_only=False)
