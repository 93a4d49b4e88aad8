"""The files in which the cases of a batch lie now, and how their counting is spread over Spark tasks. No framework but pyarrow."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from srp_assets.insights.statistics.tallies import COUNTED_COLUMNS, Tallies
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.scan_units import spread
from srp_assets.warehouse.storage import Storage

UNIT_ROWS = 250_000
"""Cases that are counted in one go: a large file is shared by several workers (arbitrary: two or three seconds of work)."""

ROWS_AT_ONCE = 131_072
"""Cases that a worker holds at once: without their texts, tens of megabytes."""


class CaseSource(NamedTuple):
    """A folder of cases, relative to the warehouse, and the tasks whose cases are there: a refilled task's have moved elsewhere."""

    folder: str
    task_ids: tuple[str, ...]


class CaseUnit(Frozen):
    """Some row groups of one file of cases, and the tasks that are counted there."""

    path: str
    row_groups: tuple[int, ...]
    rows: int
    task_ids: tuple[str, ...]


class CountOrder(Frozen):
    """What is counted: the units, and those of each slot (one Spark task)."""

    catalogue: Catalogue
    units: tuple[CaseUnit, ...]
    slots: tuple[tuple[int, ...], ...]


def count_order(storage: Storage, catalogue: Catalogue, sources: Sequence[CaseSource]) -> CountOrder:
    """The order to count all cases of some tasks."""
    units = tuple(unit for source in sources for unit in _units(storage, source))
    # Rows stand for bytes here: a unit is small, and `spread` wants sizes that add up to many slots.
    return CountOrder(catalogue=catalogue, units=units, slots=spread([unit.rows * 128 for unit in units]) if units else ())


def read_counted(storage: Storage, unit: CaseUnit) -> Iterator[pa.RecordBatch]:
    """The cases of a unit, only what is counted of them."""
    with storage.filesystem.open_input_file(storage.path(unit.path)) as stream:
        file = pq.ParquetFile(stream)
        for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=list(unit.row_groups), columns=list(COUNTED_COLUMNS), use_threads=False):
            cases = batch
            if "facts" not in batch.schema.names:
                cases = batch.append_column("facts", pa.nulls(batch.num_rows, pa.string()))
            yield cases.filter(pc.is_in(cases.column("task_id"), value_set=pa.array(unit.task_ids, pa.string())))


def tallied(storage: Storage, order: CountOrder, slot: int) -> Iterator[pa.RecordBatch]:
    """Counts the units of a slot."""
    tallies = Tallies(order.catalogue)
    for number in order.slots[slot]:
        for batch in read_counted(storage, order.units[number]):
            tallies.add(batch)
            if tallies.is_full:
                yield from tallies.handed_on()
    yield from tallies.handed_on()


def _units(storage: Storage, source: CaseSource) -> Iterator[CaseUnit]:
    root = storage.path("")
    selector = fs.FileSelector(storage.path(source.folder), recursive=True, allow_not_found=True)
    files = [info.path for info in storage.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
    for path in sorted(path for path in files if path.endswith(".parquet") and not _is_hidden(path.removeprefix(root))):
        with pq.ParquetFile(path, filesystem=storage.filesystem) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
        yield from _pieces(path.removeprefix(root), sizes, source.task_ids)


def _is_hidden(path: str) -> bool:
    """What a writer has not finished, or has left for itself."""
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _pieces(path: str, sizes: Sequence[int], task_ids: tuple[str, ...]) -> Iterator[CaseUnit]:
    groups: list[int] = []
    rows = 0
    for number, size in enumerate(sizes):
        groups.append(number)
        rows += size
        if rows >= UNIT_ROWS or (number == len(sizes) - 1 and rows):
            yield CaseUnit(path=path, row_groups=tuple(groups), rows=rows, task_ids=task_ids)
            groups, rows = [], 0
