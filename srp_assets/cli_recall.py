"""The commands of recall: see tasks, run what waits, read cases. Tasks are submitted by `cli_submit`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import (
    ERROR,
    INCOMPLETE,
    OK,
    Home,
    answer,
    iso,
    json_option,
    open_home,
)
from srp_assets.errors import Conflict, NotFound

if TYPE_CHECKING:
    from srp_assets.recall.batch import Cell
    from srp_assets.recall.registry import Task

SHOWN_CASES = 20
"""Cases that people are shown unless they ask for more."""


@click.command("tasks")
@click.argument("task_id", required=False, metavar="[ID]")
@click.option("--cells", "all_cells", is_flag=True, help="Show every cell of the task's ledger, not only the sums.")
@json_option
def tasks_command(task_id: str | None, all_cells: bool, as_json: bool) -> int:
    """Show all tasks, or one with its timings and its ledger."""
    from srp_assets.recall import registry

    with open_home() as home, home.engine.connect() as connection:
        if task_id is None:
            return _tell_tasks(registry.tasks(connection), as_json)
        task = registry.task(connection, task_id)
        return _tell_task(task, registry.cells(connection, task_id), all_cells, as_json)


@click.command("recall")
@click.option("--now", "at_once", is_flag=True, help="Do not wait for the window to close.")
@json_option
def recall_command(at_once: bool, as_json: bool) -> int:
    """Run the waiting tasks without the daemon: `srp recall --now`.

    Builds what they need, merges them into one batch as the sensor would, and runs it through Dagster, so that the UI shows it. A batch
    that fails is tried again. Exit code 1 if a task failed, 3 if one is not complete.
    """
    from srp_assets.console import progress, say

    if not at_once:
        raise click.UsageError("say --now: without it, the daemon's sensor runs the tasks when their window closes")
    with open_home() as home, progress("recall", shown=not as_json) as report:
        from srp_assets.cli_runs import LocalRuns

        with LocalRuns(home, progress=report) as runs:
            batch_ids = runs.recall_now()
    with open_home() as home:
        tasks = _tasks_of(home, batch_ids)
        waiting = _waiting(home)
    if as_json:
        answer({"batches": batch_ids, "tasks": [_summary(task) for task in tasks], "waiting": waiting})
    elif tasks:
        _print_tasks(f"tasks of batch {', '.join(batch_ids)}", tasks)
    else:
        say("no task waits; `srp submit STRATEGY` queues one")
    if any(task.state == "failed" for task in tasks):
        return ERROR
    return INCOMPLETE if waiting or any(not task.complete for task in tasks) else OK


@click.command("cases")
@click.argument("task_id", metavar="TASK")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help=f"At most N cases (people are shown {SHOWN_CASES} by default).")
@click.option(
    "--export",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write them to FILE.csv, .jsonl or .parquet.",
)
@json_option
def cases_command(task_id: str, limit: int | None, target: Path | None, as_json: bool) -> int:
    """Show the cases of TASK with the hits marked in their texts, or export them."""
    from srp_assets.recall import registry
    from srp_assets.recall.cases import read_cases

    with open_home() as home:
        with home.engine.connect() as connection:
            task = registry.task(connection, task_id)
        folder = _cases_folder(task)
        if target is not None:
            return _export(home, task, folder, target, limit, as_json)
        shown = limit if limit is not None or as_json else SHOWN_CASES
        cases = read_cases(home.storage, folder, task_id, limit=shown)
    if as_json:
        answer({"task_id": task_id, "total": task.cases, "cases": cases})
        return OK
    from srp_assets.console_cases import show_cases

    show_cases(cases, total=task.cases or 0, note=task.note)
    return OK


def _cases_folder(task: "Task") -> str:
    if task.state == "failed":
        reason = (task.error or {}).get("message", "")
        raise Conflict(f"the task failed: {reason}", where=task.task_id, remedy="submit it again")
    if task.state != "done":
        raise Conflict(f"the task is {task.state}: its cases come when it is done", where=task.task_id, remedy="run `srp recall --now`")
    if task.cases_folder is None:
        raise NotFound(task.note or "its cases are no longer kept", where=task.task_id, remedy="submit it again")
    return task.cases_folder


def _export(home: Home, task: "Task", folder: str, target: Path, limit: int | None, as_json: bool) -> int:
    from srp_assets.console import progress, say
    from srp_assets.recall.export import export_cases

    with progress("export", shown=not as_json) as report:
        written = export_cases(home.storage, folder, task.task_id, target, limit=limit, total=task.cases or 0, progress=report)
    if as_json:
        answer({"task_id": task.task_id, "total": task.cases, "exported": written, "file": str(target)})
    else:
        say(f"{written:,} cases written to {target}")
    return OK


def _tasks_of(home: Home, batch_ids: Sequence[str]) -> "list[Task]":
    from srp_assets.recall import registry

    with home.engine.connect() as connection:
        return [task for batch_id in batch_ids for task in registry.tasks(connection, batch_id=batch_id)]


def _waiting(home: Home) -> int:
    from srp_assets.recall import registry

    with home.engine.connect() as connection:
        return registry.count_tasks(connection).get("submitted", 0)


def _tell_tasks(tasks: "Sequence[Task]", as_json: bool) -> int:
    from srp_assets.console import say

    if as_json:
        answer({"tasks": [_summary(task) for task in tasks]})
    elif tasks:
        _print_tasks("tasks", tasks)
    else:
        say("no task was submitted yet; `srp submit STRATEGY` queues one")
    return OK


def _tell_task(task: "Task", cells: "Sequence[Cell]", all_cells: bool, as_json: bool) -> int:
    if as_json:
        answer(_summary(task) | {"cells": _by_object_and_period(cells), "timings": _timings(task)})
        return OK
    from srp_assets.console import moment, number, say, table

    say(f"{task.task_id}: {task.strategy} (version {task.version}) on {', '.join(task.products) or 'no product'}")
    rows = [
        ("state", task.state),
        ("cases", number(task.cases)),
        ("complete", _yes(task.complete)),
        ("submitted", moment(task.submitted_at)),
        ("started", moment(task.started_at)),
        ("finished", moment(task.finished_at)),
        ("attempts", task.attempts),
        ("batch", task.batch_id),
        ("published from", moment(task.published_from)),
        ("published before", moment(task.published_to)),
        ("note", task.note),
        ("error", (task.error or {}).get("message")),
    ]
    table("", ("", ""), [row for row in rows if row[1] not in (None, "")])
    sums = _by_object_and_period(cells)
    if not all_cells:
        sums = _by_object(sums)
    columns = ("object", "period" if all_cells else "periods", "present", "scanned", "matched")
    named = [(cell["object"], cell["period"], number(cell["present"]), number(cell["scanned"]), number(cell["matched"])) for cell in sums]
    if named:
        table("ledger", columns, named, right=("periods", "present", "scanned", "matched"))
    return OK


def _by_object_and_period(cells: "Sequence[Cell]") -> list[dict[str, Any]]:
    """The ledger as users know it: the cells of all products of a period together."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in cells:
        found = sums.setdefault(
            (cell.object, cell.period), {"object": cell.object, "period": cell.period, "present": 0, "scanned": 0, "matched": 0}
        )
        for name in ("present", "scanned", "matched"):
            found[name] += getattr(cell, name)
    return list(sums.values())


