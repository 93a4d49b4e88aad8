"""The commands on tasks: see them, watch them, cancel them, try them again, refill them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import ERROR, INCOMPLETE, OK, Home, answer, iso, json_option, open_home
from srp_assets.cli_refill import refill_command

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from srp_assets.recall.batch import Cell
    from srp_assets.recall.refill.reopened import Reopened
    from srp_assets.recall.registry import Task
    from srp_assets.recall.registry_estimates import Estimate

WATCH_SECONDS = 1.0
"""How often a watched task is looked at: one small query."""

SHOW = "show"


class TaskCommands(click.Group):
    """A group that shows tasks where no command of it is named: `srp tasks`, `srp tasks ID`. Ids begin with `t-`, no command does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the command in that is left out."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


@click.group("tasks", cls=TaskCommands)
def tasks_command() -> None:
    """Show all tasks, or one, as `show` does; watch them, cancel them, try them again, refill them.

    `srp tasks [ID]` is short for `srp tasks show [ID]` and takes the same options: --cells, --watch, --json.
    """


tasks_command.add_command(refill_command)


@tasks_command.command(SHOW)
@click.argument("task_id", required=False, metavar="[ID]")
@click.option("--cells", "all_cells", is_flag=True, help="Show every cell of the task's ledger, not only the sums.")
@click.option("--watch", is_flag=True, help="Say each change of state, a line for each, until the tasks have ended.")
@json_option
def show_command(task_id: str | None, all_cells: bool, watch: bool, as_json: bool) -> int:
    """Show all tasks, or one with its timings and its ledger; `show` may be left out.

    With --watch: the task, or all that have not ended and those that come meanwhile. Exit code 1 then if one failed, 3 if one is not
    complete.
    """
    from srp_assets.recall import registry
    from srp_assets.recall.registry_estimates import estimate_of

    with open_home() as home:
        if watch:
            return _watch(home, task_id, as_json)
        with home.engine.connect() as connection:
            if task_id is None:
                return _tell_tasks(home, registry.tasks(connection), as_json)
            task = registry.task(connection, task_id)
            cells, reopened = registry.cells(connection, task_id), _reopened(connection, home, task)
            return _tell_task(home, task, cells, reopened, estimate_of(connection, task_id), all_cells, as_json)


@tasks_command.command("cancel")
@click.argument("task_ids", metavar="ID..", nargs=-1, required=True)
@json_option
def cancel_command(task_ids: Sequence[str], as_json: bool) -> int:
    """Cancel tasks: what waits is not taken, and of what runs no result is recorded. All of them are cancelled, or none."""
    from srp_assets.recall.registry_tasks import cancel_task

    return _change(cancel_task, task_ids, as_json)


@tasks_command.command("retry")
@click.argument("task_ids", metavar="ID..", nargs=-1, required=True)
@json_option
def retry_command(task_ids: Sequence[str], as_json: bool) -> int:
    """Queue tasks again that failed or were cancelled, with the versions and data that they were submitted with; all of them, or none."""
    from srp_assets.recall.registry_tasks import retry_task

    return _change(retry_task, task_ids, as_json)


def _change(change: "Callable[..., Task]", task_ids: Sequence[str], as_json: bool) -> int:
    from srp_assets.console import say
    from srp_assets.recall.shown_task import task_summary

    with open_home() as home, home.engine.begin() as connection:
        # In one order for all who change several at once: they would wait for each other otherwise.
        changed = {task_id: change(connection, task_id, now=datetime.now(UTC)) for task_id in sorted(set(task_ids))}
    tasks = [changed[task_id] for task_id in dict.fromkeys(task_ids)]
    if as_json:
        answer({"tasks": [task_summary(task) for task in tasks]})
    else:
        for task in tasks:
            say(f"{task.task_id} is {task.state}")
    return OK


