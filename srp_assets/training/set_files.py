"""The files of a day of a training set, as joined rows stream by in the order in which they are to lie.

Rows come ordered by a hash of their request: so pages lie shuffled within the day, the same whenever the day is built again. The rows of a
request are in one row group.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.sequences.arrays import fixed_columns
from srp_assets.training.figures import Figures
from srp_assets.training.schema import CLICKED, TrainingSchema
from srp_assets.training.set_sequences import SetSequence, column_of
from srp_assets.training.weights import WeightRule
from srp_assets.warehouse.storage import Storage

FOUND = "_found"
"""The column that says whether a row has features; one without is counted and left out."""


def raw_column(sequence: str) -> str:
    """The column of joined rows that has what a sequence found: a struct of lists, null where nothing is known of the request."""
    return f"_{sequence}"


@dataclass(frozen=True)
class SetFiles:
    """What the files of a set have in common.

    Args:
        storage: of the training sets.
        folder: of the build.
        schema: of the set.
        rules: how the rows of each day are weighed.
    """

    storage: Storage
    folder: str
    schema: TrainingSchema
    rules: Mapping[date, WeightRule]

    def place(self, day: date, bucket: int, unfinished: ExitStack) -> "SetPlace":
        """The writer of one day and file."""
        return SetPlace(self, day, bucket, unfinished)


def day_folder(folder: str, day: str) -> str:
    """The folder of a day below that of a build."""
    return f"{folder}/day={day}"


class SetPlace:
    """One file of a day in the making; it appears when it is finished."""

    def __init__(self, files: SetFiles, day: date, bucket: int, unfinished: ExitStack) -> None:
        self._files = files
        self._rule = files.rules[day]
        self._path = f"{day_folder(files.folder, day.isoformat())}/part-{bucket:05d}.parquet"
        self._unfinished = unfinished.enter_context(ExitStack())
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._figures = Figures()
        self._day = day

    def add(self, rows: pa.RecordBatch) -> None:
        """Takes the next rows."""
        table = pa.Table.from_batches([rows])
        found = table.filter(table[FOUND])
        self._figures.without_features += table.num_rows - found.num_rows
        if not found.num_rows:
            return
        self._waiting.append(weighed(self._files.schema, self._rule, found))
        while sum(part.num_rows for part in self._waiting) > self._files.schema.row_group_rows:
            self._flush()

    def _flush(self) -> None:
        """Writes a row group; what is beyond it waits."""
        together = pa.concat_tables(self._waiting).combine_chunks()
        most = self._files.schema.row_group_rows
        rows = row_group_rows(together["trace_id"], most)
        group, self._waiting = together.slice(0, rows), [together.slice(rows)]
        if self._writer is None:
            self._writer = self._unfinished.enter_context(self._files.storage.parquet_writer(self._path, self._files.schema.arrow))
        self._writer.write_table(group, row_group_size=most)
        self._figures.add(self._files.schema, group)

    def finish(self) -> Iterable[dict[str, Any]]:
        """Completes the file; gives its manifest, also where no row is in it: the figures say why."""
        if any(part.num_rows for part in self._waiting):
            self._flush()
        self._unfinished.close()
        written = self._writer is not None
        return [
            {
                "day": self._day.isoformat(),
                "path": self._path if written else None,
                "bytes": self._files.storage.sizes([self._path])[0] if written else 0,
                "figures": self._figures.as_dict(),
            }
        ]


def row_group_rows(traces: pa.ChunkedArray, most: int) -> int:
    """How many of the next rows are a row group: as many as may be, without those of a request that goes on (unless it fills one alone)."""
    if len(traces) <= most:
        return len(traces)
    begins = pc.not_equal(traces.slice(1, most), traces.slice(0, most)).to_numpy()
    return int(np.flatnonzero(begins)[-1]) + 1 if begins.any() else most


def weighed(schema: TrainingSchema, rule: WeightRule, rows: pa.Table) -> pa.Table:
    """Joined rows as the set has them: with the examination of their places and their weights."""
    positions = rows["position"].to_numpy()
    propensities = pc.fill_null(rows["propensity"], float("nan")).to_numpy()
    weights = rule.weights(propensities, positions, rows[CLICKED].to_numpy())
    looked_at = pa.nulls(rows.num_rows, pa.float64()) if rule.examination is None else pa.array(rule.examination.of(positions))
    columns = {name: rows[name] for name in rows.column_names} | {"weight": pa.array(np.asarray(weights)), "examination": looked_at}
    for sequence in schema.sequences:
        columns |= sequence_columns(sequence, rows)
    return pa.table([columns[field.name].cast(field.type) for field in schema.arrow], schema=schema.arrow)


def sequence_columns(sequence: SetSequence, rows: pa.Table) -> dict[str, pa.Array]:
    """The columns of a sequence, of joined rows."""
    own = sequence.declared
    found = rows[raw_column(own.name)].combine_chunks()
    # Unlike its fields alone, a flattened struct is null where the whole is.
    lists = pa.table(dict(zip([field.name for field in found.type], found.flatten(), strict=True)))
    return {column_of(own.name, name): column for name, column in fixed_columns(own, lists).items()}
