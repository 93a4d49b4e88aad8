"""What people change about tasks: they cancel them, and put those that failed or were cancelled back into the queue."""

from datetime import datetime

from sqlalchemy import Connection, exists, select, update

from srp_assets.errors import Conflict
from srp_assets.recall.registry import Task, recall_batch, recall_task, task
from srp_assets.recall.registry_batches import untold
from srp_assets.recall.tasks import BATCH_TRANSITIONS, TASK_TRANSITIONS, states_before


def cancel_task(connection: Connection, task_id: str, *, now: datetime) -> Task:
    """Ends a task for good: what waits is no longer taken, and of what runs no result is recorded.

    A batch is cancelled with its last task; its run ends as soon as it notices. Cancelling twice changes nothing.

    Raises:
        NotFound: if there is no such task.
        Conflict: if it is done or has failed.
    """
    current = _locked(connection, task_id)
    if current.state == "cancelled":
        return current
    before = states_before("cancelled", TASK_TRANSITIONS)
    cancelled = update(recall_task).where(recall_task.c.task_id == task_id, recall_task.c.state.in_(before))
    if connection.execute(cancelled.values(state="cancelled", finished_at=now, **untold(now))).rowcount != 1:
        raise Conflict(f"the task is {current.state}: there is nothing to cancel", where=task_id)
    if current.batch_id is not None:
        alive = exists().where(recall_task.c.batch_id == current.batch_id, recall_task.c.state.in_(before))
        connection.execute(
            update(recall_batch)
            .where(
                recall_batch.c.batch_id == current.batch_id,
                recall_batch.c.state.in_(states_before("cancelled", BATCH_TRANSITIONS)),
                ~alive,
            )
            .values(state="cancelled", finished_at=now, lease_until=None)
        )
    return task(connection, task_id)


def retry_task(connection: Connection, task_id: str, *, now: datetime) -> Task:
    """Puts a task that failed or was cancelled back into the queue, with all of its tries, and as it was pinned when it was submitted.

    Raises:
        NotFound: if there is no such task.
        Conflict: if it has neither failed nor been cancelled.
    """
    current = _locked(connection, task_id)
    before = states_before("submitted", TASK_TRANSITIONS)
    queued = update(recall_task).where(recall_task.c.task_id == task_id, recall_task.c.state.in_(before))
    again = queued.values(
        state="submitted",
        batch_id=None,
        attempts=0,
        retried_at=now,
        batched_at=None,
        started_at=None,
        finished_at=None,
        error=None,
        notify_at=None,
    )
    if connection.execute(again).rowcount != 1:
        remedy = "submit its strategy again" if current.state == "done" else "wait for its end, or cancel it"
        raise Conflict(f"the task is {current.state}: only what failed or was cancelled is tried again", where=task_id, remedy=remedy)
    return task(connection, task_id)


def _locked(connection: Connection, task_id: str) -> Task:
    """The task, with its batch locked before it: in the order in which runs change them."""
    while True:
        current = task(connection, task_id)
        if current.batch_id is not None:
            connection.execute(select(recall_batch.c.batch_id).where(recall_batch.c.batch_id == current.batch_id).with_for_update())
        locked = connection.execute(select(recall_task.c.batch_id).where(recall_task.c.task_id == task_id).with_for_update()).scalar()
        if locked == current.batch_id:
            return task(connection, task_id)
