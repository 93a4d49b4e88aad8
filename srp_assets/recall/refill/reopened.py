"""Which cells of a finished task are reopened: data landed later for them, so the task would get other rows today.

Nothing is stored for this: a cell says through which ingest it was scanned, landing which ingests brought rows of its period. A dump that
landed again brings none, and a period that was built again from the same rows is the same: neither reopens anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from srp_assets.recall.batch import Cell, TaskSpec, reads_period
from srp_assets.recall.registry import Task, cells, task_specs
from srp_assets.recall.registry_refills import BuildMark, CellKey, build_marks, changed_through
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey


@dataclass(frozen=True)
class Reopened:
    """A cell that is reopened: as it was scanned, or None where its period is new in the task's range.

    `build_id` is the build that has what landed since; 0 while there is none.
    """

    object: str
    period: PeriodKey
    scanned: Cell | None
    build_id: int

    @property
    def key(self) -> CellKey:
        """What the cell is about."""
        return CellKey(self.object, self.period.product, self.period.period)


@dataclass(frozen=True)
class Ledger:
    """A finished task with its cells and those of them that are reopened."""

    task: Task
    spec: TaskSpec
    cells: tuple[Cell, ...]
    reopened: tuple[Reopened, ...]

    @property
    def unbuilt(self) -> tuple[PeriodKey, ...]:
        """Reopened periods that no build has yet with all that landed."""
        return tuple(dict.fromkeys(cell.period for cell in self.reopened if not cell.build_id))


def ledgers(connection: Connection, catalogue: Catalogue, tasks: Iterable[Task]) -> list[Ledger]:
    """The ledgers of finished tasks, in the tasks' order."""
    wanted = [task for task in tasks if task.state == "done"]
    specs = {spec.task_id: spec for spec in task_specs(connection, [task.task_id for task in wanted])}
    products = sorted({product for spec in specs.values() for product in spec.products})
    entities = sorted({catalogue.objects[name].entity for spec in specs.values() for name in spec.strategy.objects})
    changed = changed_through(connection, entities, products)
    marks = build_marks(connection, entities, products)
    found = []
    for task in wanted:
        own = cells(connection, task.task_id)
        spec = specs[task.task_id]
        found.append(Ledger(task, spec, tuple(own), tuple(_reopened(catalogue, spec, own, changed, marks))))
    return found


def ledger_of(connection: Connection, catalogue: Catalogue, task: Task) -> Ledger | None:
    """The ledger of one task; None while it is not done."""
    return next(iter(ledgers(connection, catalogue, [task])), None)


def _reopened(
    catalogue: Catalogue, spec: TaskSpec, own: Sequence[Cell], changed: dict[PeriodKey, int], marks: dict[PeriodKey, BuildMark]
) -> Iterable[Reopened]:
    scanned = {CellKey(cell.object, cell.product, cell.period): cell for cell in own}
    for name in spec.strategy.objects:
        for period, ingest in sorted(changed.items()):
            if period.entity != catalogue.objects[name].entity or period.product not in spec.products:
                continue
            cell = scanned.get(CellKey(name, period.product, period.period))
            if reads_period(catalogue, spec, name, period.period) and ingest > (cell.through_ingest if cell else 0):
                mark = marks.get(period)
                yield Reopened(name, period, cell, mark.build_id if mark is not None and mark.through_ingest >= ingest else 0)
