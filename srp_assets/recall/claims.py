"""Which waiting tasks are taken when: the window that merges the tasks of many people into one batch.

A task is ready when everything that landed before its submission is built in the periods that it reads. The window is counted over ready
tasks alone: one that waits for a long build neither closes the window for the others again and again, nor holds them up.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from srp_assets.recall.batch import PeriodRange
from srp_assets.recall.registry import Task, tasks
from srp_assets.recall.registry_batches import add_batch
from srp_assets.recall.tasks import new_batch_id
from srp_assets.settings import Settings
from srp_assets.warehouse.registry_builds import PeriodKey, stale_periods


@dataclass(frozen=True)
class Waiting:
    """A waiting task and the periods whose builds it still needs; ready where there are none."""

    task: Task
    unbuilt: tuple[PeriodKey, ...]


@dataclass(frozen=True)
class Claim:
    """What a look at the window found: the batch that was claimed with its tasks, or why there is none."""

    batch_id: str | None
    task_ids: tuple[str, ...]
    reason: str


def waiting_tasks(connection: Connection) -> list[Waiting]:
    """All waiting tasks in the order of their submission, each with what it waits for."""
    known: dict[tuple[PeriodRange, int], list[PeriodKey]] = {}
    waiting: list[Waiting] = []
    for task in tasks(connection, state="submitted"):
        unbuilt: dict[PeriodKey, None] = {}
        for needed in task.needs:
            question = (needed, task.as_of_ingest)
            if question not in known:
                known[question] = stale_periods(
                    connection,
                    entity=needed.entity,
                    products=[needed.product],
                    first=needed.first,
                    last=needed.last,
                    through=task.as_of_ingest,
                )
            unbuilt.update(dict.fromkeys(known[question]))
        waiting.append(Waiting(task, tuple(unbuilt)))
    return waiting


def claim_window(connection: Connection, settings: Settings, *, now: datetime, at_once: bool = False) -> Claim:
    """Closes the window if it is time, and takes its tasks into a new batch. To be called in a transaction of its own.

    The window closes when the oldest ready task has waited for `recall_window_seconds`, when `recall_window_tasks` are ready, or `at_once`.
    """
    waiting = waiting_tasks(connection)
    ready = [entry.task for entry in waiting if not entry.unbuilt]
    unready = len(waiting) - len(ready)
    if not ready:
        return Claim(None, (), f"{unready} tasks wait for builds" if unready else "no task waits")
    held = f"; {unready} more wait for builds" if unready else ""
    remaining = settings.recall_window_seconds - (now - ready[0].submitted_at).total_seconds()
    if not at_once and remaining > 0 and len(ready) < settings.recall_window_tasks:
        return Claim(None, (), f"{len(ready)} tasks are ready, the window closes in {remaining:.0f} s{held}")
    batch_id = new_batch_id(now)
    with connection.begin_nested() as claim:
        taken = add_batch(connection, batch_id, [task.task_id for task in ready], now=now)
        if not taken:
            claim.rollback()
            return Claim(None, (), "another claim took the tasks that were ready")
    return Claim(batch_id, tuple(taken), f"{len(taken)} tasks taken{held}")
