"""The command `srp submit`: queue tasks, alone or in slices, or say before what one would find."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, Home, answer, iso, json_option, open_home, product_option, range_options

if TYPE_CHECKING:
    from srp_assets.recall.batch import TaskSpec
    from srp_assets.recall.estimate.plan_estimate import DryRun
    from srp_assets.recall.slices import Slice
    from srp_assets.warehouse.periods import Unit

SHOWN_CASES = 10
"""Cases of the sample that are shown."""


@click.command("submit")
@click.argument("strategy")
@product_option
@range_options("recalled rows published")
@click.option("--urgent", is_flag=True, help="Close the window at once, with all tasks that are ready.")
@click.option("--realtime", is_flag=True, help="Do not wait for builds: read what landed and is not built yet.")
@click.option("--follow", is_flag=True, help="Refill the task by itself when data lands later.")
@click.option("--slice", "unit", type=click.Choice(["hour", "day", "month", "year"]), help="A task for each slice of --from to --to.")
@click.option("--yes", is_flag=True, help="Queue it also where it returns a large share of everything.")
@click.option("--dry-run", is_flag=True, help="Queue nothing: say what would be read, and estimate cases and time on a sample.")
@json_option
def submit_command(
    strategy: str,
    products: Sequence[str],
    since: datetime | None,
    before: datetime | None,
    urgent: bool,
    realtime: bool,
    follow: bool,
    unit: "Unit | None",
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Queue a task that runs STRATEGY; prints the task's id.

    The task keeps the newest versions of now, and answers as of everything that has landed before it. It runs with the next window, or at
    once by `srp recall --now`. With --slice, slices that have a task already are found again instead of being queued twice.
    """
    from srp_assets.recall.submission import new_task, queue

    if dry_run and (urgent or realtime or follow or unit or yes):
        raise click.UsageError("--dry-run queues nothing: it goes with --product, --from and --to alone")
    with open_home() as home:
        with home.engine.connect() as connection:
            task = new_task(connection, home.catalogue, strategy, products=products, published_from=since, published_to=before)
        if dry_run:
            return _dry_run(home, task, as_json)
        if not yes:
            _require_bearable(home, task)
        options: dict[str, Any] = {"realtime": realtime, "follow": follow, "urgent": urgent, "now": datetime.now(UTC)}
        if unit is not None:
            return _submit_slices(home, task, unit, options, as_json)
        with home.engine.begin() as connection:
            queue(connection, home.catalogue, task, **options)
    if as_json:
        answer({"task_id": task.task_id})
    else:
        click.echo(task.task_id)
    return OK


def _require_bearable(home: Home, task: "TaskSpec") -> None:
    from srp_assets.recall.estimate.quick_look import require_bearable_share
    from srp_assets.recall.pins import current_pins

    with home.engine.connect() as connection:
        builds = current_pins(connection, home.catalogue, [task]).builds
        require_bearable_share(connection, home.storage, home.catalogue, task, builds, limit=home.settings.recall_share_limit)


def _submit_slices(home: Home, task: "TaskSpec", unit: "Unit", options: dict[str, Any], as_json: bool) -> int:
    from srp_assets.recall.slices import cut, queue_slices

    ranges = cut(home.catalogue, task.published_from, task.published_to, unit)
    with home.engine.begin() as connection:
        slices = queue_slices(connection, home.catalogue, task, ranges, **options)
    if as_json:
        answer({"slices": [_slice(found) for found in slices]})
    else:
        _print_slices(slices)
    return OK


def _slice(found: "Slice") -> dict[str, Any]:
    return {
        "task_id": found.task_id,
        "from": iso(found.published_from),
        "to": iso(found.published_to),
        "state": found.state,
        "existed": found.existed,
    }


def _print_slices(slices: "Sequence[Slice]") -> None:
    from srp_assets.console import hint, moment, say, table

    rows = [
        (part.task_id, moment(part.published_from), moment(part.published_to), f"{part.state}{', was there' if part.existed else ''}")
        for part in slices
    ]
    table("slices", ("task", "published from", "before", "state"), rows)
    there = [part for part in slices if part.existed]
    say(f"{len(slices) - len(there):,} tasks queued, {len(there):,} were there already")
    broken = [part.task_id for part in there if part.state in ("failed", "cancelled")]
    if broken:
        hint(f"run those that failed or were cancelled again: srp tasks retry {' '.join(broken)}")


def _dry_run(home: Home, task: "TaskSpec", as_json: bool) -> int:
    from resources.spark import open_session
    from srp_assets.console import progress
    from srp_assets.recall.estimate import plan_estimate
    from srp_assets.recall.registry_estimates import add_estimate
    from srp_assets.recall.service import Workshop

    workshop = Workshop(home.engine, home.storage, home.catalogue, home.settings, lambda: open_session(home.settings))
    with progress("dry run", shown=not as_json) as report:
        report("starting Spark", 0, 0)
        found = plan_estimate.dry_run(workshop, task, shown_cases=SHOWN_CASES, progress=report)
    with home.engine.begin() as connection:
        add_estimate(connection, task, found.estimate, now=datetime.now(UTC))
    if as_json:
        answer(_described(task, found))
    else:
        from srp_assets.console_estimate import print_dry_run

        print_dry_run(task, found)
    return OK


def _described(task: "TaskSpec", found: "DryRun") -> dict[str, Any]:
    from srp_assets.recall.registry_estimates import estimate_json

    return {
        "strategy": task.strategy.id,
        "version": task.strategy.version,
        "documents": task.strategy.documents,
        "products": list(task.products),
        "from": iso(task.published_from),
        "to": iso(task.published_to),
        "plan": [vars(object_) | {"sentence": object_.sentence()} for object_ in found.objects],
        "unbuilt": len(found.unbuilt),
        "measured_batches": found.measured,
        "estimate": estimate_json(found.estimate),
        "sample": {"total": found.estimate.sample_cases, "cases": found.cases},
    }
