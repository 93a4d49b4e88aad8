"""The command for training sets: which days are built, building what is stale without the daemon, and their card."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srp_assets.cli_common import OK, Home, answer, json_option, open_home, range_options
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.training.building import TrainingPlaces


@click.group("training")
def training_command() -> None:
    """Training sets: impressions with what came of them, their features, and what they weigh."""


@training_command.command("build")
@range_options("days")
@json_option
def build(since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """Build the training sets of days whose impressions and features are built, wherever these changed since; looks for leaks."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress, say
    from srp_assets.training.building import stale_days

    first, last = _span(since, before)
    with open_home() as home, progress("training sets", shown=not as_json) as report:
        places = home_training(home)
        with home.engine.connect() as connection:
            days = [day for day in stale_days(connection, places) if first <= day <= last]
        with LocalRuns(home, progress=report) as runs:
            runs.build_training_sets(days)
    if as_json:
        answer({"built": days})
    else:
        say(f"training sets: {len(days):,} days from {days[0]} to {days[-1]}" if days else "everything is built from what is current")
    return OK


@training_command.command("card")
@range_options("days")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write the card as a page.")
@json_option
def card(since: datetime | None, before: datetime | None, page: Path | None, as_json: bool) -> int:
    """Tell what the built training sets hold: rows, rates, weights, coverage of features, and what they were made from."""
    from srp_assets.console import number, table
    from srp_assets.training.assets import set_card
    from srp_assets.training.card.page import card_html
    from srp_assets.training.registry import current_sets

    first, last = _span(since, before)
    with open_home() as home, home.engine.connect() as connection:
        places = home_training(home)
        builds = current_sets(connection, places.identity, first, last)
        if not builds:
            raise NotFound("no training set is built", where="training/sets", remedy="srp training build")
        found = set_card(places, builds)
    if page is not None:
        page.write_text(card_html(found), encoding="utf-8")
    if as_json:
        answer(found.as_dict())
        return OK
    figures = found.figures
    rows = [("rows", number(figures.rows)), ("without features", number(figures.without_features)), ("explored", number(figures.explored))]
    rows += [("effective rows", number(round(figures.effective_rows)))]
    rows += [(f"rate of {label}", f"{rate:.3%}") for label, rate in found.rates.items()]
    empty = [name for name, share in found.coverage.items() if share == 0]
    rows += [("features", number(len(found.coverage))), ("features without any value", ", ".join(empty) or "none")]
    table(f"training sets of {len(builds):,} days from {min(builds)} to {max(builds)}", ("", ""), rows)
    return OK


def home_training(home: Home) -> "TrainingPlaces":
    """Where the training sets of a home are built from and to.

    Raises:
        NotFound: if the home declares no logs, or no features.
    """
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.training.assets import training_places

    logs, declared = home.settings.log_catalogue, home.settings.feature_declarations
    if logs is None or declared is None:
        name, variable = ("logs", "SRP_LOGS") if logs is None else ("features", "SRP_FEATURES")
        raise NotFound(f"this home declares no {name}", where=variable, remedy=f"write {name}.yaml beside the catalogue")
    return training_places(home.settings, home.catalogue, load_log_catalogue(logs), declared)


def _span(since: datetime | None, before: datetime | None) -> tuple[str, str]:
    """The first and the last day that are meant."""
    return since.date().isoformat() if since else "", (before - timedelta(microseconds=1)).date().isoformat() if before else "~"
