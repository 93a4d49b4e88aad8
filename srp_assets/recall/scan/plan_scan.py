"""The merged scan in Spark: one pass over each table's built files for all tasks of a batch.

A worker reads a file's needed columns with pyarrow, writes the rows that fit some task, and hands nothing but its counts to Spark. The
plan reaches the workers as one file that each reads once; nothing big travels in a closure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.batch import Cell, needed_cells
from srp_assets.recall.scan.compile import BatchPlan, Place, point_values
from srp_assets.recall.scan.kept_hits import KeptProbe, KeptUnit, kept_probes, read_kept
from srp_assets.recall.scan.kernel import COUNT_SCHEMA, EntityKernel, UnitCount, count_row
from srp_assets.recall.scan.orders import read_plan
from srp_assets.recall.scan.place_files import place_files
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.orders import read_order
from srp_assets.warehouse.registry_builds import Build, BuildFile
from srp_assets.warehouse.scan_units import ScanUnit, spread, unit_of
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits


class ScanOrder(Frozen):
    """What the workers of one entity's scan read beside the plan: the units, and those of each slot (one Spark task).

    `kept` are the hits that need no scan, for the units whose build has them; `answers` the probes that such hits answer.
    """

    entity: str
    units: tuple[ScanUnit, ...]
    slots: tuple[tuple[int, ...], ...]
    kept: dict[int, KeptUnit] = {}
    answers: tuple[tuple[KeptProbe, ...], ...] = ()


MOST_WORTH_CHOOSING = 0.5
"""The share of rows up to which copying them out costs less than looking through the texts of all (arbitrary, and far from critical)."""

BatchMapper = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

Counted = dict[str, tuple[int, dict[tuple[int, int], int]]]
"""By the path of a file that was read: rows scanned, and rows that fit by (place, bit)."""


@dataclass(frozen=True)
class PointLookup:
    """The buckets in which a task's rows of one place can lie."""

    buckets: frozenset[int]


def order_scan(
    plan: BatchPlan,
    entity_name: str,
    builds: Sequence[Build],
    lookups: Mapping[tuple[int, int], PointLookup],
    hits: Mapping[int, StandingHits] = MappingProxyType({}),
) -> ScanOrder:
    """Chooses the files that some task must look into, and spreads them evenly over slots.

    Args:
        plan: the batch.
        entity_name: the entity to scan.
        builds: the entity's builds that the batch is pinned to.
        lookups: the tasks, as (place, bit), that only look into some buckets.
        hits: the hits of standing lists that are kept, by build.
    """
    places, probes = plan.places_of(entity_name), plan.probes(entity_name)
    # Builds whose hits are of the same lists, most of them, answer the same probes.
    by_digest = {found.digest: kept_probes(probes, plan.lists, found) for found in hits.values() if found.entity == entity_name}
    answers = tuple(dict.fromkeys(answered for answered in by_digest.values() if answered))
    units: list[ScanUnit] = []
    kept: dict[int, KeptUnit] = {}
    for build in builds:
        found = hits.get(build.build_id)
        for number, file in enumerate(build.files):
            if not any(
                _looks_into(place, bit, file, lookups)
                for place in places
                for bit in plan.active(place, build.product, build.period, file.visible)
            ):
                continue
            if found is not None and by_digest[found.digest]:
                answered = answers.index(by_digest[found.digest])
                kept[len(units)] = KeptUnit(answers=answered, path=found.path_of(number), file=number)
            units.append(unit_of(build, file))
    return ScanOrder(entity=entity_name, units=tuple(units), slots=spread([unit.bytes for unit in units]), kept=kept, answers=answers)


