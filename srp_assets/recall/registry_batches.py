"""How batches change: claimed with their tasks, tried, done, given back, failed, removed.

Every change of state names the states that it may come from (`tasks.py`) in its own `WHERE`: of two writers that want the same task or
batch exactly one changes a row, and the other sees that it changed none. Which tasks are taken when is decided in `claims.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Update, insert, select, update

from srp_assets.errors import Conflict
from srp_assets.recall.batch import Cell
from srp_assets.recall.registry import Batch, Outcome, batch, recall_batch, recall_cell, recall_task
from srp_assets.recall.tasks import BATCH_TRANSITIONS, TASK_TRANSITIONS, BatchState, TaskState, states_before


def add_batch(connection: Connection, batch_id: str, task_ids: Sequence[str], *, now: datetime) -> list[str]:
    """Takes those of the tasks that still wait into a new batch; returns which.

    On SQLite one transaction writes at a time; on PostgreSQL the tasks are locked as they are read, and those that another claim
    holds are passed over. So two claims never share a task.
    """
    connection.execute(insert(recall_batch).values(batch_id=batch_id, state="claimed", created_at=now, attempt=0))
    free = (
        select(recall_task.c.task_id)
        .where(recall_task.c.task_id.in_(list(task_ids)), recall_task.c.state == "submitted")
        .with_for_update(skip_locked=True)
    )
    taken = list(connection.execute(free).scalars())
    connection.execute(
        update(recall_task).where(recall_task.c.task_id.in_(taken)).values(state="batched", batch_id=batch_id, batched_at=now)
    )
    return taken


def begin_attempt(connection: Connection, batch_id: str, *, run_id: str | None, worker: str, now: datetime) -> Batch:
    """Starts the next attempt of a batch.

    Raises:
        Conflict: if the batch is done, removed, or tried by another run.
    """
    columns = recall_batch.c
    started = connection.execute(
        update(recall_batch)
        .where(columns.batch_id == batch_id, columns.state.in_(states_before("running", BATCH_TRANSITIONS)))
        .values(state="running", attempt=columns.attempt + 1, run_id=run_id, worker=worker, started_at=now, finished_at=None, error=None)
    )
    current = batch(connection, batch_id)
    if started.rowcount != 1:
        raise Conflict(
            f"batch {batch_id} is {current.state} (run {current.run_id})", where="batches", remedy="wait for it, or submit its tasks again"
        )
    connection.execute(
        _tasks_of(batch_id, "running").values(
            state="running", attempts=recall_task.c.attempts + 1, started_at=now, finished_at=None, error=None
        )
    )
    return current


def finish_attempt(
    connection: Connection,
    attempt: Batch,
    *,
    folder: str,
    summary: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    cells: Sequence[Cell],
    now: datetime,
) -> None:
    """Records everything that an attempt found: in the caller's one transaction, so that all of it is there or nothing.

    Raises:
        Conflict: if another attempt has taken the batch over meanwhile.
    """
    _end(connection, attempt, "done", folder=folder, summary=dict(summary), finished_at=now)
    for outcome in outcomes:
        moved = connection.execute(
            _tasks_of(attempt.batch_id, "done")
            .where(recall_task.c.task_id == outcome.task_id)
            .values(
                state="done",
                cases=outcome.cases,
                complete=outcome.complete,
                note=outcome.note,
                cases_folder=folder,
                finished_at=now,
                error=None,
            )
        )
        if moved.rowcount != 1:
            raise Conflict(f"task {outcome.task_id} is not run by batch {attempt.batch_id}", where="tasks")
    if cells:
        connection.execute(insert(recall_cell), [vars(cell) for cell in cells])


def fail_attempt(connection: Connection, attempt: Batch, error: Mapping[str, Any], *, attempts: int, now: datetime) -> BatchState:
    """Records that an attempt failed: the batch waits for its next one, or has failed with its tasks if this was the last of `attempts`.

    An attempt that died before it began to work (the batch is still `claimed`) is used up as well.

    Raises:
        Conflict: if the batch is no longer at this attempt.
    """
    used = attempt.attempt + (attempt.state == "claimed")
    if used < attempts:
        _end(connection, attempt, "claimed", error=dict(error), attempt=used, run_id=None, worker=None)
        connection.execute(
            update(recall_task)
            .where(recall_task.c.batch_id == attempt.batch_id, recall_task.c.state == "running")
            .values(state="batched", error=dict(error))
        )
        return "claimed"
    _end(connection, attempt, "failed", error=dict(error), attempt=used, finished_at=now)
    connection.execute(_tasks_of(attempt.batch_id, "failed").values(state="failed", error=dict(error), finished_at=now))
    return "failed"


def remove_batch(connection: Connection, batch_id: str, *, note: str) -> None:
    """Says of a batch and its tasks that their cases are no longer kept; states, counts and cells stay.

    Raises:
        Conflict: if the batch has not ended.
    """
    current = batch(connection, batch_id)
    _end(connection, current, "removed", folder=None)
    connection.execute(
        update(recall_task).where(recall_task.c.batch_id == batch_id, recall_task.c.state == "done").values(cases_folder=None, note=note)
    )


def _tasks_of(batch_id: str, target: TaskState) -> Update:
    """An update of the batch's tasks that `target` may follow."""
    before = states_before(target, TASK_TRANSITIONS)
    return update(recall_task).where(recall_task.c.batch_id == batch_id, recall_task.c.state.in_(before))


def _end(connection: Connection, ended: Batch, target: BatchState, **values: Any) -> None:
    columns = recall_batch.c
    moved = connection.execute(
        update(recall_batch)
        .where(
            columns.batch_id == ended.batch_id,
            columns.state == ended.state,
            columns.attempt == ended.attempt,
            columns.state.in_(states_before(target, BATCH_TRANSITIONS)),
        )
        .values(state=target, **values)
    )
    if moved.rowcount != 1:
        raise Conflict(f"batch {ended.batch_id} is no longer at attempt {ended.attempt} ({ended.state})", where="batches")
