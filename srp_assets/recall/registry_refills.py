"""Refills in the registry database: the table, what a refill changes in one transaction, and what is read of them.

A refill brings a finished task up to date with data that landed later: new cases, cases that no longer hold, new cells. All of it counts
from the one transaction on that `record_refill` is part of.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import UtcDateTime
from srp_assets.errors import Conflict
from srp_assets.recall.batch import Cell
from srp_assets.recall.registry import Outcome, Task, metadata, recall_cell, recall_task
from srp_assets.warehouse.periods import UNKNOWN
from srp_assets.warehouse.registry import landing
from srp_assets.warehouse.registry_builds import PeriodKey, warehouse_build

recall_refill = sa.Table(
    "recall_refill",
    metadata,
    sa.Column("task_id", sa.String, sa.ForeignKey("recall_task.task_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("added", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, nullable=False),
    sa.Column("withdrawn_in_all", sa.BigInteger, nullable=False),
    sa.Column("cells", sa.Integer, nullable=False),
    sa.Column("roots", sa.BigInteger),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
)


@dataclass(frozen=True)
class Refill:
    """One refill of a task.

    `folder` has its cases and those that were ever withdrawn. Cases were `added`, `changed` in what they show, or `withdrawn`;
    `withdrawn_in_all` counts those of earlier refills too, as far as they do not hold again. `cells` were brought up to date. `roots` is
    how many join keys were evaluated again; None if the whole task was.
    """

    task_id: str
    number: int
    folder: str
    added: int
    changed: int
    withdrawn: int
    withdrawn_in_all: int
    cells: int
    roots: int | None
    started_at: datetime
    finished_at: datetime
    run_id: str | None


class CellKey(NamedTuple):
    """What a cell of a task is about."""

    object: str
    product: str
    period: str


def changed_through(connection: Connection, entities: Collection[str], products: Collection[str]) -> dict[PeriodKey, int]:
    """The last ingest that changed each period: brought rows that were stored, or took some away."""
    named = (landing.c.entity, landing.c.product, landing.c.period)
    query = (
        sa.select(*named, sa.func.max(landing.c.ingest_id))
        .where(
            landing.c.entity.in_(list(entities)),
            landing.c.product.in_(list(products)),
            landing.c.period != UNKNOWN,
            sa.or_(landing.c.stored > 0, landing.c.tombstones > 0),
        )
        .group_by(*named)
    )
    return {PeriodKey(*row[:3]): int(row[3]) for row in connection.execute(query)}


class BuildMark(NamedTuple):
    """A build without its files, and the last ingest that it covers."""

    build_id: int
    through_ingest: int


def build_marks(connection: Connection, entities: Collection[str], products: Collection[str]) -> dict[PeriodKey, BuildMark]:
    """The current builds of some entities and products."""
    build = warehouse_build.c
    query = sa.select(build.entity, build.product, build.period, build.build_id, build.through_ingest)
    chosen = query.where(build.current, build.entity.in_(list(entities)), build.product.in_(list(products)))
    return {PeriodKey(*row[:3]): BuildMark(*row[3:]) for row in connection.execute(chosen)}


def refill(connection: Connection, task: Task) -> Refill | None:
    """The newest refill of a task; None if it was never refilled."""
    chosen = (recall_refill.c.task_id == task.task_id) & (recall_refill.c.number == task.refills)
    row = connection.execute(sa.select(recall_refill).where(chosen)).one_or_none()
    return None if row is None else Refill(**row._mapping)


def refills(connection: Connection, task_id: str) -> list[Refill]:
    """All refills of a task in their order."""
    query = sa.select(recall_refill).where(recall_refill.c.task_id == task_id).order_by(recall_refill.c.number)
    return [Refill(**row._mapping) for row in connection.execute(query)]


def refilled_since(connection: Connection, moment: datetime) -> set[str]:
    """The batches of which a task was refilled at or after a time."""
    columns = recall_task.c
    return set(connection.execute(sa.select(columns.batch_id).where(columns.refilled_at >= moment)).scalars())


def record_refill(connection: Connection, done: Refill, outcome: Outcome, *, cases_folder: str, cells: Iterable[Cell]) -> None:
    """Switches a task to what a refill found: its cases, its cells, its completeness, in the caller's transaction.

    Args:
        connection: in the transaction.
        done: the refill, whose number follows that of the refill before.
        outcome: how the task stands after it.
        cases_folder: where its cases are now.
        cells: those that replace the task's cells of the same places, or are new.

    Raises:
        Conflict: if the task was refilled meanwhile, or its cases are gone.
    """
    columns = recall_task.c
    moved = connection.execute(
        recall_task.update()
        .where(
            columns.task_id == done.task_id,
            columns.state == "done",
            columns.refills == done.number - 1,
            columns.cases_folder.is_not(None),
        )
        .values(
            refills=done.number,
            refilled_at=done.finished_at,
            cases_folder=cases_folder,
            cases=outcome.cases,
            complete=outcome.complete,
            note=outcome.note,
        )
    )
    if moved.rowcount != 1:
        raise Conflict("the task was refilled meanwhile, or its cases are gone", where=done.task_id, remedy="look at it by `srp tasks`")
    renewed = list(cells)
    place = [recall_cell.c[name] == sa.bindparam(f"of_{name}") for name in ("task_id", *CellKey._fields)]
    if renewed:
        gone = [{f"of_{name}": getattr(cell, name) for name in ("task_id", *CellKey._fields)} for cell in renewed]
        connection.execute(recall_cell.delete().where(*place), gone)
        connection.execute(recall_cell.insert(), [vars(cell) for cell in renewed])
    connection.execute(recall_refill.insert().values(**vars(done)))


def following_state(connection: Connection) -> str:
    """What the answer to "which following tasks need a refill" follows from: as long as it is the same, so is the answer."""
    columns = recall_task.c
    ended = sa.select(sa.func.count(), sa.func.max(columns.finished_at), sa.func.max(columns.refilled_at))
    known = connection.execute(ended.where(columns.follow, columns.state == "done")).one()
    built = connection.execute(sa.select(sa.func.max(warehouse_build.c.build_id))).scalar()
    landed = connection.execute(sa.select(sa.func.max(landing.c.ingest_id))).scalar()
    return repr((known[0], *(_seconds(moment) for moment in known[1:]), built, landed))


def _seconds(moment: Any) -> str:
    return "" if moment is None else str(moment)
