"""Which waiting tasks are taken when: the window that merges the tasks of many people into batches.

A task is ready when everything that landed before its submission is built in the periods that it reads; a realtime task is ready at once.
The window is counted over ready tasks alone: one that waits for a long build neither closes the window for the others again and again,
nor holds them up. Which of the ready tasks are answered together is decided in `merging.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from srp_assets.recall.batch import PeriodRange
from srp_assets.recall.merging import Limits, merge, reads_of
from srp_assets.recall.registry import Task, tasks
from srp_assets.recall.registry_batches import add_batch
from srp_assets.recall.tasks import new_batch_id
from srp_assets.settings import Settings
from srp_assets.warehouse.registry_builds import PeriodKey, built_rows, lacking_periods
from srp_assets.warehouse.worker import this_process


@dataclass(frozen=True)
class Waiting:
    """A waiting task and the periods whose builds it still needs; ready where there are none."""

    task: Task
    unbuilt: tuple[PeriodKey, ...]


@dataclass(frozen=True)
class Claim:
    """What a look at the window found: the tasks of each batch that was claimed, and in words what was taken, or why nothing was."""

    batches: dict[str, tuple[str, ...]]
    reason: str

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All tasks that were taken."""
        return tuple(task_id for taken in self.batches.values() for task_id in taken)


def waiting_tasks(connection: Connection) -> list[Waiting]:
    """All waiting tasks in the order of their submission, each with what it waits for."""
    waiting = tasks(connection, state="submitted")
    lacking = lacking_periods(connection) if waiting else {}
    known: dict[tuple[PeriodRange, int], list[PeriodKey]] = {}
    found: list[Waiting] = []
    for task in waiting:
        unbuilt: dict[PeriodKey, None] = {}
        for needed in () if task.realtime else task.needs:
            question = (needed, task.as_of_ingest)
            if question not in known:
                known[question] = [key for key, ingest in lacking.items() if ingest <= task.as_of_ingest and needed.covers(key)]
            unbuilt.update(dict.fromkeys(known[question]))
        found.append(Waiting(task, tuple(unbuilt)))
    return found


def claim_window(connection: Connection, settings: Settings, *, now: datetime, at_once: bool = False) -> Claim:
    """Closes the window if it is time, and takes its tasks into new batches. To be called in a transaction of its own.

    The window closes when the oldest ready task has waited for `recall_window_seconds`, when `recall_window_tasks` are ready, when one of
    them is urgent, or `at_once`. All that are ready are taken then.
    """
    waiting = waiting_tasks(connection)
    ready = [entry.task for entry in waiting if not entry.unbuilt]
    unready = len(waiting) - len(ready)
    if not ready:
        return Claim({}, f"{unready} tasks wait for builds" if unready else "no task waits")
    held = f"; {unready} more wait for builds" if unready else ""
    oldest = min(task.queued_at for task in ready)
    remaining = settings.recall_window_seconds - (now - oldest).total_seconds()
    at_once = at_once or any(task.urgent for task in ready)
    if not at_once and remaining > 0 and len(ready) < settings.recall_window_tasks:
        return Claim({}, f"{len(ready)} tasks are ready, the window closes in {remaining:.0f} s{held}")
    batches = {}
    for group in _merged(connection, ready, settings):
        batch_id = new_batch_id(now)
        lease_until = now + timedelta(seconds=settings.recall_lease_seconds)
        with connection.begin_nested() as claim:
            taken = add_batch(connection, batch_id, group, now=now, worker=this_process(), lease_until=lease_until)
            if taken:
                batches[batch_id] = tuple(taken)
            else:
                claim.rollback()
    if not batches:
        return Claim({}, "another claim took the tasks that were ready")
    taken_tasks = sum(len(taken) for taken in batches.values())
    into = f" into {len(batches)} batches" if len(batches) > 1 else ""
    return Claim(batches, f"{taken_tasks} tasks taken{into}{held}")


def _merged(connection: Connection, ready: Sequence[Task], settings: Settings) -> list[list[str]]:
    """The ready tasks in groups that are answered together; realtime tasks apart, since they read what is not built yet."""
    limits = Limits(ratio=settings.recall_merge_ratio, cost=settings.recall_batch_cost)
    built = built_rows(connection)
    groups: list[list[str]] = []
    for realtime in (True, False):
        needs = {task.task_id: task.needs for task in ready if task.realtime is realtime}
        groups += merge(reads_of(needs, built), limits)
    return groups
