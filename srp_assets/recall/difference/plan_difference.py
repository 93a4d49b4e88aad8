"""Runs two versions of a strategy as one merged batch on the same builds, and compares what they find. Neither is queued or kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from srp_assets.progress import Progress
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.completeness import judge
from srp_assets.recall.difference.comparison import Difference, compare_cases
from srp_assets.recall.pins import current_pins
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.recall.scratch import scratch_folder
from srp_assets.recall.service import Workshop
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import PeriodKey, stale_periods


@dataclass(frozen=True)
class Compared:
    """The difference, the number of cases of each side, what makes a side incomplete, and the periods that landed and are not built."""

    difference: Difference
    old_cases: int
    new_cases: int
    notes: tuple[str, ...]
    unbuilt: list[PeriodKey]


def compare(workshop: Workshop, old: TaskSpec, new: TaskSpec, *, shown: int, progress: Progress | None = None) -> Compared:
    """Runs both sides on the same cells and compares their cases.

    Args:
        workshop: what it works with.
        old: the old side.
        new: the new side.
        shown: samples of what was added, lost and kept, each.
        progress: told about each step.
    """
    tasks = [old, new]
    with workshop.engine.connect() as connection:
        builds, hits = current_pins(connection, workshop.catalogue, tasks)
        through = last_ingest(connection)
        unbuilt = [
            key
            for needed in dict.fromkeys(needed for task in tasks for needed in needed_ranges(workshop.catalogue, task))
            for key in stale_periods(
                connection, entity=needed.entity, products=[needed.product], first=needed.first, last=needed.last, through=through
            )
        ]
    with scratch_folder(workshop.storage) as folder:
        result = run_batch(
            workshop.session(),
            workshop.storage,
            workshop.catalogue,
            tasks,
            builds,
            folder,
            broadcast_rows=workshop.settings.broadcast_rows,
            worker_rows=workshop.settings.worker_rows,
            hits=hits,
            progress=progress,
        )
        difference = compare_cases(workshop.storage, result.cases_folder, old.task_id, new.task_id, shown=shown)
    outcomes = [judge(workshop.catalogue, task, builds, result.cells, result.case_counts[task.task_id]) for task in tasks]
    incomplete: Sequence[str] = [outcome.note or "" for outcome in outcomes if not outcome.complete]
    return Compared(difference, outcomes[0].cases, outcomes[1].cases, tuple(incomplete), list(dict.fromkeys(unbuilt)))
