"""What the command line shows people of tasks: the list, one task with its ledger, and a line for each change of state."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from srp_assets.console import harmless, moment, number, say, shortened, table
from srp_assets.recall.registry import Task
from srp_assets.recall.shown_task import task_timings
from srp_assets.settings import Settings

SUMMED = ("present", "scanned", "matched", "reopened", "from_landing")


def print_tasks(title: str, tasks: Sequence[Task], settings: Settings) -> None:
    """Prints tasks one a line; those that miss the objective for their time are marked as late."""
    rows = []
    for task in tasks:
        timings = timings_now(task, settings)
        rows.append(
            (
                task.task_id,
                task.strategy,
                task.state,
                number(task.cases),
                _yes(task.complete),
                _duration(timings["waited_seconds"]),
                _duration(timings["ran_seconds"]),
                "late" if timings["within_slo"] is False else "",
                moment(task.submitted_at),
                shortened((task.error or {}).get("message") or task.note or "", 60),
            )
        )
    columns = ("task", "strategy", "state", "cases", "complete", "waited", "ran", "", "submitted", "note")
    table(title, columns, rows, right=("cases", "waited", "ran"))


def print_task(task: Task, settings: Settings) -> None:
    """Prints all that is known of one task but its ledger."""
    say(f"{task.task_id}: {task.strategy} (version {task.version}) on {', '.join(task.products) or 'no product'}")
    timings = timings_now(task, settings)
    late = f", more than the {settings.recall_slo_minutes:g} minutes that it should have" if timings["within_slo"] is False else ""
    rows = [
        ("state", task.state),
        ("cases", number(task.cases)),
        ("complete", _yes(task.complete)),
        ("urgent", "yes" if task.urgent else None),
        ("in real time", "yes" if task.realtime else None),
        ("follows what lands", "yes" if task.follow else None),
        ("submitted", moment(task.submitted_at)),
        ("queued again", moment(task.retried_at)),
        ("started", moment(task.started_at)),
        ("finished", moment(task.finished_at)),
        ("refilled", f"{moment(task.refilled_at)} ({number(task.refills)} times)" if task.refills else None),
        ("took", _duration(timings["total_seconds"]) + late if timings["total_seconds"] is not None or late else None),
        ("attempts", task.attempts),
        ("batch", task.batch_id),
        ("published from", moment(task.published_from)),
        ("published before", moment(task.published_to)),
        ("note", task.note),
        ("error", (task.error or {}).get("message")),
    ]
    table("", ("", ""), [row for row in rows if row[1] not in (None, "")])


def print_ledger(sums: Sequence[dict[str, Any]], *, all_cells: bool) -> None:
    """Prints the cells of a task, or the sums over the periods of each object."""
    if not sums:
        return
    columns = ("object", "period" if all_cells else "periods", "present", "scanned", "matched", "")
    rows = [
        (cell["object"], cell["period"], number(cell["present"]), number(cell["scanned"]), number(cell["matched"]), _remark(cell))
        for cell in (sums if all_cells else _by_object(sums))
    ]
    table("ledger", columns, rows, right=("periods", "present", "scanned", "matched"))


def change_line(task: Task) -> str:
    """One line for the state that a task has come to."""
    cases = f", {number(task.cases)} cases{'' if task.complete else ', NOT complete'}" if task.state == "done" else ""
    reason = (task.error or {}).get("message") if task.state in ("failed", "batched") else None
    return harmless(f"{moment(datetime.now(UTC))}  {task.task_id}  {task.strategy}  {task.state}{cases}{f': {reason}' if reason else ''}")


def timings_now(task: Task, settings: Settings) -> dict[str, Any]:
    """The timings of a task as of now."""
    return task_timings(task, slo_minutes=settings.recall_slo_minutes, now=datetime.now(UTC))


def _by_object(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[str, dict[str, Any]] = {}
    for cell in cells:
        found = sums.setdefault(cell["object"], {**cell, "period": 0, **dict.fromkeys(SUMMED, 0)})
        found["period"] += 1
        for name in SUMMED:
            found[name] += cell[name]
    return list(sums.values())


def _remark(cell: dict[str, Any]) -> str:
    """What is special about a cell, or how many of the cells that were summed it holds for."""
    remarks = {"reopened": cell["reopened"], "read from landing": cell["from_landing"]}
    return ", ".join(remark if holds is True else f"{number(holds)} {remark}" for remark, holds in remarks.items() if holds)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "NO"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f} s"
