"""Files of kept hits: one row for each word of a list that hits a text of a built row. No framework but pyarrow and numpy."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.errors import Unavailable
from srp_assets.warehouse.storage import Storage

HIT_SCHEMA = pa.schema(
    [
        pa.field("file", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("feature", pa.string(), nullable=False),
        pa.field("list", pa.string(), nullable=False),
        pa.field("word", pa.int32(), nullable=False),
    ]
)
"""The place of the built file among its build's files, the row in that file, the text feature, the id of the list, the word's place in it;
sorted by file, row and list."""

ROW_GROUP_ROWS = 131_072
"""Hits of a row group: whoever wants the hits of one built file skips the others."""


class HitArrays(NamedTuple):
    """Hits in one feature, three parallel arrays of whole numbers: rows in the built file, numbers of lists, places of words."""

    row: np.ndarray
    list: np.ndarray
    word: np.ndarray


class HitWriter:
    """Writes one file of hits; to be used in a `with` block. Without hits there is no file.

    Args:
        storage: the warehouse.
        path: of the file, relative to the warehouse.
        features: the names of the features by their number.
        lists: the ids of the lists by their number.
    """

    def __init__(self, storage: Storage, path: str, features: Sequence[str], lists: Sequence[str]) -> None:
        self._storage = storage
        self._path = path
        self._features = pa.array(features, pa.string())
        self._lists = pa.array(lists, pa.string())
        self._unfinished = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self.hits = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._flush()
        self._unfinished.__exit__(kind, error, trace)

    def add(self, file: int, found: Mapping[int, HitArrays]) -> None:
        """Adds hits of a built file, whose rows come after those that were added before.

        Args:
            file: its place among the build's files.
            found: by the number of a feature.
        """
        features = np.concatenate([np.full(len(hits.row), feature) for feature, hits in found.items()])
        rows, lists, words = (np.concatenate([hits[part] for hits in found.values()]) for part in range(3))
        if not len(rows):
            return
        order = np.lexsort((words, lists, features, rows))
        columns = [
            pa.array(np.full(len(rows), file), pa.int32()),
            pa.array(rows[order], pa.int32()),
            self._features.take(pa.array(features[order], pa.int32())),
            self._lists.take(pa.array(lists[order], pa.int32())),
            pa.array(words[order], pa.int32()),
        ]
        self._waiting.append(pa.Table.from_arrays(columns, schema=HIT_SCHEMA))
        self.hits += len(rows)
        if sum(table.num_rows for table in self._waiting) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = self._unfinished.enter_context(self._storage.parquet_writer(self._path, HIT_SCHEMA))
        self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP_ROWS)
        self._waiting = []


def read_hits(storage: Storage, path: str, file: int) -> pa.Table:
    """The hits of one built file, by rows.

    Raises:
        Unavailable: if the file of hits cannot be read.
    """
    try:
        return pq.read_table(
            storage.path(path), filters=[("file", "=", file)], filesystem=storage.filesystem, partitioning=None, use_threads=False
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise Unavailable(
            f"the hits of standing lists cannot be read: {error}",
            where=storage.path(path),
            remedy="materialize the asset of these hits again",
        ) from error
