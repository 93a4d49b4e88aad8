"""Which following tasks are to be refilled now: those for which data landed since, once all of it is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from srp_assets.recall.refill.reopened import Ledger, ledgers
from srp_assets.recall.registry import tasks
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.reopening import FIRST_WAIT, LONGEST_WAIT, Asked


@dataclass(frozen=True)
class Following:
    """The following tasks that something has reopened: what each that can be refilled would be brought up to, and how many wait."""

    ready: Mapping[str, str]
    waiting: int


def reopened_following(connection: Connection, catalogue: Catalogue) -> Following:
    """Looks at the ledgers of all tasks that follow."""
    followers = [task for task in tasks(connection, state="done") if task.follow and task.cases_folder is not None]
    reopened = [ledger for ledger in ledgers(connection, catalogue, followers) if ledger.reopened]
    ready = {ledger.task.task_id: _target(ledger) for ledger in reopened if not ledger.unbuilt}
    return Following(ready, len(reopened) - len(ready))


def due_refills(
    ready: Mapping[str, str], memory: Mapping[str, Asked], now: datetime, *, at_most: int
) -> tuple[list[str], dict[str, Asked]]:
    """The tasks to ask for now, and what to remember.

    A task that was asked for and would still be brought up to the same has failed: it waits twice as long each time.

    Args:
        ready: what each task would be brought up to.
        memory: what was asked for before.
        now: the time.
        at_most: so many are asked for together; others when these are done.
    """
    asked: list[str] = []
    remembered: dict[str, Asked] = {}
    for task_id, target in ready.items():
        before = memory.get(task_id)
        if before is not None and before.as_of == target and now < before.again_at:
            remembered[task_id] = before
            continue
        if len(asked) == at_most:
            continue
        times = before.times + 1 if before is not None and before.as_of == target else 1
        wait: timedelta = min(FIRST_WAIT * 2 ** min(times - 1, 16), LONGEST_WAIT)
        asked.append(task_id)
        remembered[task_id] = Asked(target, times, now + wait)
    return asked, remembered


def _target(ledger: Ledger) -> str:
    """Names what a refill would do: another refill, or another build, is another target."""
    builds = sorted({cell.build_id for cell in ledger.reopened})
    return f"{ledger.task.refills}:{sha256(repr(builds).encode()).hexdigest()[:16]}"