def point_lookups(
    spark: SparkSession, plan: BatchPlan, entity_name: str, only_buckets: frozenset[int] | None = None
) -> dict[tuple[int, int], PointLookup]:
    """Finds the tasks whose logic names the bucket keys that it can hold for, and asks Spark for these keys' buckets.

    Args:
        spark: the session.
        plan: the batch.
        entity_name: the entity to scan.
        only_buckets: the buckets that any task may look into; None where all.
    """
    entity = plan.catalogue.entities[entity_name]
    wanted: dict[tuple[int, int], frozenset[int | str]] = {}
    for place in plan.places_of(entity_name):
        for bit, node in enumerate(place.logic):
            values = point_values(node, entity.bucket_key)
            if values is not None:
                wanted[place.index, bit] = values
    allowed = frozenset(range(entity.buckets)) if only_buckets is None else only_buckets
    everywhere = {} if only_buckets is None else _of_all_tasks(plan, entity_name, PointLookup(allowed))
    keys = sorted(frozenset().union(*wanted.values()), key=str)
    if not keys:
        return everywhere | {where: PointLookup(frozenset()) for where in wanted}
    table = pa.table({"key": pa.array(keys, ARROW_TYPES[entity.columns[entity.bucket_key].value_type])})
    bucket = F.pmod(F.hash("key"), F.lit(entity.buckets))
    bucket_of = {row["key"]: row["bucket"] for row in spark.createDataFrame(table).select("key", bucket.alias("bucket")).collect()}
    return everywhere | {where: PointLookup(allowed & {bucket_of[value] for value in values}) for where, values in wanted.items()}


def _of_all_tasks(plan: BatchPlan, entity_name: str, lookup: PointLookup) -> dict[tuple[int, int], PointLookup]:
    return {(place.index, bit): lookup for place in plan.places_of(entity_name) for bit in range(len(place.group.tasks))}


def run_scan(spark: SparkSession, storage: Storage, plan_path: str, order_path: str, order: ScanOrder, folder: str) -> Counted:
    """Scans one entity: writes the rows that fit some task by the place that they are for, and answers what was counted.

    Args:
        spark: the session.
        storage: the warehouse; the workers reach it too.
        plan_path: where the plan was written, relative to the warehouse.
        order_path: where the order was written.
        order: the order itself.
        folder: where what is found goes.
    """

    def scan_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            order = read_order(ScanOrder, storage.location, order_path)
            kernel = _kernel(storage.location, plan_path, order_path)
            for slot in batch.column(0).to_pylist():
                yield from fill_slot(storage, folder, slot, order.slots[slot], partial(scan_unit, storage, kernel, order))

    return counted_in(spark, order.units, order.slots, scan_slots)


def fill_slot(
    storage: Storage, folder: str, slot: int, units: Sequence[int], find: Callable[[int, UnitCount], Iterator[pa.RecordBatch]]
) -> list[pa.RecordBatch]:
    """Writes what is found in the units of one slot, and gives what was counted in each when all of it is in place."""
    counts = []
    with place_files(storage, folder, slot) as write:
        for index in units:
            count = UnitCount()
            for found in find(index, count):
                write(found)
            counts.append(count_row(index, count))
    return counts


def counted_in(spark: SparkSession, units: Sequence[ScanUnit], slots: Sequence[Sequence[int]], scan_slots: BatchMapper) -> Counted:
    """Runs one Spark task for each slot, which answers with what was counted in its units."""
    numbers = spark.range(0, len(slots), 1, max(1, len(slots)))
    rows = numbers.mapInArrow(scan_slots, from_arrow_schema(COUNT_SCHEMA)).toArrow().to_pylist()
    return {units[row["unit"]].path: (row["scanned"], {(fit["place"], fit["bit"]): fit["rows"] for fit in row["matched"]}) for row in rows}


@lru_cache(maxsize=4)
def _kernel(storage_location: str, plan_path: str, path: str) -> EntityKernel:
    order = read_order(ScanOrder, storage_location, path)
    return EntityKernel(read_plan(storage_location, plan_path), order.entity)


def scan_unit(storage: Storage, kernel: EntityKernel, order: ScanOrder, index: int, count: UnitCount) -> Iterator[pa.RecordBatch]:
    """Scans one file in batches of bounded size, and counts into `count`.

    What no task can want is not read: texts of row groups in which no row fits the rules that need no text, and texts whose hits are kept,
    but for row groups with rows that fit.
    """
    unit = order.units[index]
    active = kernel.active(unit.product, unit.period, unit.visible)
    kept = read_kept(storage, order.kept.get(index), order.answers)
    early = kernel.early_columns(kept.probes)
    late = [name for name in kernel.columns if name not in early]
    with storage.filesystem.open_input_file(storage.path(unit.path)) as stream:
        file = pq.ParquetFile(stream)
        for group in range(file.num_row_groups):
            possible = _possible(file, group, kernel, active)
            if possible is not None and not possible.any():
                count.scanned += len(possible)
                continue
            texts = LateColumns(file, group, late)
            start = 0
            for batch in file.iter_batches(unit.batch_rows, row_groups=[group], columns=list(early), use_threads=False):
                known = kept.within(count.scanned, batch.num_rows)
                wanted = None if possible is None else _worth_choosing(possible[start : start + batch.num_rows])
                texts_of_batch = partial(texts.slice, start, batch.num_rows, wanted) if late else None
                rows = batch.select(list(early))
                if wanted is not None:
                    rows, known = rows.filter(wanted), known.of(np.flatnonzero(wanted))
                    count.scanned += batch.num_rows - rows.num_rows
                yield from kernel.scan(rows, unit.product, active, count, known, texts_of_batch)
                start += batch.num_rows


