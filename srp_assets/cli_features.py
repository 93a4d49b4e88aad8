"""The command for features: what is declared, and building them without the daemon."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, answer, json_option, open_home, range_options, read_settings
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.features.aggregation.layout import Layout
    from srp_assets.features.registry import Table

BUILT: tuple["Table", ...] = ("partials", "impressions")
"""What `--build` builds, in this order. Windows of a day are for the online side, which asks for its own days."""


@click.command("features", epilog="The declarations are those of features.yaml beside logs.yaml, or of the file that SRP_FEATURES names.")
@click.argument("name", required=False)
@click.option("--build", is_flag=True, help="Build partial sums and the features of impressions wherever logs were built since.")
@range_options("days")
@json_option
def features_command(name: str | None, build: bool, since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """List all features with their definitions, defaults and versions, or show the feature NAME with what it is derived from."""
    from srp_assets.console import table
    from srp_assets.features.declaration.documentation import documentation
    from srp_assets.features.declaration.loading import load_definitions

    definitions = load_definitions(_declarations())
    if build:
        from srp_assets.features.aggregation.layout import layout_of

        return _build(layout_of(definitions), since, before, as_json=as_json)
    found = documentation(definitions.selected([name]) if name else definitions)
    if as_json:
        answer({"name": definitions.name, "digest": definitions.digest, "features": [vars(feature) for feature in found]})
        return OK
    rows = [
        (
            feature.name,
            feature.about,
            _definition(feature.definition, feature.inputs),
            feature.window,
            _shown(feature.default),
            feature.unit,
        )
        for feature in found
    ]
    table(f"{definitions.name}: {len(rows)} features", ("feature", "about", "definition", "window", "default", "unit"), rows)
    return OK


def _declarations() -> Path:
    declared = read_settings().feature_declarations
    if declared is None:
        raise NotFound("this home declares no features", where="SRP_FEATURES", remedy="write features.yaml beside logs.yaml")
    return declared


def _build(layout: "Layout", since: datetime | None, before: datetime | None, *, as_json: bool) -> int:
    """Builds what is stale through Dagster on this home; says which days."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress, say
    from srp_assets.features.building.days import stale_days

    first = since.date().isoformat() if since else ""
    last = (before - timedelta(microseconds=1)).date().isoformat() if before else "~"
    built: dict[str, list[str]] = {}
    with open_home() as home, progress("features", shown=not as_json) as report, LocalRuns(home, progress=report) as runs:
        for kind in BUILT:
            with home.engine.connect() as connection:
                stale = stale_days(connection, kind, layout, home.settings.features_buckets)
            built[kind] = [day for day in stale if first <= day <= last]
            runs.build_features(kind, built[kind])
    if as_json:
        answer({"built": built})
    elif any(built.values()):
        for name, days in built.items():
            say(f"{name}: {len(days):,} days" + (f" from {days[0]} to {days[-1]}" if days else ""))
    else:
        say("everything is built from the current logs")
    return OK


def _definition(definition: str, inputs: tuple[str, ...]) -> str:
    return f"{definition} ({', '.join(inputs)})" if inputs else definition


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(default) or "none"
    return "null" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