def _watch(home: Home, task_id: str | None, as_json: bool) -> int:
    """Says every state that a watched task is seen in, until all have ended."""
    from srp_assets.console import say
    from srp_assets.recall.tasks import ENDED

    seen: dict[str, str] = {}
    watched: list[Task] = []
    pause = Event()
    while True:
        with home.engine.connect() as connection:
            watched = _watched(connection, task_id, seen)
        for task in watched:
            if seen.get(task.task_id) != task.state:
                seen[task.task_id] = task.state
                _say_change(task, as_json)
        if all(task.state in ENDED for task in watched):
            break
        pause.wait(WATCH_SECONDS)
    if not watched and not as_json:
        say("no task is under way; `srp submit STRATEGY` queues one")
    if any(task.state == "failed" for task in watched):
        return ERROR
    return INCOMPLETE if any(task.state == "done" and not task.complete for task in watched) else OK


def _watched(connection: "Connection", task_id: str | None, seen: dict[str, str]) -> "list[Task]":
    from srp_assets.recall import registry

    if task_id is not None:
        return [registry.task(connection, task_id)]
    return registry.tasks_under_way(connection, also=seen)


def _say_change(task: "Task", as_json: bool) -> None:
    from srp_assets.console import say
    from srp_assets.console_tasks import change_line
    from srp_assets.recall.shown_task import task_summary

    if as_json:
        answer({"at": iso(datetime.now(UTC)), **task_summary(task)})
    else:
        say(change_line(task))


def _tell_tasks(home: Home, tasks: "Sequence[Task]", as_json: bool) -> int:
    from srp_assets.console import say
    from srp_assets.console_tasks import print_tasks, timings_now
    from srp_assets.recall.shown_task import task_summary

    if as_json:
        answer({"tasks": [task_summary(task) | {"timings": timings_now(task, home.settings)} for task in tasks]})
    elif tasks:
        print_tasks("tasks", tasks, home.settings)
    else:
        say("no task was submitted yet; `srp submit STRATEGY` queues one")
    return OK


def _reopened(connection: "Connection", home: Home, task: "Task") -> "Sequence[Reopened]":
    from srp_assets.recall.refill.reopened import ledger_of

    ledger = ledger_of(connection, home.catalogue, task)
    return () if ledger is None else ledger.reopened


def _tell_task(
    home: Home,
    task: "Task",
    cells: "Sequence[Cell]",
    reopened: "Sequence[Reopened]",
    estimate: "Estimate | None",
    all_cells: bool,
    as_json: bool,
) -> int:
    from srp_assets.console import hint
    from srp_assets.console_estimate import print_estimate
    from srp_assets.console_tasks import print_ledger, print_task, timings_now
    from srp_assets.recall.registry_estimates import estimate_json
    from srp_assets.recall.shown_task import task_summary

    sums = _by_object_and_period(cells, reopened)
    if as_json:
        estimated = {"estimate": None if estimate is None else estimate_json(estimate)}
        answer(task_summary(task) | {"cells": sums, "timings": timings_now(task, home.settings)} | estimated)
    else:
        print_task(task, home.settings)
        if estimate is not None:
            print_estimate(estimate, task)
        print_ledger(sums, all_cells=all_cells)
        if reopened:
            hint(f"{len(reopened):,} cells are reopened by what landed later; `srp tasks refill {task.task_id}` brings the task up to date")
    return OK


def _by_object_and_period(cells: "Sequence[Cell]", reopened: "Sequence[Reopened]") -> list[dict[str, Any]]:
    """The ledger as users know it: the cells of all products of a period together, and periods that are new in the task's range."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in cells:
        found = sums.setdefault((cell.object, cell.period), _empty_cell(cell.object, cell.period))
        for name in ("present", "scanned", "matched"):
            found[name] += getattr(cell, name)
        found["from_landing"] |= not cell.build_id
    for new in reopened:
        sums.setdefault((new.object, new.period.period), _empty_cell(new.object, new.period.period))["reopened"] = True
    return [sums[place] for place in sorted(sums)]


def _empty_cell(object_name: str, period: str) -> dict[str, Any]:
    return {"object": object_name, "period": period, "present": 0, "scanned": 0, "matched": 0, "from_landing": False, "reopened": False}
