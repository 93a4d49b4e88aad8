"""Training rows from Parquet files in an order that a seed decides, a few row groups in memory at a time.

An epoch is a row of *chunks*: some row groups, of different days where there are, whose rows are shuffled together and cut into batches.
What a chunk holds and how it is shuffled follows from seed, epoch and chunk number alone, so training goes on in the middle of an epoch
without replaying it, and processes that train together agree without a word.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from srp_assets.errors import InvalidInput
from srp_assets.models.deep.encoding.columns import as_numbers
from srp_assets.models.deep.encoding.encoder import WEIGHT, RowEncoder
from srp_assets.models.deep.encoding.rows import EncodedRows, joined
from srp_assets.training.sampling import kept_rows

EVENT_ID = "event_id"
"""The column of a training set that names the impression."""

SHUFFLED_GROUPS, SHUFFLED_ROWS = 1, 2
"""What a generator draws: part of its seed, so that no two are the same."""


class RowGroup(NamedTuple):
    """A row group of a file."""

    path: str
    group: int
    rows: int


@dataclass(frozen=True)
class RowFiles:
    """Parquet files with rows of a training set, in the order of their days.

    Args:
        paths: of the files.
        filesystem: that they lie on; this machine's if None.
    """

    paths: Sequence[str]
    filesystem: fs.FileSystem = field(default_factory=fs.LocalFileSystem)

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:
        """All row groups that have rows, in order."""
        found = []
        for path in self.paths:
            with self._open(path) as file:
                sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            found += [RowGroup(path, group, rows) for group, rows in enumerate(sizes) if rows]
        return tuple(found)

    @cached_property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(group.rows for group in self.groups)

    def read(self, group: RowGroup, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
        """Some columns of a row group.

        Args:
            group: of one of the files.
            columns: that must be there.
            optional: that may be missing.

        Raises:
            InvalidInput: if a column is missing.
        """
        with self._open(group.path) as file:
            names = set(file.schema_arrow.names)
            missing = [name for name in columns if name not in names]
            if missing:
                raise InvalidInput(f"the column {missing[0]!r} is missing", where=group.path, remedy="build the training set with it")
            wanted = [*columns, *[name for name in optional if name in names]]
            return file.read_row_group(group.group, columns=wanted, use_threads=True)

    def sample(self, columns: Sequence[str], rows: int) -> pa.Table:
        """About so many rows, of row groups spread evenly over all files; all rows where there are not more.

        Raises:
            InvalidInput: if there are no rows, or a column is missing.
        """
        if not self.groups:
            raise InvalidInput("there are no rows to train on", where=", ".join(self.paths[:3]) or "training set", remedy="build more days")
        count = max(1, round(min(1.0, rows / self.rows) * len(self.groups)))
        chosen = np.unique(np.linspace(0, len(self.groups) - 1, count).astype(int))
        return pa.concat_tables([self.read(self.groups[place], columns) for place in chosen])

    def _open(self, path: str) -> pq.ParquetFile:
        # A buffer of the whole row group, beside its decoded columns, would only cost memory.
        return pq.ParquetFile(self.filesystem.open_input_file(path), pre_buffer=False)


@dataclass(frozen=True)
class Order:
    """How the rows of an epoch are ordered.

    Args:
        mixed_row_groups: row groups of a chunk.
        batch_rows: rows of a batch at most.
        seed: of all shuffling; None keeps the order of the files.
    """

    mixed_row_groups: int
    batch_rows: int
    seed: int | None

    def chunks(self, groups: Sequence[RowGroup], epoch: int) -> list[tuple[RowGroup, ...]]:
        """The chunks of an epoch."""
        if self.seed is not None:
            places = np.random.default_rng([self.seed, SHUFFLED_GROUPS, epoch]).permutation(len(groups))
            groups = [groups[place] for place in places]
        return [tuple(groups[begin : begin + self.mixed_row_groups]) for begin in range(0, len(groups), self.mixed_row_groups)]

    def batches(self, rows: int, epoch: int, chunk: int) -> list[np.ndarray]:
        """The places in a chunk that each of its batches takes: as few batches as may be, equal in size but for one row."""
        if not rows:
            return []
        places = np.arange(rows)
        if self.seed is not None:
            places = np.random.default_rng([self.seed, SHUFFLED_ROWS, epoch, chunk]).permutation(rows)
        return np.array_split(places, -(-rows // self.batch_rows))


class EncodedFiles:
    """Encoded rows of files, chunk by chunk; the next one is read and encoded while a chunk is trained on.

    Args:
        files: what to read.
        encoder: how rows are encoded.
        memory_rows: all encoded rows are kept in memory if the files have no more.
        negative_share: share of the rows without the label that are kept, by the hash of their impression's id.
        seed: of that hash.
    """

    def __init__(self, files: RowFiles, encoder: RowEncoder, memory_rows: int, *, negative_share: float = 1.0, seed: int = 0) -> None:
        self.files = files
        self._encoder = encoder
        self._negative_share, self._seed = negative_share, seed
        self._kept: dict[RowGroup, EncodedRows] | None = {} if files.rows <= memory_rows else None

    @property
    def groups(self) -> tuple[RowGroup, ...]:
        """All row groups, in order."""
        return self.files.groups

    def chunk(self, groups: Sequence[RowGroup]) -> EncodedRows:
        """The encoded rows of some row groups."""
        return joined([self._encoded(group) for group in groups])

    def chunks(self, chunks: Sequence[tuple[RowGroup, ...]]) -> Iterator[EncodedRows]:
        """The encoded rows of each chunk."""
        with ThreadPoolExecutor(1, thread_name_prefix="encode") as ahead:
            waiting = ahead.submit(self.chunk, chunks[0]) if chunks else None
            for place in range(len(chunks)):
                assert waiting is not None
                found = waiting.result()
                waiting = ahead.submit(self.chunk, chunks[place + 1]) if place + 1 < len(chunks) else None
                yield found

    def _encoded(self, group: RowGroup) -> EncodedRows:
        if self._kept is not None and group in self._kept:
            return self._kept[group]
        found = self._encoder.encode(self._read(group))
        if self._kept is not None:
            self._kept[group] = found
        return found

    def _read(self, group: RowGroup) -> pa.Table:
        """The rows of a group that count."""
        if self._negative_share == 1:
            return self.files.read(group, self._encoder.columns, optional=(WEIGHT,))
        rows = self.files.read(group, (*self._encoder.columns, EVENT_ID), optional=(WEIGHT,))
        (label,) = self._encoder.document.labels
        happened = as_numbers(rows.column(label)) > 0
        return rows.filter(pa.array(kept_rows(rows.column(EVENT_ID), happened, self._negative_share, self._seed)))
