"""Reading training sets: the row groups of some days, days in order, shuffled within each day, never more in memory than asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.training.registry import SetBuild
from srp_assets.training.schema import TrainingSchema
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class RowGroup:
    """A piece of a file: what is read at once."""

    day: str
    path: str
    number: int
    rows: int


@dataclass(frozen=True)
class SetReader:
    """The files of some days of a training set.

    Args:
        storage: of the training sets.
        schema: of the set.
        files: paths by day.
    """

    storage: Storage
    schema: TrainingSchema
    files: Mapping[str, tuple[str, ...]]

    @classmethod
    def of_builds(cls, storage: Storage, schema: TrainingSchema, builds: Mapping[str, SetBuild], days: Sequence[str]) -> "SetReader":
        """The days of some builds."""
        return cls(storage, schema, {day: tuple(path for path, _ in storage.files(builds[day].folder)) for day in days if builds[day].rows})

    @cached_property
    def row_groups(self) -> tuple[RowGroup, ...]:
        """All pieces, days in order."""
        found = []
        for day, paths in sorted(self.files.items()):
            for path in paths:
                with pq.ParquetFile(self.storage.path(path), filesystem=self.storage.filesystem) as file:
                    counts = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
                found += [RowGroup(day, path, number, rows) for number, rows in enumerate(counts)]
        return tuple(found)

    @property
    def rows(self) -> int:
        """In all of them."""
        return sum(group.rows for group in self.row_groups)

    def read(self, group: RowGroup, columns: Sequence[str]) -> pa.Table:
        """Some columns of a piece, rows as they lie."""
        with pq.ParquetFile(self.storage.path(group.path), filesystem=self.storage.filesystem) as file:
            return file.read_row_group(group.number, columns=list(columns))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of every piece, one after the other."""
        for group in self.row_groups:
            yield self.read(group, columns)

    def shuffled(self, columns: Sequence[str], batch_rows: int, seed: int, epoch: int = 0) -> Iterator[pa.Table]:
        """Batches for training: days in order, and within each day pieces, and rows within each piece, by chance.

        Args:
            columns: that are read.
            batch_rows: of a batch; the last one of a day may be smaller, so that no batch mixes days.
            seed: of chance.
            epoch: another one shuffles otherwise.
        """
        random = np.random.default_rng([seed, epoch])
        for day in sorted(self.files):
            groups = [group for group in self.row_groups if group.day == day]
            waiting: list[pa.Table] = []
            for place in random.permutation(len(groups)):
                table = self.read(groups[place], columns)
                waiting.append(table.take(pa.array(random.permutation(table.num_rows))))
                while sum(part.num_rows for part in waiting) >= batch_rows:
                    together = pa.concat_tables(waiting)
                    yield together.slice(0, batch_rows)
                    waiting = [together.slice(batch_rows)]
            rest = pa.concat_tables(waiting) if waiting else None
            if rest is not None and rest.num_rows:
                yield rest

    def spread(self, rows: int) -> tuple[RowGroup, ...]:
        """Pieces with about so many rows, spread evenly over all days; all if there are no more."""
        if self.rows <= rows:
            return self.row_groups
        wanted = max(1, round(len(self.row_groups) * rows / self.rows))
        places = np.unique(np.linspace(0, len(self.row_groups) - 1, wanted).round().astype(int))
        return tuple(self.row_groups[place] for place in places)
