"""A dry run: the task on a sample of its roots, by the same scan and joins as ever, and what follows for all of them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srp_assets.progress import Progress
from srp_assets.recall.batch import BatchResult, TaskSpec, entities_of, needed_cells, needed_ranges
from srp_assets.recall.cases import case_batches, read_cases
from srp_assets.recall.estimate.explained import ExplainedObject, explain
from srp_assets.recall.estimate.forecast import MEASURED_BATCHES, forecast_seconds
from srp_assets.recall.estimate.interval import total_interval
from srp_assets.recall.estimate.sample_design import SampleDesign, design_sample, sampled_task
from srp_assets.recall.pins import Pins, current_pins
from srp_assets.recall.registry_estimates import Estimate, Measured, measured_batches
from srp_assets.recall.scan.compile import BatchPlan, plan_of
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.recall.scan.plan_scan import order_scan, point_lookups
from srp_assets.recall.scratch import scratch_folder
from srp_assets.recall.service import Workshop
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import Build, PeriodKey, stale_periods

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class DryRun:
    """What a task would do: how it reads its objects, what it is expected to find, and the first cases that the sample has.

    `measured` is on how many batches of this home the estimate of seconds rests; `unbuilt` are the periods that the task would wait for,
    what landed in which is not in the estimate yet.
    """

    objects: list[ExplainedObject]
    estimate: Estimate
    cases: list[dict[str, Any]]
    measured: int
    unbuilt: list[PeriodKey]


def dry_run(workshop: Workshop, task: TaskSpec, *, shown_cases: int, progress: Progress | None = None) -> DryRun:
    """Runs a task on a sample; on little data on everything. Nothing of it stays.

    Args:
        workshop: what it works with.
        task: the task, in no queue.
        shown_cases: the first so many cases of the sample are returned.
        progress: told about each step.
    """
    with workshop.engine.connect() as connection:
        pins = current_pins(connection, workshop.catalogue, [task])
        measured = measured_batches(connection, newest=MEASURED_BATCHES)
        through = last_ingest(connection)
        unbuilt = [
            key
            for needed in needed_ranges(workshop.catalogue, task)
            for key in stale_periods(
                connection, entity=needed.entity, products=[needed.product], first=needed.first, last=needed.last, through=through
            )
        ]
    spark, plan = workshop.session(), plan_of(workshop.catalogue, [task])
    rows = rows_to_read(spark, plan, pins.builds)
    design = None
    if rows > workshop.settings.estimate_whole_rows:
        design = design_sample(workshop.catalogue, task.strategy, workshop.settings.estimate_share)
    with scratch_folder(workshop.storage) as folder:
        result = _run(workshop, spark, task, design, pins, folder, progress)
        cases = read_cases(workshop.storage, result.cases_folder, task.task_id, limit=shown_cases)
        found = result.case_counts[task.task_id]
        of_roots = [found] if design is None else cases_of_roots(workshop, result, task.task_id)
    estimate = _estimate(plan, pins.builds, rows, 1.0 if design is None else design.share, of_roots, measured)
    return DryRun(explain(plan, pins.builds), estimate, cases, len(measured), list(dict.fromkeys(unbuilt)))


def rows_to_read(spark: "SparkSession", plan: BatchPlan, builds: Mapping[str, Sequence[Build]]) -> int:
    """The rows of all files that a plan opens: of scans once for each table, of objects without rules once for each."""
    catalogue, rows = plan.catalogue, 0
    for entity_name in entities_of(catalogue, plan.tasks):
        if plan.places_of(entity_name):
            lookups = point_lookups(spark, plan, entity_name)
            rows += sum(unit.rows for unit in order_scan(plan, entity_name, builds.get(entity_name, ()), lookups).units)
    for task in plan.tasks:
        for name, build in needed_cells(catalogue, task, builds):
            if plan.logic(task, name) is None:
                rows += build.rows_visible + (build.rows_hidden if catalogue.objects[name].visibility == "all" else 0)
    return rows


def _run(
    workshop: Workshop,
    spark: "SparkSession",
    task: TaskSpec,
    design: SampleDesign | None,
    pins: Pins,
    folder: str,
    progress: Progress | None,
) -> BatchResult:
    sampled = task if design is None else sampled_task(workshop.catalogue, task, design)
    return run_batch(
        spark,
        workshop.storage,
        workshop.catalogue,
        [sampled],
        pins.builds,
        folder,
        broadcast_rows=workshop.settings.broadcast_rows,
        worker_rows=workshop.settings.worker_rows,
        hits=pins.hits,
        only_buckets={} if design is None else design.only_buckets,
        progress=progress,
    )


def cases_of_roots(workshop: Workshop, result: BatchResult, task_id: str) -> list[int]:
    """For each sampled root that has cases, how many; roots of one name in several products are sampled together, and are one."""
    counts: Counter[str] = Counter()
    for batch in case_batches(workshop.storage, result.cases_folder, task_id):
        counts.update(batch.column("root").to_pylist())
    return list(counts.values())


def _estimate(
    plan: BatchPlan, builds: Mapping[str, Sequence[Build]], rows: int, share: float, of_roots: Sequence[int], measured: Sequence[Measured]
) -> Estimate:
    (task,) = plan.tasks
    cells = needed_cells(plan.catalogue, task, builds)
    sees_hidden = plan.catalogue.objects[task.strategy.recall].visibility == "all"
    recalled = [build for name, build in cells if name == task.strategy.recall]
    recalled_rows = sum(build.rows_visible + (build.rows_hidden if sees_hidden else 0) for build in recalled)
    interval = total_interval(of_roots, share)
    return Estimate(
        share=share,
        sample_cases=sum(of_roots),
        cases=min(round(interval.total), recalled_rows),
        cases_low=math.floor(interval.low),
        cases_high=min(math.ceil(interval.high), recalled_rows),
        recalled_rows=recalled_rows,
        rows=rows,
        cells=len(cells),
        seconds=forecast_seconds(rows, measured),
    )
