"""The commands of insights: the statistics of a task, or of a strategy over time, and a task's report."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srp_assets.cli_common import OK, Home, answer, json_option, open_home
from srp_assets.errors import Conflict, NotFound, nearest

if TYPE_CHECKING:
    from srp_assets.insights.recommend.proposal import Proposal
    from srp_assets.insights.registry_statistics import StatisticsRecord
    from srp_assets.recall.registry import Task


@click.command("statistics")
@click.argument("task_id", metavar="[TASK]", required=False)
@click.option("--strategy", metavar="ID", help="All tasks of this strategy over time, in the place of one task.")
@json_option
def statistics_command(task_id: str | None, strategy: str | None, as_json: bool) -> int:
    """What TASK found: by word, list, feature, object, product, period, and by the metrics and enums of what it recalled.

    Also which lists and words hit the same cases, what other tasks of its batch found too, and what the exemptions of its lists silence.
    Batches that the daemon has not counted yet are counted first; a refill is counted anew.
    """
    if (task_id is None) == (strategy is None):
        raise click.UsageError("name a TASK, or a strategy by --strategy ID")
    if task_id is not None:
        return _tell_task(task_id, as_json)
    return _tell_strategy(str(strategy), as_json)


@click.command("report")
@click.argument("task_id", metavar="TASK")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to write it; TASK.html by default.")
@click.option(
    "--recommend/--no-recommend",
    "recommends",
    default=None,
    help="Whether words are recommended, which takes a scan; by default where cases are marked.",
)
@json_option
def report_command(task_id: str, output: Path | None, recommends: bool | None, as_json: bool) -> int:
    """Write the report of TASK: one HTML file that needs no network.

    It has charts, cases with their hits marked, what marks say of precision, and words that are recommended for the task's lists.
    """
    from srp_assets.console import say
    from srp_assets.insights.report.building import Reports, write_page

    target = output or Path(f"{task_id}.html")
    with open_home() as home:
        _require_cases(_task(home, task_id))
        record = _counted(home, task_id, as_json)
        reports = Reports(home.engine, home.storage, home.catalogue, home.settings, record)
        wanted = reports.is_marked(task_id) if recommends is None else recommends
        proposals = _recommended(home, task_id, as_json) if wanted else []
        page = reports.html(task_id, proposals=proposals, with_others=True)
    write_page(page, target)
    if as_json:
        answer({"task_id": task_id, "file": str(target), "bytes": len(page.encode())})
    else:
        say(f"the report of {task_id} is in {target}")
    return OK


def _recommended(home: Home, task_id: str, as_json: bool) -> "list[Proposal]":
    from resources.spark import open_session
    from srp_assets.console import progress
    from srp_assets.insights.report.building import recommended
    from srp_assets.recall.service import Workshop

    workshop = Workshop(home.engine, home.storage, home.catalogue, home.settings, lambda: open_session(home.settings))
    with progress("recommend", shown=not as_json) as report:
        return recommended(workshop, task_id, progress=report)


def _tell_task(task_id: str, as_json: bool) -> int:
    from srp_assets.console_insights import print_statistics
    from srp_assets.insights.statistics.keeping import KeptStatistics

    with open_home() as home:
        task = _task(home, task_id)
        record = _counted(home, task_id, as_json)
        kept = KeptStatistics.read(home.storage, record)
        with home.engine.connect() as connection:
            found = kept.of_task(connection, home.catalogue, task_id)
    if as_json:
        answer(found.as_json())
    else:
        print_statistics(found, note=task.note)
    return OK


def _tell_strategy(strategy: str, as_json: bool) -> int:
    from srp_assets.console_insights import print_strategy
    from srp_assets.insights.statistics.over_time import strategy_statistics
    from srp_assets.recall import registry

    with open_home() as home:
        with home.engine.connect() as connection:
            tasks = registry.tasks(connection, state="done")
        own = [task for task in tasks if task.strategy == strategy]
        if not own:
            raise NotFound(
                f"no task of strategy {strategy!r} is done", where="--strategy", remedy=nearest(strategy, {task.strategy for task in tasks})
            )
        _count(home, {task.batch_id for task in own if task.batch_id and task.cases_folder is not None}, as_json)
        with home.engine.connect() as connection:
            found = strategy_statistics(connection, home.storage, strategy)
    if as_json:
        answer(found.as_json())
    else:
        print_strategy(found)
    return OK


def _task(home: Home, task_id: str) -> "Task":
    """The task, if it is done."""
    from srp_assets.recall import registry

    with home.engine.connect() as connection:
        task = registry.task(connection, task_id)
    if task.state != "done":
        remedy = f"run `srp tasks retry {task_id}`" if task.state in ("failed", "cancelled") else "run `srp recall --now`"
        raise Conflict(f"the task is {task.state}: only one that is done can be counted", where=task_id, remedy=remedy)
    return task


def _require_cases(task: "Task") -> None:
    if task.cases_folder is None:
        raise NotFound(task.note or "its cases are no longer kept", where=task.task_id, remedy="submit it again")


def _counted(home: Home, task_id: str, as_json: bool) -> "StatisticsRecord":
    """The statistics of a task's batch, up to date; of a batch whose cases are gone those that were counted while they were there.

    Raises:
        NotFound: if its cases were never counted, and are gone.
    """
    from srp_assets.insights.registry_statistics import statistics_record

    task = _task(home, task_id)
    batch_id = task.batch_id or ""
    if task.cases_folder is not None:
        _count(home, [batch_id], as_json)
    with home.engine.connect() as connection:
        record = statistics_record(connection, batch_id)
    if record is None or task_id not in record.tasks:
        raise NotFound("its cases were not counted while they were kept", where=task_id, remedy="submit it again")
    return record


def _count(home: Home, batch_ids: Iterable[str], as_json: bool) -> None:
    """Counts those of the batches that are not up to date, through Dagster, so that the UI shows it."""
    from srp_assets.console import progress
    from srp_assets.insights.registry_statistics import uncounted_batches

    with home.engine.connect() as connection:
        uncounted = uncounted_batches(connection)
    wanted = sorted(set(batch_ids) & set(uncounted))
    if not wanted:
        return
    with progress("statistics", shown=not as_json) as report:
        from srp_assets.cli_runs import LocalRuns

        with LocalRuns(home, progress=report) as runs:
            runs.count(wanted)
