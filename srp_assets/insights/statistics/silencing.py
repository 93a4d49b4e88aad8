"""Runs the variants of tasks (`exemptions.py`) on the very builds that the tasks were answered on, as far as these are still there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy import Connection

from srp_assets.errors import Conflict, NotFound
from srp_assets.insights.statistics.case_files import CaseSource
from srp_assets.insights.statistics.exemptions import Variant, variants_of
from srp_assets.progress import Progress
from srp_assets.recall import registry
from srp_assets.recall.batch import Cell, TaskSpec, needed_cells
from srp_assets.recall.completeness import judge
from srp_assets.recall.service import Workshop
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, builds_by_id
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FROM_LANDING = "the task ran in real time, on builds of its own that are gone"
BUILDS_GONE = "the builds that the task was answered on were replaced and are gone"
SWITCHED_OFF = "SRP_STATISTICS_EXEMPTIONS is off"

Builds = dict[str, list[Build]]


@dataclass
class PinnedTasks:
    """Tasks that can be run together on the builds that each was answered on."""

    specs: list[TaskSpec] = field(default_factory=list)
    builds: dict[int, Build] = field(default_factory=dict)

    def by_entity(self) -> Builds:
        """The builds as a scan takes them."""
        found: Builds = {}
        for build in sorted(self.builds.values(), key=lambda build: (build.product, build.period)):
            found.setdefault(build.entity, []).append(build)
        return found


@dataclass(frozen=True)
class Runnable:
    """The tasks whose variants can be run, together as far as possible, and why others' cannot, by task."""

    groups: list[PinnedTasks]
    unknown: dict[str, str]


def runnable(connection: Connection, storage: Storage, catalogue: Catalogue, specs: Sequence[TaskSpec]) -> Runnable:
    """Looks for the builds that tasks with exemptions were answered on."""
    found = Runnable([], {})
    for spec in specs:
        if not variants_of(spec):
            continue
        cells = registry.cells(connection, spec.task_id)
        if any(cell.build_id == 0 for cell in cells):
            found.unknown[spec.task_id] = FROM_LANDING
            continue
        builds = {build.build_id: build for build in builds_by_id(connection, {cell.build_id for cell in cells})}
        if len(builds) < len({cell.build_id for cell in cells}) or not _are_there(storage, builds):
            found.unknown[spec.task_id] = BUILDS_GONE
            continue
        _join_a_group(found.groups, catalogue, spec, builds, {spec.task_id: cells})
    return found


def _are_there(storage: Storage, builds: Mapping[int, Build]) -> bool:
    try:
        storage.sizes([file.path for build in builds.values() for file in build.files])
    except NotFound:
        return False
    return True


def _join_a_group(
    groups: list[PinnedTasks], catalogue: Catalogue, spec: TaskSpec, builds: Mapping[int, Build], cells: Mapping[str, Sequence[Cell]]
) -> None:
    """Puts a task to others if each then still sees exactly its own builds: those that were refilled saw others."""
    for group in groups:
        together = PinnedTasks([*group.specs, spec], group.builds | dict(builds))
        own = {other.task_id: _seen(catalogue, other, group.by_entity()) for other in group.specs}
        own[spec.task_id] = {(cell.object, cell.build_id) for cell in cells[spec.task_id]}
        if all(_seen(catalogue, other, together.by_entity()) == own[other.task_id] for other in together.specs):
            group.specs.append(spec)
            group.builds.update(builds)
            return
    groups.append(PinnedTasks([spec], dict(builds)))


def _seen(catalogue: Catalogue, spec: TaskSpec, builds: Mapping[str, Sequence[Build]]) -> set[tuple[str, int]]:
    return {(name, build.build_id) for name, build in needed_cells(catalogue, spec, builds)}


def silenced_cases(
    workshop: Workshop,
    spark: "SparkSession",
    group: PinnedTasks,
    sources: Sequence[CaseSource],
    folder: str,
    progress: Progress | None,
) -> tuple[pa.Table, pa.Table]:
    """What exemptions silence in tasks that run together.

    Args:
        workshop: what it works with.
        spark: the session.
        group: the tasks and their builds.
        sources: where the cases of the tasks lie.
        folder: where intermediate rows are written, relative to the warehouse.
        progress: told what is being done.

    Returns:
        Counts and samples, as `plan_statistics.Silenced` has them.

    Raises:
        Conflict: if not every row that should be looked at was.
    """
    # Both bring pyspark: half a second that only a scan should cost.
    from srp_assets.insights.statistics.plan_statistics import find_silenced
    from srp_assets.recall.scan.plan_batch import run_batch

    variants: list[Variant] = [variant for spec in group.specs for variant in variants_of(spec)]
    if progress:
        progress("looking for what exemptions silence", 0, 0)
    builds = group.by_entity()
    result = run_batch(
        spark,
        workshop.storage,
        workshop.catalogue,
        [variant.spec for variant in variants],
        builds,
        f"{folder}/run",
        broadcast_rows=workshop.settings.broadcast_rows,
        worker_rows=workshop.settings.worker_rows,
    )
    for variant in variants:
        outcome = judge(workshop.catalogue, variant.spec, builds, result.cells, result.case_counts[variant.spec.task_id])
        if not outcome.complete:
            raise Conflict(f"the scan for silenced cases is {outcome.note}", where=variant.task_id, remedy="run it again")
    found = find_silenced(spark, workshop.storage, variants, result.cases_folder, sources, folder)
    return found.counts, found.samples
