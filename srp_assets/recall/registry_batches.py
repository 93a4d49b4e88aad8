"""How batches change: claimed with their tasks, tried, done, given back, split, failed, removed.

Every change of state names the states that it may come from (`tasks.py`) in its own `WHERE`: of two writers that want the same task or
batch exactly one changes a row, and the other sees that it changed none. An attempt that lost its batch is fenced so, by the number of the
attempt. Batches are changed before their tasks, so that no two writers wait for each other. Which tasks are taken when is decided in
`claims.py`; what people change is in `registry_tasks.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, func, insert, select, update

from srp_assets.errors import Conflict
from srp_assets.recall.batch import Cell
from srp_assets.recall.registry import Batch, Outcome, batch, recall_batch, recall_cell, recall_task
from srp_assets.recall.tasks import BATCH_TRANSITIONS, TASK_TRANSITIONS, BatchState, TaskState, new_batch_id, states_before


def add_batch(
    connection: Connection,
    batch_id: str,
    task_ids: Sequence[str],
    *,
    now: datetime,
    worker: str,
    lease_until: datetime,
) -> list[str]:
    """Takes those of the tasks that still wait into a new batch; returns which.

    On SQLite one transaction writes at a time; on PostgreSQL the tasks are locked as they are read, and those that another claim
    holds are passed over. So two claims never share a task. The process `worker` has until `lease_until` to have a run begin with it.
    """
    connection.execute(
        insert(recall_batch).values(batch_id=batch_id, state="claimed", created_at=now, attempt=0, worker=worker, lease_until=lease_until)
    )
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


def begin_attempt(connection: Connection, batch_id: str, *, run_id: str | None, worker: str, now: datetime, lease_until: datetime) -> Batch:
    """Starts the next attempt of a batch, which is the worker's until `lease_until`, or as long as it renews it.

    Raises:
        Conflict: if the batch has ended, is tried by another run, or has no task left.
    """
    columns = recall_batch.c
    started = connection.execute(
        update(recall_batch)
        .where(columns.batch_id == batch_id, columns.state.in_(states_before("running", BATCH_TRANSITIONS)))
        .values(
            state="running",
            attempt=columns.attempt + 1,
            run_id=run_id,
            worker=worker,
            lease_until=lease_until,
            started_at=now,
            finished_at=None,
            error=None,
        )
    )
    current = batch(connection, batch_id)
    if started.rowcount != 1:
        raise Conflict(
            f"batch {batch_id} is {current.state} (run {current.run_id})", where="batches", remedy="wait for it, or submit its tasks again"
        )
    moved = connection.execute(
        _tasks_of(batch_id, "running").values(
            state="running", attempts=recall_task.c.attempts + 1, started_at=now, finished_at=None, error=None, notify_at=None
        )
    )
    if moved.rowcount == 0:
        raise Conflict(f"batch {batch_id} has no task left to run", where="batches")
    return current


def renew_attempt(connection: Connection, attempt: Batch, lease_until: datetime) -> bool:
    """Prolongs the lease of an attempt; False if it has lost its batch: to another attempt, or because all of its tasks were cancelled."""
    renewed = update(recall_batch).where(_still_at(attempt)).values(lease_until=lease_until)
    return connection.execute(renewed).rowcount == 1


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

    Of tasks that were cancelled meanwhile nothing is recorded.

    Raises:
        Conflict: if another attempt has taken the batch over meanwhile, or all of its tasks were cancelled.
    """
    _end(connection, attempt, "done", folder=folder, summary=dict(summary), finished_at=now)
    cancelled = set(connection.execute(_in_state(attempt.batch_id, "cancelled")).scalars())
    for outcome in outcomes:
        if outcome.task_id in cancelled:
            continue
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
                **untold(now),
            )
        )
        if moved.rowcount != 1:
            raise Conflict(f"task {outcome.task_id} is not run by batch {attempt.batch_id}", where="tasks")
    kept = [vars(cell) for cell in cells if cell.task_id not in cancelled]
    if kept:
        connection.execute(insert(recall_cell), kept)


