"""When a task is complete: every cell that it needs is there, and the scan counted in it exactly the rows that the build holds.

Rows in buckets that cannot hold a key that the task asks for need not be scanned; they are accounted for as `excluded`.
"""

from collections.abc import Iterable, Mapping

from srp_assets.recall.batch import Cell, TaskSpec, needed_cells
from srp_assets.recall.registry import Outcome
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build


def judge(catalogue: Catalogue, task: TaskSpec, builds: Mapping[str, Iterable[Build]], cells: Iterable[Cell], cases: int) -> Outcome:
    """Reconciles the cells of one task with the builds it ran on.

    No evidence is a failure: a missing cell makes a task incomplete, even of a build without rows.
    """
    found = {(cell.object, cell.product, cell.period): cell for cell in cells if cell.task_id == task.task_id}
    needed = needed_cells(catalogue, task, builds)
    wrong: list[str] = []
    for object_name, build in needed:
        cell = found.get((object_name, build.product, build.period))
        place = f"{object_name} of {build.product} in {build.period}"
        sees_hidden = catalogue.objects[object_name].visibility == "all"
        rows = build.rows_visible + (build.rows_hidden if sees_hidden else 0)
        if cell is None:
            wrong.append(f"{place}: not scanned")
        elif cell.scanned != cell.present or cell.present + cell.excluded != rows:
            wrong.append(f"{place}: {cell.scanned} rows scanned of {rows - cell.excluded}")
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return Outcome(task.task_id, cases, complete=False, note=f"incomplete: {wrong[0]}{more}")
    if not any(cell.present + cell.excluded for cell in found.values() if cell.object == task.strategy.recall):
        return Outcome(task.task_id, cases, complete=True, note=f"there is no data: no row of {task.strategy.recall} lies in its range")
    return Outcome(task.task_id, cases, complete=True, note=None)
