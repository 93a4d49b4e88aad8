"""Whom nobody has been told of yet: the ends of tasks that wait for their notification, kept in the rows of the tasks.

A task that ends has `notify_at` set in the same transaction. Whoever tells of it first moves that time on, so that two do not tell the
same at once, and empties it when it was taken; one that dies in between is followed by another after that time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from srp_assets.recall.registry import Task, recall_task, task
from srp_assets.recall.tasks import ENDED


@dataclass(frozen=True)
class Notice:
    """The end of a task that is to be told, for the `tries`-th time, and the time after which somebody else may."""

    task: Task
    tries: int
    again_at: datetime


def due_notices(connection: Connection, now: datetime, *, limit: int) -> list[tuple[str, int, datetime]]:
    """Tasks whose end is to be told by now, with the tries so far and since when they wait; the oldest first."""
    columns = recall_task.c
    query = select(columns.task_id, columns.notify_tries, columns.notify_at).where(
        columns.notify_at <= now, columns.state.in_(sorted(ENDED))
    )
    return [
        (row.task_id, row.notify_tries, row.notify_at)
        for row in connection.execute(query.order_by(columns.notify_at, columns.finished_at, columns.task_id).limit(limit))
    ]


def take_notice(connection: Connection, task_id: str, seen_at: datetime, again_at: datetime) -> Notice | None:
    """Takes one of them; None if somebody else has taken it meanwhile."""
    columns = recall_task.c
    mine = update(recall_task).where(columns.task_id == task_id, columns.notify_at == seen_at)
    if connection.execute(mine.values(notify_at=again_at, notify_tries=columns.notify_tries + 1)).rowcount != 1:
        return None
    tries = connection.execute(select(columns.notify_tries).where(columns.task_id == task_id)).scalar_one()
    return Notice(task(connection, task_id), tries, again_at)


def settle_notice(connection: Connection, notice: Notice) -> None:
    """Says that the end was told, or given up; unless the task has begun anew and ended again."""
    columns = recall_task.c
    told = update(recall_task).where(columns.task_id == notice.task.task_id, columns.notify_at == notice.again_at)
    connection.execute(told.values(notify_at=None))


def drop_notices(connection: Connection, before: datetime) -> int:
    """Empties the outbox of what is due, where there is nobody to tell; returns how many there were."""
    return connection.execute(update(recall_task).where(recall_task.c.notify_at <= before).values(notify_at=None)).rowcount
