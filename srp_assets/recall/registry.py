"""Tasks, batches and cells in the registry database: the tables, new tasks, and what is read from them.

How a batch changes its state, and its tasks with it, is in `registry_batches.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    func,
    insert,
    or_,
    select,
)

from resources.registry_types import UtcDateTime
from srp_assets.errors import NotFound, nearest
from srp_assets.recall.batch import Cell, PeriodRange, TaskSpec
from srp_assets.recall.tasks import ENDED, BatchState, TaskState
from srp_assets.strategy.resolved import ResolvedStrategy

metadata = MetaData()

recall_batch = Table(
    "recall_batch",
    metadata,
    Column("batch_id", String, primary_key=True),
    Column("state", String, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("attempt", Integer, nullable=False),
    Column("folder", String),
    Column("summary", JSON),
    Column("error", JSON),
    Column("run_id", String),
    Column("worker", String),
    Column("lease_until", UtcDateTime),
)

recall_task = Table(
    "recall_task",
    metadata,
    Column("task_id", String, primary_key=True),
    Column("strategy", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("resolved", JSON, nullable=False),
    Column("products", JSON, nullable=False),
    Column("published_from", UtcDateTime),
    Column("published_to", UtcDateTime),
    Column("as_of_ingest", BigInteger, nullable=False),
    Column("needs", JSON, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("batch_id", String, ForeignKey("recall_batch.batch_id"), index=True),
    Column("attempts", Integer, nullable=False),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("batched_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("cases", BigInteger),
    Column("complete", Boolean),
    Column("note", String),
    Column("error", JSON),
    Column("cases_folder", String),
    Column("urgent", Boolean, nullable=False),
    Column("retried_at", UtcDateTime),
    Column("notify_at", UtcDateTime, index=True),
    Column("notify_tries", Integer, nullable=False),
    Column("realtime", Boolean, nullable=False),
    Column("follow", Boolean, nullable=False),
    Column("refills", Integer, nullable=False),
    Column("refilled_at", UtcDateTime),
)

recall_cell = Table(
    "recall_cell",
    metadata,
    Column("task_id", String, ForeignKey("recall_task.task_id"), primary_key=True),
    Column("object", String, primary_key=True),
    Column("product", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("present", BigInteger, nullable=False),
    Column("scanned", BigInteger, nullable=False),
    Column("matched", BigInteger, nullable=False),
    Column("excluded", BigInteger, nullable=False),
    Column("build_id", BigInteger, nullable=False),
    Column("through_ingest", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Task:
    """A task without its pinned strategy (`task_specs` has that).

    `needs` must be built through the ingest `as_of_ingest` before it can run. `cases`, `complete` and `cases_folder` come with its end.
    """

    task_id: str
    strategy: str
    version: int
    products: tuple[str, ...]
    published_from: datetime | None
    published_to: datetime | None
    as_of_ingest: int
    needs: tuple[PeriodRange, ...]
    state: TaskState
    batch_id: str | None
    attempts: int
    submitted_at: datetime
    batched_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cases: int | None
    complete: bool | None
    note: str | None
    error: dict[str, Any] | None
    cases_folder: str | None
    urgent: bool
    retried_at: datetime | None
    realtime: bool
    follow: bool
    refills: int
    refilled_at: datetime | None

    @property
    def queued_at(self) -> datetime:
        """When it came into the queue, for the last time where it was put back by hand."""
        return self.retried_at or self.submitted_at


@dataclass(frozen=True)
class Batch:
    """A batch and its newest attempt, tried by the Dagster run `run_id`; `folder` holds its recorded cases.

    The process `worker` has claimed it until `lease_until`: to ask for its run at first, then to run it. Where a batch waits for its next
    attempt nobody has.
    """

    batch_id: str
    state: BatchState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    folder: str | None
    summary: dict[str, Any] | None
    error: dict[str, Any] | None
    run_id: str | None
    worker: str | None
    lease_until: datetime | None


@dataclass(frozen=True)
class Outcome:
    """How a task ended: its number of cases, whether every cell reconciles, and what a person should know about it."""

    task_id: str
    cases: int
    complete: bool
    note: str | None


TASK_COLUMNS = [column for column in recall_task.columns if column.name not in ("resolved", "notify_at", "notify_tries")]


def add_task(
    connection: Connection,
    task: TaskSpec,
    *,
    needs: Sequence[PeriodRange],
    as_of_ingest: int,
    now: datetime,
    urgent: bool = False,
    realtime: bool = False,
    follow: bool = False,
) -> None:
    """Stores a new task; it waits from now on.

    An urgent one closes the window, one in real time waits for no builds, one that follows is refilled when data lands later.
    """
    connection.execute(
        insert(recall_task).values(
            task_id=task.task_id,
            strategy=task.strategy.id,
            version=task.strategy.version,
            resolved=task.strategy.model_dump(mode="json"),
            products=list(task.products),
            published_from=task.published_from,
            published_to=task.published_to,
            as_of_ingest=as_of_ingest,
            needs=[asdict(needed) for needed in needs],
            state="submitted",
            attempts=0,
            submitted_at=now,
            urgent=urgent,
            notify_tries=0,
            realtime=realtime,
            follow=follow,
            refills=0,
        )
    )


def tasks(connection: Connection, *, state: TaskState | None = None, batch_id: str | None = None) -> list[Task]:
    """Tasks in the order of their submission."""
    query = select(*TASK_COLUMNS).order_by(recall_task.c.submitted_at, recall_task.c.task_id)
    if state is not None:
        query = query.where(recall_task.c.state == state)
    if batch_id is not None:
        query = query.where(recall_task.c.batch_id == batch_id)
    return [_task(row) for row in connection.execute(query)]


def tasks_under_way(connection: Connection, *, also: Iterable[str] = ()) -> list[Task]:
    """The tasks that have not ended, and `also` those of some ids, in the order of their submission."""
    columns = recall_task.c
    chosen = or_(columns.state.not_in(sorted(ENDED)), columns.task_id.in_(list(also)))
    query = select(*TASK_COLUMNS).where(chosen).order_by(columns.submitted_at, columns.task_id)
    return [_task(row) for row in connection.execute(query)]


def task(connection: Connection, task_id: str) -> Task:
    """One task.

    Raises:
        NotFound: if there is none of this id; the remedy names the nearest.
    """
    row = connection.execute(select(*TASK_COLUMNS).where(recall_task.c.task_id == task_id)).one_or_none()
    if row is None:
        known = connection.execute(select(recall_task.c.task_id)).scalars()
        raise NotFound(f"there is no task {task_id!r}", where="tasks", remedy=nearest(task_id, known))
    return _task(row)


def task_specs(connection: Connection, task_ids: Iterable[str]) -> list[TaskSpec]:
    """Tasks as the scan takes them, with their pinned strategies, in the order of their submission."""
    columns = recall_task.c
    query: Select[Any] = (
        select(columns.task_id, columns.resolved, columns.products, columns.published_from, columns.published_to)
        .where(columns.task_id.in_(list(task_ids)))
        .order_by(columns.submitted_at, columns.task_id)
    )
    return [
        TaskSpec(
            task_id=row.task_id,
            strategy=ResolvedStrategy.model_validate(row.resolved),
            products=tuple(row.products),
            published_from=row.published_from,
            published_to=row.published_to,
        )
        for row in connection.execute(query)
    ]


def batch(connection: Connection, batch_id: str) -> Batch:
    """One batch.

    Raises:
        NotFound: if there is none of this id; the remedy names the nearest.
    """
    row = connection.execute(select(recall_batch).where(recall_batch.c.batch_id == batch_id)).one_or_none()
    if row is None:
        known = connection.execute(select(recall_batch.c.batch_id)).scalars()
        raise NotFound(f"there is no batch {batch_id!r}", where="batches", remedy=nearest(batch_id, known))
    return Batch(**row._mapping)


def batches(connection: Connection, *, state: BatchState | None = None) -> list[Batch]:
    """Batches in the order of their claims."""
    query = select(recall_batch).order_by(recall_batch.c.created_at, recall_batch.c.batch_id)
    if state is not None:
        query = query.where(recall_batch.c.state == state)
    return [Batch(**row._mapping) for row in connection.execute(query)]


@dataclass(frozen=True)
class ClaimedTasks:
    """What the claimed tasks of a batch have in common for whoever runs it: their number, their products, and whether one is urgent."""

    tasks: int
    products: tuple[str, ...]
    urgent: bool


def claimed_tasks(connection: Connection, batch_ids: Iterable[str]) -> dict[str, ClaimedTasks]:
    """The tasks that each of some claimed batches will answer, without reading them one by one."""
    columns = recall_task.c
    query = select(columns.batch_id, columns.products, columns.urgent)
    rows = connection.execute(query.where(columns.batch_id.in_(list(batch_ids)), columns.state == "batched")).all()
    found: dict[str, ClaimedTasks] = {}
    for row in rows:
        known = found.get(row.batch_id, ClaimedTasks(0, (), False))
        products = tuple(dict.fromkeys([*known.products, *row.products]))
        found[row.batch_id] = ClaimedTasks(known.tasks + 1, products, known.urgent or row.urgent)
    return found


def cells(connection: Connection, task_id: str) -> list[Cell]:
    """The ledger of a task, by object, period and product."""
    columns = recall_cell.c
    query = select(recall_cell).where(columns.task_id == task_id).order_by(columns.object, columns.period, columns.product)
    return [Cell(**row._mapping) for row in connection.execute(query)]


def count_tasks(connection: Connection) -> dict[str, int]:
    """The number of tasks in each state that has any."""
    query = select(recall_task.c.state, func.count()).group_by(recall_task.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def _task(row: Row[Any]) -> Task:
    needs = tuple(PeriodRange(**needed) for needed in row.needs)
    return Task(**{**row._mapping, "products": tuple(row.products), "needs": needs})