def _possible(file: pq.ParquetFile, group: int, kernel: EntityKernel, active: Sequence[tuple[Place, tuple[int, ...]]]) -> np.ndarray | None:
    """The rows of a row group that can fit some task; None where nothing but a text can tell, or all that is read is needed anyway."""
    columns = list(kernel.limiting_columns)
    if not columns or not kernel.is_limited(active):
        return None
    rows = file.read_row_group(group, columns=columns, use_threads=False).combine_chunks().to_batches()
    return kernel.possible(rows[0], active) if rows else None


def _worth_choosing(possible: np.ndarray) -> pa.BooleanArray | None:
    """The rows that can fit; None where leaving the others out costs more than it saves."""
    return None if np.count_nonzero(possible) > MOST_WORTH_CHOOSING * len(possible) else pa.array(possible)


class LateColumns:
    """Columns of a row group that are read when the first of its rows is asked for."""

    def __init__(self, file: pq.ParquetFile, group: int, names: Sequence[str]) -> None:
        self._file = file
        self._group = group
        self._names = list(names)
        self._rows: pa.Table | None = None

    def slice(self, start: int, rows: int, wanted: pa.BooleanArray | None) -> pa.RecordBatch:
        """The columns of a range of its rows, or of those `wanted` of them."""
        if self._rows is None:
            self._rows = self._file.read_row_group(self._group, columns=self._names, use_threads=False)
        found = self._rows.slice(start, rows)
        batches = (found if wanted is None else found.filter(wanted)).combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=found.schema)


def cells_of(
    plan: BatchPlan,
    builds: Mapping[str, Sequence[Build]],
    counted: Mapping[str, Counted],
    native_rows: Mapping[tuple[str, str, str, bool], int],
    lookups: Mapping[tuple[int, int], PointLookup],
) -> list[Cell]:
    """The ledger of a batch: what the builds promise against what the scans counted.

    Args:
        plan: the batch.
        builds: the builds that it is pinned to, by entity.
        counted: what the scans counted, by entity.
        native_rows: rows counted in tables that were read without rules, by (entity, product, period, visible).
        lookups: the tasks, as (place, bit), that only look into some buckets.
    """
    catalogue = plan.catalogue
    at = {(place.group.tasks[bit], place.object): (place, bit) for place in plan.places for bit in range(len(place.group.tasks))}
    cells = []
    for position, task in enumerate(plan.tasks):
        for object_name, build in needed_cells(catalogue, task, builds):
            visibilities = (True,) if catalogue.objects[object_name].visibility == "visible" else (True, False)
            seen = [file for file in build.files if file.visible in visibilities]
            excluded = 0
            if (position, object_name) in at:
                place, bit = at[position, object_name]
                files = [file for file in seen if _looks_into(place, bit, file, lookups)]
                excluded = sum(file.rows for file in seen) - sum(file.rows for file in files)
                answers = [counted[build.entity][file.path] for file in files if file.path in counted[build.entity]]
                present = sum(file.rows for file in files)
                scanned = sum(rows for rows, _ in answers)
                matched = sum(fits.get((place.index, bit), 0) for _, fits in answers)
            else:
                present = sum(file.rows for file in seen)
                scanned = sum(native_rows.get((build.entity, build.product, build.period, visible), 0) for visible in visibilities)
                matched = scanned
            found = (present, scanned, matched, excluded)
            cells.append(Cell(task.task_id, object_name, build.product, build.period, *found, build.build_id, build.through_ingest))
    return cells


def _looks_into(place: Place, bit: int, file: BuildFile, lookups: Mapping[tuple[int, int], PointLookup]) -> bool:
    lookup = lookups.get((place.index, bit))
    return lookup is None or file.bucket in lookup.buckets
