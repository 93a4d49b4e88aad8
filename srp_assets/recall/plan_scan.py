"""The merged scan in Spark: one pass over each table's built files for all tasks of a batch.

A worker reads a file's needed columns with pyarrow and hands only the rows that fit some task, and its counts, to Spark. The plan reaches
the workers as one file that each reads once; nothing big travels in a closure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.batch import Cell, needed_cells
from srp_assets.recall.compile import BatchPlan, Place, point_values
from srp_assets.recall.kernel import COUNT_PLACE, EntityKernel, UnitCount, scan_schema
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.registry_builds import Build, BuildFile
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage

BATCH_BYTES = 32 * 2**20
"""About how much of a file's text a worker holds at once; a row's decoded size is taken as four times its size in the file."""

SLOT_BYTES = 32 * 2**20
"""About how much file one Spark task reads: large enough that starting a task costs nothing beside it."""

LEAST_SLOTS = 4
"""Small scans are still spread over this many Spark tasks (arbitrary: twice the cores of a small machine)."""


class ScanUnit(Frozen):
    """One built file that the scan reads."""

    path: str
    product: str
    period: str
    visible: bool
    bucket: int
    rows: int
    bytes: int


class ScanOrder(Frozen):
    """What the workers of one entity's scan read: the batch's plan, and the units of each slot (one Spark task)."""

    plan: BatchPlan
    entity: str
    units: tuple[ScanUnit, ...]
    slots: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PointLookup:
    """The buckets in which a task's rows of one place can lie."""

    buckets: frozenset[int]


