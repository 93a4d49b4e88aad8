"""How a task is written for machines: in `srp tasks --json`, and in what is told to the address of notifications."""

from datetime import datetime
from typing import Any

from srp_assets.recall.registry import Task
from srp_assets.recall.tasks import ENDED
from srp_assets.strategy.times import iso_utc


def task_summary(task: Task) -> dict[str, Any]:
    """A task without its ledger."""
    return {
        "task_id": task.task_id,
        "strategy": task.strategy,
        "version": task.version,
        "products": list(task.products),
        "from": _iso(task.published_from),
        "to": _iso(task.published_to),
        "state": task.state,
        "urgent": task.urgent,
        "realtime": task.realtime,
        "follow": task.follow,
        "refills": task.refills,
        "complete": task.complete,
        "cases": task.cases,
        "note": task.note,
        "batch": task.batch_id,
        "attempts": task.attempts,
        "submitted_at": _iso(task.submitted_at),
        "finished_at": _iso(task.finished_at),
        "refilled_at": _iso(task.refilled_at),
        "error": task.error,
    }


def task_timings(task: Task, *, slo_minutes: float, now: datetime) -> dict[str, Any]:
    """How long a task waited for its (last) start, ran, and took in all since it was queued; of one that has not ended, up to now.

    `within_slo` is None while both may still come true.
    """
    total = _seconds(task.queued_at, task.finished_at or now)
    late = total is not None and total > slo_minutes * 60
    return {
        "submitted_at": _iso(task.submitted_at),
        "retried_at": _iso(task.retried_at),
        "batched_at": _iso(task.batched_at),
        "started_at": _iso(task.started_at),
        "finished_at": _iso(task.finished_at),
        "waited_seconds": _seconds(task.queued_at, task.started_at),
        "ran_seconds": _seconds(task.started_at, task.finished_at),
        "total_seconds": total if task.state in ENDED else None,
        "within_slo": False if late else True if task.state in ENDED else None,
    }


def _iso(value: datetime | None) -> str | None:
    return None if value is None else iso_utc(value)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
