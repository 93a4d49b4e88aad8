"""Runs a trial in Spark: one pass over the built files of an object's table for all tried words, by the merged scan's own kernel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.insights.recommend.trial_rows import FINDINGS_SCHEMA, TrialCounter, TrialFindings, TrialOrder, count_slot, findings_of
from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.recall.scan.kernel import EntityKernel, UnitCount
from srp_assets.recall.scan.orders import read_plan
from srp_assets.recall.scan.plan_scan import ScanOrder, order_scan, point_lookups, scan_unit
from srp_assets.strategy.resolved import Feature
from srp_assets.warehouse.orders import read_order, write_order
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.storage import Storage


def order_trial(
    spark: SparkSession,
    plan: BatchPlan,
    object_name: str,
    builds: Mapping[str, Sequence[Build]],
    *,
    keys: Sequence[str],
    features: Sequence[Feature],
    per_stratum: int,
    seed: int,
) -> TrialOrder:
    """What the workers of a trial read.

    Args:
        spark: the session.
        plan: the plan of the trial (`trial.trial_plan`).
        object_name: the object whose rows are looked at.
        builds: the builds of its entity, by entity.
        keys: the lists that are tried.
        features: what rows are shown by.
        per_stratum: rows of each stratum that are sampled.
        seed: of the samples.
    """
    entity_name = plan.catalogue.objects[object_name].entity
    lookups = point_lookups(spark, plan, entity_name)
    scan = order_scan(plan, entity_name, builds.get(entity_name, ()), lookups)
    return TrialOrder(scan=scan, object=object_name, keys=tuple(keys), features=tuple(features), per_stratum=per_stratum, seed=seed)


def run_trial(spark: SparkSession, storage: Storage, plan: BatchPlan, order: TrialOrder, folder: str, *, words: int) -> TrialFindings:
    """Scans for all tried words together; writes only below `folder`, relative to the warehouse.

    Args:
        spark: the session.
        storage: the warehouse; the workers reach it too.
        plan: the plan of the trial.
        order: what the workers read.
        folder: where they read it.
        words: how many words are tried.
    """
    if not order.scan.slots:
        return findings_of((), order, words)
    plan_path, order_path = f"{folder}/plan.json", f"{folder}/trial.json"
    write_order(storage, plan_path, plan)
    write_order(storage, order_path, order)
    slots = spark.range(0, len(order.scan.slots), 1, len(order.scan.slots))
    found = slots.mapInArrow(_trier_of_slots(storage, plan_path, order_path), from_arrow_schema(FINDINGS_SCHEMA)).toArrow()
    return findings_of(found.to_batches(), order, words)


def rows_to_read(order: ScanOrder) -> int:
    """The rows of all files that a trial reads."""
    return sum(unit.rows for unit in order.units)


@lru_cache(maxsize=2)
def _kernel(storage_location: str, plan_path: str, order_path: str) -> EntityKernel:
    order = read_order(TrialOrder, storage_location, order_path)
    return EntityKernel(read_plan(storage_location, plan_path), order.scan.entity)


def _trier_of_slots(storage: Storage, plan_path: str, order_path: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def try_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            order = read_order(TrialOrder, storage.location, order_path)
            kernel = _kernel(storage.location, plan_path, order_path)
            plan = read_plan(storage.location, plan_path)
            for slot in batch.column(0).to_pylist():
                counter = TrialCounter(plan, order)
                scanned = (rows for index in order.scan.slots[slot] for rows in scan_unit(storage, kernel, order.scan, index, UnitCount()))
                yield from count_slot(counter, scanned).to_batches()

    return try_slots
