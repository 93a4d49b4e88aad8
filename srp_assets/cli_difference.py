"""The command `srp diff`: what a version of a strategy adds and loses against another."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, Moment, answer, iso, json_option, open_home, product_option, range_options
from srp_assets.errors import InvalidInput

if TYPE_CHECKING:
    from srp_assets.recall.batch import TaskSpec
    from srp_assets.recall.difference.changes import Change
    from srp_assets.recall.difference.plan_difference import Compared

SHOWN_CASES = 5
"""Cases that are shown of what was added, lost and kept, each."""


@click.command("diff")
@click.argument("strategy")
@click.option(
    "--old", "old_version", type=click.IntRange(min=1), metavar="N", help="The old side; the version before the new side's by default."
)
@click.option("--new", "new_version", type=click.IntRange(min=1), metavar="M", help="The new side; the newest version by default.")
@click.option("--before", "moment", type=Moment(), metavar="TIME", help="The old side is everything as it stood before TIME, lists too.")
@product_option
@range_options("recalled rows published")
@click.option("--limit", type=click.IntRange(min=0), default=SHOWN_CASES, show_default=True, metavar="N", help="Cases shown of each kind.")
@json_option
def diff_command(
    strategy: str,
    old_version: int | None,
    new_version: int | None,
    moment: datetime | None,
    products: Sequence[str],
    since: datetime | None,
    before: datetime | None,
    limit: int,
    as_json: bool,
) -> int:
    """What one version of STRATEGY adds and loses against another, on the same data.

    Each version runs with the word lists, rules and values as they stood while it was the newest; the newest one with those of now. Both
    run as one batch over what is built; nothing is queued or kept. Exit code 3 if some of the data is not built yet and was not compared.
    """
    from resources.spark import open_session
    from srp_assets.console import progress
    from srp_assets.recall.difference.changes import changes
    from srp_assets.recall.difference.plan_difference import compare
    from srp_assets.recall.service import Workshop

    if moment is not None and (old_version is not None or new_version is not None):
        raise click.UsageError("--before names the old side: leave --old and --new out")
    with open_home() as home:
        old, new = _sides(
            home, strategy, old_version, new_version, moment, {"products": products, "published_from": since, "published_to": before}
        )
        workshop = Workshop(home.engine, home.storage, home.catalogue, home.settings, lambda: open_session(home.settings))
        with progress("diff", shown=not as_json) as report:
            found = compare(workshop, old, new, shown=limit, progress=report)
    changed = changes(old.strategy, new.strategy)
    if as_json:
        answer(_described(old, new, changed, found))
    else:
        from srp_assets.console_difference import print_difference

        print_difference(old, new, changed, found)
    return INCOMPLETE if found.notes or found.unbuilt else OK


def _sides(
    home: Home, strategy_id: str, old_version: int | None, new_version: int | None, moment: datetime | None, options: dict[str, Any]
) -> "tuple[TaskSpec, TaskSpec]":
    """Both sides, each with its documents as they stood while it was the newest version.

    Raises:
        InvalidInput: if there is only one version, or both sides are the same.
    """
    from srp_assets.recall.submission import new_task
    from srp_assets.strategy.registry import show_document, versions_of

    with home.engine.connect() as connection:
        newest = show_document(connection, "strategy", strategy_id).version
        applied = {stored.version: stored.created_at for stored in versions_of(connection, "strategy", strategy_id)}
        new_side = new_version or newest
        if moment is not None:
            standing = [version for version, created in applied.items() if created < moment]
            if not standing:
                raise InvalidInput(f"strategy {strategy_id} was first applied at {iso(min(applied.values()))}", where="--before")
            old_side = max(standing)
        else:
            old_side = old_version or new_side - 1
            if old_side < 1:
                raise InvalidInput(
                    f"strategy {strategy_id} has no version before {new_side}",
                    where="diff",
                    remedy="apply a changed one first, or name a time with --before",
                )
            if old_side == new_side:
                raise InvalidInput(f"both sides are version {old_side}", where="--old, --new", remedy="name two versions")
        old = new_task(connection, home.catalogue, strategy_id, version=old_side, before=moment or applied.get(old_side + 1), **options)
        new = new_task(connection, home.catalogue, strategy_id, version=new_side, before=applied.get(new_side + 1), **options)
    return old, new


def _described(old: "TaskSpec", new: "TaskSpec", changed: "Sequence[Change]", found: "Compared") -> dict[str, Any]:
    difference = found.difference
    return {
        "strategy": new.strategy.id,
        "old": {"version": old.strategy.version, "documents": old.strategy.documents, "cases": found.old_cases},
        "new": {"version": new.strategy.version, "documents": new.strategy.documents, "cases": found.new_cases},
        "products": list(dict.fromkeys([*old.products, *new.products])),
        "from": iso(new.published_from),
        "to": iso(new.published_to),
        "changes": [vars(change) for change in changed],
        "added": difference.added,
        "lost": difference.lost,
        "kept": difference.kept,
        "samples": difference.samples,
        "complete": not found.notes and not found.unbuilt,
        "notes": list(found.notes),
        "unbuilt": len(found.unbuilt),
    }