def fail_attempt(connection: Connection, attempt: Batch, error: Mapping[str, Any], *, attempts: int, now: datetime) -> BatchState:
    """Records that an attempt failed: the batch waits for its next one, or has failed with its tasks if this was the last of `attempts`.

    The last one is each task's own: a batch of several is split before it. An attempt that died before it began to work (the batch is
    still `claimed`) is used up as well.

    Raises:
        Conflict: if the batch is no longer at this attempt.
    """
    used = attempt.attempt + (attempt.state == "claimed")
    if used >= attempts:
        _end(connection, attempt, "failed", error=dict(error), attempt=used, finished_at=now, lease_until=None)
        failed = _tasks_of(attempt.batch_id, "failed").values(state="failed", error=dict(error), finished_at=now, **untold(now))
        connection.execute(failed)
        return "failed"
    left = connection.execute(select(func.count()).select_from(_in_state(attempt.batch_id, "batched", "running").subquery())).scalar_one()
    if used == attempts - 1 and left > 1:
        _end(connection, attempt, "split", error=dict(error), attempt=used, finished_at=now, lease_until=None)
        _split(connection, attempt.batch_id, error, used=used, now=now)
        return "split"
    _end(connection, attempt, "claimed", error=dict(error), attempt=used, run_id=None, worker=None, lease_until=None)
    connection.execute(
        update(recall_task)
        .where(recall_task.c.batch_id == attempt.batch_id, recall_task.c.state == "running")
        .values(state="batched", error=dict(error))
    )
    return "claimed"


def _split(connection: Connection, batch_id: str, error: Mapping[str, Any], *, used: int, now: datetime) -> None:
    """Gives each task that is left a batch of its own, whose attempts count on."""
    for task_id in connection.execute(_in_state(batch_id, "batched", "running")).scalars().all():
        alone = new_batch_id(now)
        connection.execute(insert(recall_batch).values(batch_id=alone, state="claimed", created_at=now, attempt=used, error=dict(error)))
        moved = update(recall_task).where(recall_task.c.task_id == task_id, recall_task.c.state.in_(("batched", "running")))
        connection.execute(moved.values(state="batched", batch_id=alone, error=dict(error)))


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


def untold(now: datetime) -> dict[str, Any]:
    """The columns of a task that ends now and of whose end nobody was told (`notifications.py` does that)."""
    return {"notify_at": now, "notify_tries": 0}


def _in_state(batch_id: str, *states: TaskState) -> Select[Any]:
    """The ids of the batch's tasks in some states, in the order of their submission."""
    chosen = select(recall_task.c.task_id).where(recall_task.c.batch_id == batch_id, recall_task.c.state.in_(states))
    return chosen.order_by(recall_task.c.submitted_at, recall_task.c.task_id)


def _tasks_of(batch_id: str, target: TaskState) -> Update:
    """An update of the batch's tasks that `target` may follow."""
    before = states_before(target, TASK_TRANSITIONS)
    return update(recall_task).where(recall_task.c.batch_id == batch_id, recall_task.c.state.in_(before))


def _still_at(attempt: Batch) -> ColumnElement[bool]:
    columns = recall_batch.c
    return and_(columns.batch_id == attempt.batch_id, columns.state == attempt.state, columns.attempt == attempt.attempt)


def _end(connection: Connection, ended: Batch, target: BatchState, **values: Any) -> None:
    moved = connection.execute(
        update(recall_batch)
        .where(_still_at(ended), recall_batch.c.state.in_(states_before(target, BATCH_TRANSITIONS)))
        .values(state=target, **values)
    )
    if moved.rowcount != 1:
        raise Conflict(f"batch {ended.batch_id} is no longer at attempt {ended.attempt} ({ended.state})", where="batches")