def _by_object(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[str, dict[str, Any]] = {}
    for cell in cells:
        found = sums.setdefault(cell["object"], {"object": cell["object"], "period": 0, "present": 0, "scanned": 0, "matched": 0})
        found["period"] += 1
        for name in ("present", "scanned", "matched"):
            found[name] += cell[name]
    return list(sums.values())


def _summary(task: "Task") -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "strategy": task.strategy,
        "version": task.version,
        "products": list(task.products),
        "from": iso(task.published_from),
        "to": iso(task.published_to),
        "state": task.state,
        "complete": task.complete,
        "cases": task.cases,
        "note": task.note,
        "batch": task.batch_id,
        "attempts": task.attempts,
        "submitted_at": iso(task.submitted_at),
        "finished_at": iso(task.finished_at),
        "error": task.error,
    }


def _timings(task: "Task") -> dict[str, Any]:
    return {
        "submitted_at": iso(task.submitted_at),
        "batched_at": iso(task.batched_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "waited_seconds": _seconds(task.submitted_at, task.started_at),
        "ran_seconds": _seconds(task.started_at, task.finished_at),
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def _print_tasks(title: str, tasks: "Sequence[Task]") -> None:
    from srp_assets.console import moment, number, shortened, table

    rows = [
        (
            task.task_id,
            task.strategy,
            task.state,
            number(task.cases),
            _yes(task.complete),
            _duration(_seconds(task.submitted_at, task.started_at)),
            _duration(_seconds(task.started_at, task.finished_at)),
            moment(task.submitted_at),
            shortened((task.error or {}).get("message") or task.note or "", 60),
        )
        for task in tasks
    ]
    columns = ("task", "strategy", "state", "cases", "complete", "waited", "ran", "submitted", "note")
    table(title, columns, rows, right=("cases", "waited", "ran"))


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "NO"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f} s"
