"""The commands of recall: run what waits, read cases. Tasks are submitted by `cli_submit`, and seen by `cli_tasks`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srp_assets.cli_common import (
    ERROR,
    INCOMPLETE,
    OK,
    Home,
    answer,
    json_option,
    open_home,
)
from srp_assets.errors import Conflict, NotFound

if TYPE_CHECKING:
    from srp_assets.recall.registry import Task

SHOWN_CASES = 20
"""Cases that people are shown unless they ask for more."""


@click.command("recall")
@click.option("--now", "at_once", is_flag=True, help="Do not wait for the window to close.")
@json_option
def recall_command(at_once: bool, as_json: bool) -> int:
    """Run the waiting tasks without the daemon: `srp recall --now`.

    Builds what they need, merges them into one batch as the sensor would, and runs it through Dagster, so that the UI shows it. A batch
    that fails is tried again. Then the standing word lists are looked for where they were not, for the next tasks. Exit code 1 if a task
    failed, 3 if one is not complete.
    """
    from srp_assets.console import hint, progress, say
    from srp_assets.console_tasks import print_tasks
    from srp_assets.recall.notifications import tell_ended
    from srp_assets.recall.shown_task import task_summary

    if not at_once:
        raise click.UsageError("say --now: without it, the daemon's sensor runs the tasks when their window closes")
    with open_home() as home, progress("recall", shown=not as_json) as report:
        from srp_assets.cli_runs import LocalRuns

        with LocalRuns(home, progress=report) as runs:
            batch_ids = runs.recall_now()
            not_kept = runs.keep_hits()
    with open_home() as home:
        unheard = tell_ended(home.engine, home.settings).problem
        tasks = _tasks_of(home, batch_ids)
        waiting = _waiting(home)
    if as_json:
        answer({"batches": batch_ids, "tasks": [task_summary(task) for task in tasks], "waiting": waiting})
    elif tasks:
        print_tasks(f"tasks of batch {', '.join(batch_ids)}", tasks, home.settings)
    else:
        say("no task waits; `srp submit STRATEGY` queues one")
    if unheard is not None and not as_json:
        hint(f"not every end of a task could be told to SRP_NOTIFY_URL: {unheard}; the daemon tries again")
    if not_kept is not None and not as_json:
        hint(f"the standing word lists could not be looked for: {not_kept}; `srp build` tries again")
    if any(task.state == "failed" for task in tasks):
        return ERROR
    return INCOMPLETE if waiting or any(task.state == "done" and not task.complete for task in tasks) else OK


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
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Export a sheet to mark: N cases at random, by word and list.")
@click.option(
    "--controls", type=click.IntRange(min=1), metavar="N", help="With --sample: also N rows that are no cases, most near the topic."
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="S", help="Of --sample: the same seed draws the same sheet.")
@click.option("--withdrawn", is_flag=True, help="Show the cases that a refill found to hold no longer, and the builds that did it.")
@json_option
def cases_command(
    task_id: str,
    limit: int | None,
    target: Path | None,
    sample: int | None,
    controls: int | None,
    seed: int,
    withdrawn: bool,
    as_json: bool,
) -> int:
    """Show the cases of TASK with the hits marked in their texts, or export them.

    With --sample the file (.csv or .jsonl) is a sheet: fill in its verdicts, `srp marks import` it, and `srp precision` says how right all
    cases are. With --controls it also says what is missed, and how right the words are that `srp lists recommend` finds.
    """
    from srp_assets.recall import registry
    from srp_assets.recall.cases import read_cases

    with open_home() as home:
        with home.engine.connect() as connection:
            task = registry.task(connection, task_id)
        folder = _cases_folder(task)
        if sample is not None or controls is not None:
            return _tell_sheet(home, task, folder, target, sample, controls or 0, seed, as_json)
        if withdrawn:
            if target is not None:
                raise click.UsageError("--withdrawn cannot be exported")
            return _tell_withdrawn(home, task, limit, as_json)
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


def _tell_sheet(
    home: Home, task: "Task", folder: str, target: Path | None, sample: int | None, controls: int, seed: int, as_json: bool
) -> int:
    from srp_assets.cli_marks import tell_sheet

    if sample is None:
        raise click.UsageError("--controls needs --sample")
    if target is None:
        raise click.UsageError("--sample needs --export FILE")
    return tell_sheet(home, task, folder, target, size=sample, controls=controls, seed=seed, as_json=as_json)


def _tell_withdrawn(home: Home, task: "Task", limit: int | None, as_json: bool) -> int:
    from srp_assets.console_cases import show_withdrawn
    from srp_assets.recall.refill.refilled_cases import read_withdrawn
    from srp_assets.recall.registry_refills import refill

    with home.engine.connect() as connection:
        done = refill(connection, task)
    shown = limit if limit is not None or as_json else SHOWN_CASES
    cases = [] if done is None else read_withdrawn(home.storage, done.folder, limit=shown)
    total = 0 if done is None else done.withdrawn_in_all
    if as_json:
        answer({"task_id": task.task_id, "total": total, "cases": cases})
    else:
        show_withdrawn(cases, total=total)
    return OK


def _cases_folder(task: "Task") -> str:
    if task.state == "failed":
        reason = (task.error or {}).get("message", "")
        raise Conflict(f"the task failed: {reason}", where=task.task_id, remedy=f"run `srp tasks retry {task.task_id}`")
    if task.state == "cancelled":
        raise Conflict("the task was cancelled", where=task.task_id, remedy=f"run `srp tasks retry {task.task_id}`")
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
