"""Tells an address of the user's own when a task has ended: a POST of what `srp tasks ID --json` says of it, without its ledger.

At least once: whoever listens recognises a repetition by the header `X-SRP-Delivery` (`resources/webhook.py` has what is sent). Telling is
nobody's task to wait for: it happens beside the runs, gives up on an answer after seconds, and is repeated ever more seldom.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from pydantic import SecretStr
from sqlalchemy import Engine

from resources.webhook import ANSWER_SECONDS, post
from srp_assets.recall import registry_outbox
from srp_assets.recall.registry import Task
from srp_assets.recall.registry_outbox import Notice
from srp_assets.recall.shown_task import task_summary, task_timings
from srp_assets.settings import Settings

ROUND_SECONDS = 20.0
"""How long one round takes at most, but for the last answer: well within the time of a sensor's tick."""

ROUND_NOTICES = 100
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=1)

MOST_TRIES = 72
"""After about three days nobody is told any more: the task list says it all the same."""


@dataclass(frozen=True)
class Round:
    """What a round of telling came to; `problem` is the last one, in a line without the address."""

    told: int
    failed: int
    given_up: int
    problem: str | None


def tell_ended(engine: Engine, settings: Settings, *, now: datetime | None = None) -> Round:
    """Tells of all ends that are due, for `ROUND_SECONDS` at most; never raises on account of the receiver."""
    now = now or datetime.now(UTC)
    if settings.notify_url is None:
        with engine.connect() as connection:
            waiting = registry_outbox.due_notices(connection, now, limit=1)
        if waiting:
            with engine.begin() as connection:
                registry_outbox.drop_notices(connection, now)
        return Round(0, 0, 0, None)
    with engine.connect() as connection:
        due = registry_outbox.due_notices(connection, now, limit=ROUND_NOTICES)
    end = monotonic() + ROUND_SECONDS
    told = failed = given_up = 0
    problem: str | None = None
    for task_id, tries, seen_at in due:
        if monotonic() > end:
            break
        with engine.begin() as connection:
            notice = registry_outbox.take_notice(connection, task_id, seen_at, now + pause_after(tries))
        if notice is None:
            continue
        refused = send(settings.notify_url, settings.notify_secret, notice, slo_minutes=settings.recall_slo_minutes)
        last = refused is not None and notice.tries >= MOST_TRIES
        if refused is None or last:
            with engine.begin() as connection:
                registry_outbox.settle_notice(connection, notice)
        told += refused is None
        failed += refused is not None
        given_up += last
        problem = refused or problem
    return Round(told, failed, given_up, problem)


def pause_after(tries: int) -> timedelta:
    """How long is waited after so many tries before the next: twice as long each time, up to an hour."""
    return min(FIRST_PAUSE * 2 ** min(tries, 20), LONGEST_PAUSE)


def send(address: SecretStr, secret: SecretStr | None, notice: Notice, *, slo_minutes: float) -> str | None:
    """Posts one notice; returns what went wrong, or None if the receiver took it (2xx)."""
    delivery = f"{notice.task.task_id}/{notice.task.state}/{notice.task.finished_at:%Y%m%dT%H%M%S%f}"
    return post(address, secret, notice_body(notice.task, slo_minutes=slo_minutes), delivery, answer_seconds=ANSWER_SECONDS)


def notice_body(task: Task, *, slo_minutes: float) -> bytes:
    """The JSON that is told of a task that has ended."""
    timings = task_timings(task, slo_minutes=slo_minutes, now=datetime.now(UTC))
    return json.dumps(task_summary(task) | {"timings": timings}, ensure_ascii=False).encode()
