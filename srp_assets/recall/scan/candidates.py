"""Candidates as they lie in an attempt's folder: read back by the workers that join a group in memory. No framework but pyarrow."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs

from srp_assets.recall.scan.compile import BatchPlan, Group, candidate_columns
from srp_assets.recall.scan.join import Held
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.catalogue import Entity
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage

MARKS = ("_bits", "_hits")
"""The bitmap of its tasks and its hits: what the scan adds to a candidate of an object with rules."""


class CandidateSource(Frozen):
    """Where the candidates of one object of one group lie: a folder relative to the warehouse.

    Candidates of an object without rules have neither hits nor bitmaps of tasks.
    """

    folder: str
    ruled: bool


def read_candidates(
    storage: Storage, source: CandidateSource, entity: Entity, columns: Sequence[str], marks: Sequence[str] = MARKS
) -> pa.Table:
    """Candidates with their product, some columns, and their marks where the object has rules; none if there is no folder."""
    dataset = _dataset(storage, source, entity, columns, marks)
    return dataset if isinstance(dataset, pa.Table) else dataset.to_table(use_threads=False)


def candidate_batches(storage: Storage, source: CandidateSource, entity: Entity, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The same rows in the same order with all marks, of bounded size at a time."""
    dataset = _dataset(storage, source, entity, columns, MARKS)
    yield from dataset.to_batches() if isinstance(dataset, pa.Table) else dataset.to_batches(use_threads=False)


def _dataset(
    storage: Storage, source: CandidateSource, entity: Entity, columns: Sequence[str], marks: Sequence[str]
) -> pa.Table | ds.Dataset:
    own = [pa.field(name, pa.list_(pa.int64())) for name in marks] if source.ruled else []
    fields = [pa.field(name, ARROW_TYPES[entity.columns[name].value_type]) for name in columns]
    schema = pa.schema([pa.field("_product", pa.string()), *own, *fields])
    path = storage.path(source.folder)
    if storage.filesystem.get_file_info(path).type == fs.FileType.NotFound:
        return schema.empty_table()
    return ds.dataset(path, schema=schema, format="parquet", filesystem=storage.filesystem)


def hold(storage: Storage, plan: BatchPlan, group: Group, name: str, source: CandidateSource) -> Held:
    """The candidates of one object of a group, in memory; those of an object without rules are of every task."""
    table = read_candidates(storage, source, plan.catalogue.entity_of(name), candidate_columns(plan, group, name))
    return held_of(table, group)


def held_of(table: pa.Table, group: Group) -> Held:
    """Candidates with `_bits`, or without where they are of every task, as a join takes them."""
    if "_bits" not in table.schema.names:
        return Held(table.to_pylist(), [(1 << len(group.tasks)) - 1] * table.num_rows)
    bitmaps = table["_bits"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype("<i8").tobytes()
    size = 8 * group.words
    tasks = [int.from_bytes(bitmaps[start : start + size], "little") for start in range(0, len(bitmaps), size)]
    return Held(table.drop_columns("_bits").to_pylist(), tasks)
