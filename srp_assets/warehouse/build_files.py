"""Writing the files of a build: one for each product, visibility, period and bucket, as rows stream by in that order."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.warehouse.storage import Storage

ROW_GROUP_ROWS = 131_072
"""Rows of a row group: small enough that the sorted bucket key skips most of a bucket in a point look-up."""

ROW_GROUP_BYTES = 64 << 20
"""A row group ends at this size too, so that long texts do not fill the memory of a worker."""

MANIFEST_SCHEMA = pa.schema(
    [
        ("product", pa.string()),
        ("period", pa.string()),
        ("visible", pa.bool_()),
        ("bucket", pa.int64()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("superseded", pa.int64()),
        ("moved", pa.int64()),
    ]
)

PLACE = ("_unit", "_visible", "_bucket")
"""The columns that say where a row belongs; a unit is the number of a product's period."""


class Place(NamedTuple):
    """Where rows belong."""

    product: str
    period: str
    visible: bool
    bucket: int


def partition_folder(folder: str, product: str, visible: bool, period: str) -> str:
    """The folder of one partition below a build's folder."""
    return f"{folder}/product={quote(product, safe='')}/visible={str(visible).lower()}/period={quote(period, safe='')}"


def file_name(place: Place) -> str:
    """The name of a bucket's file: Spark finds its number before the first dot; a task tried again writes the same name."""
    digest = sha256("\0".join(map(str, place)).encode()).hexdigest()[:12]
    return f"part-{place.bucket:05d}-{digest}_{place.bucket:05d}.c000.zstd.parquet"


class BuildWriter:
    """Writes ordered rows below a build's folder; its `write` is a kernel for `mapInArrow`.

    Args:
        storage: where the files go.
        schema: what a built file holds.
        folder: the build's folder, relative to the storage.
        units: product and period of each unit by its number.
    """

    def __init__(self, storage: Storage, schema: pa.Schema, folder: str, units: Sequence[tuple[str, str]]) -> None:
        self.storage = storage
        self.schema = schema
        self.folder = folder
        self.units = units

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Takes rows ordered by place (own columns, then place, `_stored` and `_moved`), gives rows of `MANIFEST_SCHEMA`."""
        written: list[dict[str, object]] = []
        current: _File | None = None
        with ExitStack() as unfinished:
            for batch in batches:
                for place, rows in split_by_place(batch, self.units):
                    if current is None or current.place != place:
                        if current is not None:
                            written.append(current.finish())
                        current = _File(self.storage, self.schema, self.folder, place, unfinished.enter_context(ExitStack()))
                    current.add(rows)
            if current is not None:
                written.append(current.finish())
        yield from pa.Table.from_pylist(written, schema=MANIFEST_SCHEMA).to_batches()


def split_by_place(batch: pa.RecordBatch, units: Sequence[tuple[str, str]]) -> Iterator[tuple[Place, pa.RecordBatch]]:
    """The runs of rows of a batch that have the same place."""
    columns = [batch.column(name) for name in PLACE]
    borders = run_borders(columns)
    for start, end in zip(borders, borders[1:], strict=False):
        unit, visible, bucket = (column[start].as_py() for column in columns)
        product, period = units[unit]
        yield Place(product, period, visible, bucket), batch.slice(start, end - start)


def run_borders(columns: Sequence[pa.Array]) -> list[int]:
    """Where runs of rows begin that are equal in all of some columns without nulls, and where the last one ends; nothing of no rows."""
    rows = len(columns[0])
    if rows == 0:
        return []
    changed = np.zeros(rows - 1, dtype=bool)
    for column in columns:
        changed |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return [0, *(np.flatnonzero(changed) + 1).tolist(), rows]


class _File:
    """One file in the making; it is opened when its first row comes, since a place may hold only moved rows."""

    def __init__(self, storage: Storage, schema: pa.Schema, folder: str, place: Place, unfinished: ExitStack) -> None:
        self.storage = storage
        self.schema = schema
        self.place = place
        self.path = f"{partition_folder(folder, place.product, place.visible, place.period)}/{file_name(place)}"
        self.rows = self.superseded = self.moved = 0
        self._waiting: list[pa.RecordBatch] = []
        self._unfinished = unfinished
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.RecordBatch) -> None:
        moved = rows.column("_moved")
        self.moved += pc.sum(moved).as_py() or 0
        self.superseded += (pc.sum(rows.column("_stored")).as_py() or 0) - rows.num_rows
        own = rows.filter(pc.invert(moved)).select(self.schema.names).cast(self.schema)
        if own.num_rows:
            self._waiting.append(own)
            self.rows += own.num_rows
        if (
            sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP_ROWS
            or sum(batch.nbytes for batch in self._waiting) >= ROW_GROUP_BYTES
        ):
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = self._unfinished.enter_context(self.storage.parquet_writer(self.path, self.schema))
        table = pa.Table.from_batches(self._waiting, self.schema).combine_chunks()
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._waiting = []

    def finish(self) -> dict[str, object]:
        self._flush()
        self._unfinished.close()
        path = self.path if self.rows else None
        size = self.storage.sizes([self.path])[0] if path else 0
        counts = {"path": path, "rows": self.rows, "bytes": size, "superseded": self.superseded, "moved": self.moved}
        return {**self.place._asdict(), **counts}