def order_scan(plan: BatchPlan, entity_name: str, builds: Sequence[Build], lookups: Mapping[tuple[int, int], PointLookup]) -> ScanOrder:
    """Chooses the files that some task must look into, and spreads them evenly over slots.

    Args:
        plan: the batch.
        entity_name: the entity to scan.
        builds: the entity's builds that the batch is pinned to.
        lookups: the tasks, as (place, bit), that only look into some buckets.
    """
    places = plan.places_of(entity_name)
    units = tuple(
        ScanUnit(
            product=build.product,
            period=build.period,
            path=file.path,
            visible=file.visible,
            bucket=file.bucket,
            rows=file.rows,
            bytes=file.bytes,
        )
        for build in builds
        for file in build.files
        if any(
            _looks_into(place, bit, file, lookups)
            for place in places
            for bit in plan.active(place, build.product, build.period, file.visible)
        )
    )
    total = sum(unit.bytes for unit in units)
    slot_count = min(len(units), max(LEAST_SLOTS, -(-total // SLOT_BYTES)))
    slots: list[list[int]] = [[] for _ in range(slot_count)]
    loads = [0] * slot_count
    for index in sorted(range(len(units)), key=lambda index: -units[index].bytes):
        lightest = loads.index(min(loads))
        slots[lightest].append(index)
        loads[lightest] += units[index].bytes
    return ScanOrder(plan=plan, entity=entity_name, units=units, slots=tuple(tuple(sorted(slot)) for slot in slots))


def point_lookups(spark: SparkSession, plan: BatchPlan, entity_name: str) -> dict[tuple[int, int], PointLookup]:
    """Finds the tasks whose logic names the bucket keys that it can hold for, and asks Spark for these keys' buckets."""
    entity = plan.catalogue.entities[entity_name]
    wanted: dict[tuple[int, int], frozenset[int | str]] = {}
    for place in plan.places_of(entity_name):
        for bit, node in enumerate(place.logic):
            values = point_values(node, entity.bucket_key)
            if values is not None:
                wanted[place.index, bit] = values
    keys = sorted(frozenset().union(*wanted.values()), key=str)
    if not keys:
        return {where: PointLookup(frozenset()) for where in wanted}
    table = pa.table({"key": pa.array(keys, ARROW_TYPES[entity.columns[entity.bucket_key].value_type])})
    bucket = F.pmod(F.hash("key"), F.lit(entity.buckets))
    bucket_of = {row["key"]: row["bucket"] for row in spark.createDataFrame(table).select("key", bucket.alias("bucket")).collect()}
    return {where: PointLookup(frozenset(bucket_of[value] for value in values)) for where, values in wanted.items()}


def scan_frame(spark: SparkSession, storage: Storage, order_path: str, order: ScanOrder) -> DataFrame:
    """The scan of one entity: rows that fit some task at some place, and one count row a unit.

    Args:
        spark: the session.
        storage: the warehouse; the workers reach it too.
        order_path: where the order was written, relative to the warehouse.
        order: the order itself.
    """
    schema = from_arrow_schema(scan_schema(order.plan, order.entity))
    slots = spark.range(0, len(order.slots), 1, max(1, len(order.slots)))
    return slots.mapInArrow(_scanner_of_slots(storage, order_path), schema)


def write_order(storage: Storage, path: str, order: ScanOrder) -> None:
    """Writes an order where the workers read it."""
    storage.filesystem.create_dir(storage.path(path.rsplit("/", 1)[0]), recursive=True)
    with storage.filesystem.open_output_stream(storage.path(path)) as stream:
        stream.write(order.model_dump_json().encode())


@lru_cache(maxsize=4)
def read_order(storage_location: str, path: str) -> ScanOrder:
    """Reads an order; a worker keeps the last few."""
    storage = Storage(storage_location)
    with storage.filesystem.open_input_stream(storage.path(path)) as stream:
        return ScanOrder.model_validate_json(stream.read())


@lru_cache(maxsize=4)
def _kernel(storage_location: str, path: str) -> EntityKernel:
    order = read_order(storage_location, path)
    return EntityKernel(order.plan, order.entity)


def _scanner_of_slots(storage: Storage, order_path: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def scan_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            order, kernel = read_order(storage.location, order_path), _kernel(storage.location, order_path)
            for slot in batch.column(0).to_pylist():
                for index in order.slots[slot]:
                    yield from scan_unit(storage, kernel, order.units[index], index)

    return scan_slots


def scan_unit(storage: Storage, kernel: EntityKernel, unit: ScanUnit, index: int) -> Iterator[pa.RecordBatch]:
    """Scans one file in batches of bounded size."""
    count = UnitCount()
    active = kernel.active(unit.product, unit.period, unit.visible)
    bytes_per_row = max(1, 4 * unit.bytes // max(1, unit.rows))
    batch_rows = min(65_536, max(256, BATCH_BYTES // bytes_per_row))
    with storage.filesystem.open_input_file(storage.path(unit.path)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=batch_rows, columns=list(kernel.columns), use_threads=False):
            ordered = batch.select(list(kernel.columns))
            yield from kernel.scan(ordered, unit.product, active, count)
    yield kernel.count_row(index, count)


def cells_of(
    plan: BatchPlan,
    builds: Mapping[str, Sequence[Build]],
    counted: Mapping[str, Mapping[str, tuple[int, dict[tuple[int, int], int]]]],
    native_rows: Mapping[tuple[str, str, str, bool], int],
    lookups: Mapping[tuple[int, int], PointLookup],
) -> list[Cell]:
    """The ledger of a batch: what the builds promise against what the scans counted.

    Args:
        plan: the batch.
        builds: the builds that it is pinned to, by entity.
        counted: by entity and file path: rows scanned, and rows that fit by (place, bit).
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
            cells.append(Cell(task.task_id, object_name, build.product, build.period, present, scanned, matched, excluded))
    return cells


def counts_by_path(frame: DataFrame, order: ScanOrder) -> dict[str, tuple[int, dict[tuple[int, int], int]]]:
    """What a written scan counted, by the path of the file that was read."""
    rows = frame.filter(F.col("_place") == COUNT_PLACE).select("_unit", "_scanned", "_matched").collect()
    return {
        order.units[row["_unit"]].path: (row["_scanned"], {(fit["place"], fit["bit"]): fit["rows"] for fit in row["_matched"]})
        for row in rows
    }


def _looks_into(place: Place, bit: int, file: BuildFile, lookups: Mapping[tuple[int, int], PointLookup]) -> bool:
    lookup = lookups.get((place.index, bit))
    return lookup is None or file.bucket in lookup.buckets
