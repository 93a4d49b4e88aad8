"""What a batch is: the tasks that are answered together, what they look at, and what comes back. No framework.

A task reads, for each filtered object of its pattern, the built periods of the object's entity: the recalled object only those that its
range of publish times touches, the others all of them. Each (object, product, period) that it reads is a *cell* of its ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from srp_assets.strategy.resolved import Frozen, ResolvedStrategy
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import end_of, period_of, start_of
from srp_assets.warehouse.registry_builds import Build, PeriodKey


class TaskSpec(Frozen):
    """One task as the scan sees it: a pinned strategy on some products, limited to a range of publish times of the recalled object.

    `published_from` is included, `published_to` is not; None is open.
    """

    task_id: str
    strategy: ResolvedStrategy
    products: tuple[str, ...]
    published_from: datetime | None = None
    published_to: datetime | None = None


@dataclass(frozen=True)
class Cell:
    """The evidence for one (task, object, product, period).

    `present`: rows that the builds say can fit the object's logic; `scanned`: rows that the scan counted while it read them; `matched`:
    rows that fit the logic, before any join; `excluded`: further rows of the partition, in buckets that cannot hold the keys that the logic
    asks for. `build_id` is the build that was scanned, 0 where rows were read from landing (`realtime.py`); `through_ingest` is the last
    ingest that it covers.
    """

    task_id: str
    object: str
    product: str
    period: str
    present: int
    scanned: int
    matched: int
    excluded: int = 0
    build_id: int = 0
    through_ingest: int = 0


@dataclass(frozen=True)
class BatchResult:
    """What a batch leaves behind: cases in `cases_folder`, their number by task, the cells, and how long the steps took in seconds."""

    cases_folder: str
    case_counts: dict[str, int]
    cells: list[Cell]
    timings: dict[str, float]
    rows_scanned: int
    hits: int


@dataclass(frozen=True)
class PeriodRange:
    """The periods of (entity, product) that a task reads; None is open."""

    entity: str
    product: str
    first: str | None
    last: str | None

    def covers(self, key: PeriodKey) -> bool:
        """Whether a period is one of them."""
        if (key.entity, key.product) != (self.entity, self.product):
            return False
        return (self.first is None or self.first <= key.period) and (self.last is None or key.period <= self.last)


def reads_period(catalogue: Catalogue, task: TaskSpec, object_name: str, period: str) -> bool:
    """Whether a task looks at this period of one of its objects."""
    if object_name != task.strategy.recall:
        return True
    unit = catalogue.partition_unit
    starts_too_late = task.published_to is not None and start_of(period, unit) >= task.published_to
    ends_too_early = task.published_from is not None and end_of(period, unit) <= task.published_from
    return not (starts_too_late or ends_too_early)


def needed_ranges(catalogue: Catalogue, task: TaskSpec) -> list[PeriodRange]:
    """Everything that must be built before the task can be answered."""
    unit = catalogue.partition_unit
    ranges: list[PeriodRange] = []
    for object_name in task.strategy.objects:
        first = last = None
        if object_name == task.strategy.recall:
            first = period_of(task.published_from, unit) if task.published_from else None
            last = period_of(task.published_to, unit) if task.published_to else None
        ranges += [PeriodRange(catalogue.objects[object_name].entity, product, first, last) for product in task.products]
    return ranges


def needed_cells(catalogue: Catalogue, task: TaskSpec, builds: Mapping[str, Iterable[Build]]) -> list[tuple[str, Build]]:
    """The (object, build) pairs whose cells the task's ledger must show."""
    return [
        (object_name, build)
        for object_name in task.strategy.objects
        for build in builds.get(catalogue.objects[object_name].entity, ())
        if build.product in task.products and reads_period(catalogue, task, object_name, build.period)
    ]


def entities_of(catalogue: Catalogue, tasks: Sequence[TaskSpec]) -> list[str]:
    """The entities that the tasks read, in the catalogue's order."""
    used = {catalogue.objects[object_name].entity for task in tasks for object_name in task.strategy.objects}
    return [entity for entity in catalogue.entities if entity in used]
