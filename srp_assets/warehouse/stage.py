"""Where an ingest's rows of one entity wait until all have been read: in memory, or on disk in shards once they are many.

A shard holds whole keys (it is a range of key codes), so that each can be settled alone; memory holds one shard at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import pyarrow as pa

from srp_assets.errors import Unavailable
from srp_assets.warehouse.storage import Storage

MEMORY_BYTES = 192 * 1024 * 1024
"""How many bytes of rows of an entity are kept in memory. Settling a shard of that size took 1.4 GB at its peak; 64 shards of that size are
80 million comments of the sample world."""

SHARD_BITS = 6
KEY_HIGH = "_key_high"


class Stage:
    """Rows of one entity, given as tables of one schema with the upper half of their key code in `_key_high`.

    Args:
        folder: where shards are written, made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / uuid4().hex
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        """Adds rows.

        Raises:
            Unavailable: if the disk is full.
        """
        if table.num_rows == 0:
            return
        self._tables.append(table)
        self._bytes += table.nbytes
        self.rows += table.num_rows
        if self._bytes > MEMORY_BYTES:
            self._spill()

    def shards(self) -> Iterator[pa.Table]:
        """The rows, shard by shard; the stage is empty afterwards."""
        if not self._writers:
            tables, self._tables, self._bytes = self._tables, [], 0
            if tables:
                yield pa.concat_tables(tables).combine_chunks()
            return
        self._spill()
        shards = sorted(self._writers)
        with disk_errors(self._folder):
            for writer in self._writers.values():
                writer.close()
        self._writers = {}
        for shard in shards:
            path = self._path(shard)
            with disk_errors(path), pa.memory_map(str(path)) as source:
                table = pa.ipc.open_stream(source).read_all().combine_chunks()
            yield table
            path.unlink()

    def _path(self, shard: int) -> Path:
        return self._folder / f"{shard:02}.arrows"

    def _spill(self) -> None:
        if not self._tables:
            return
        table = pa.concat_tables(self._tables)
        self._tables, self._bytes = [], 0
        shards = (table.column(KEY_HIGH).to_numpy() >> np.uint64(64 - SHARD_BITS)).astype(np.uint8)
        order = np.argsort(shards, kind="stable")
        table = table.take(pa.array(order)).combine_chunks()
        starts = np.searchsorted(shards[order], np.arange((1 << SHARD_BITS) + 1))
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for shard in range(1 << SHARD_BITS):
                rows = int(starts[shard + 1] - starts[shard])
                if rows:
                    self._writer(shard, table.schema).write_table(table.slice(int(starts[shard]), rows))

    def _writer(self, shard: int, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        if shard not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[shard] = pa.ipc.new_stream(str(self._path(shard)), schema, options=options)
        return self._writers[shard]


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turns what the disk refuses into the one error that says so."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(place), remedy="free space, or correct the permissions or SRP_HOME"
        ) from error


@contextmanager
def scratch_folder(storage: Storage) -> Iterator[Path]:
    """A folder for rows that memory does not hold; beside the storage, where there is room for them, if that is a disk.

    For ingests that take turns: what one that died has left there goes first.
    """
    if not storage.is_local:
        with TemporaryDirectory(prefix="srp-ingest-") as folder:
            yield Path(folder)
        return
    path = Path(storage.path("landing/staging"))
    rmtree(path, ignore_errors=True)
    yield path
    rmtree(path, ignore_errors=True)
