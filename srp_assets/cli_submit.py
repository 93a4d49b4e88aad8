"""The command `srp submit`: queue tasks."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from srp_assets.cli_common import OK, answer, json_option, open_home, product_option, range_options


@click.command("submit")
@click.argument("strategy")
@product_option
@range_options("recalled rows published")
@click.option("--urgent", is_flag=True, help="Close the window at once, with all tasks that are ready.")
@click.option("--realtime", is_flag=True, help="Do not wait for builds: read what landed and is not built yet.")
@click.option("--follow", is_flag=True, help="Refill the task by itself when data lands later.")
@json_option
def submit_command(
    strategy: str,
    products: Sequence[str],
    since: datetime | None,
    before: datetime | None,
    urgent: bool,
    realtime: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Queue a task that runs STRATEGY; prints the task's id.

    The task keeps the newest versions of now, and answers as of everything that has landed before it. It runs with the next window, or at
    once by `srp recall --now`.
    """
    from srp_assets.recall.submission import submit

    with open_home() as home, home.engine.begin() as connection:
        task_id = submit(
            connection,
            home.catalogue,
            strategy,
            products=products,
            published_from=since,
            published_to=before,
            urgent=urgent,
            realtime=realtime,
            follow=follow,
            now=datetime.now(UTC),
        )
    if as_json:
        answer({"task_id": task_id})
    else:
        click.echo(task_id)
    return OK
