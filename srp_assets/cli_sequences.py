"""The commands for behaviour sequences: what is declared, building what is stale without the daemon, landing what was served."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, json_option, open_home, range_options
from srp_assets.cli_sequence_differences import differences_command
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.sequences.places import Portraits, SequencePlaces


@click.group(
    "sequences", epilog="The declarations are those of sequences.yaml beside features.yaml, or of the file that SRP_SEQUENCES names."
)
def sequences_command() -> None:
    """Behaviour sequences: what a user did, searched for each request and candidate, offline as it was online."""


@sequences_command.command("list")
@json_option
def list_sequences(as_json: bool) -> int:
    """List the declared sequences with their searches, versions and owners, and the days that are built."""
    from srp_assets.console import table
    from srp_assets.sequences.registry import current_builds

    with open_home() as home, home.engine.connect() as connection:
        places = home_sequences(home).current(connection)
        built = sorted(current_builds(connection, "stages", places.identity("stages")))
    document = places.document
    found = [
        {
            "name": own.name,
            "version": document.version(own),
            "owner": document.owner_of(own),
            "search": own.final.search,
            "lengths": [document.portrait.length, own.general.length, own.final.length],
            "description": own.description,
        }
        for own in document.sequences
    ]
    if as_json:
        answer({"name": document.name, "sequences": found, "days": built})
        return OK
    rows = [
        (own["name"], own["search"], " > ".join(map(str, own["lengths"])), own["version"], own["owner"], own["description"])
        for own in found
    ]
    days = f"{len(built):,} days built" + (f", {built[0]} to {built[-1]}" if built else "")
    table(f"{document.name}: {days}", ("sequence", "search", "lengths", "version", "owner", "description"), rows)
    return OK


@sequences_command.command("build")
@range_options("days")
@click.option(
    "--portraits",
    type=click.Choice(["computed", "logged"]),
    default="computed",
    show_default=True,
    help="Begin from portraits computed from logs, or from those that the online side logged, where it did.",
)
@json_option
def build(since: datetime | None, before: datetime | None, portraits: "Portraits", as_json: bool) -> int:
    """Build the stages of the requests of days wherever logs, vectors or what was served changed since."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress, say
    from srp_assets.sequences.building.days import stale_days
    from srp_assets.sequences.registry import current_builds

    first = since.date().isoformat() if since else ""
    last = (before - timedelta(microseconds=1)).date().isoformat() if before else "~"
    with open_home() as home, progress("sequences", shown=not as_json) as report:
        places = replace(home_sequences(home), portraits=portraits)
        with home.engine.connect() as connection:
            days = [day for day in stale_days(connection, places) if first <= day <= last]
        with LocalRuns(home, progress=report) as runs:
            runs.build_stages(days, portraits)
        with home.engine.connect() as connection:
            builds = current_builds(connection, "stages", places.current(connection).identity("stages"))
    requests = sum(builds[day].figures["requests"] for day in days if day in builds)
    if as_json:
        built = [builds[day].figures for day in days if day in builds]
        told = {name: sum(own.get(name, 0) for own in built) for name in ("short", "logged")}
        answer({"built": days, "requests": requests, **told})
    else:
        say(f"sequences: {requests:,} requests of {len(days):,} days" if days else "everything is built from what is current")
    return OK


@sequences_command.command("funnel")
@click.option("--day", metavar="DAY", help="Day of the requests, as 2024-03-09; the newest built one if missing.")
@click.option("--sample", type=click.IntRange(min=1), default=1_000, show_default=True, help="Requests that are looked at.")
@json_option
def funnel(day: str | None, sample: int, as_json: bool) -> int:
    """Tell how much of an exact model's attention each cut leaves, and how far sequences agree, by how long histories are."""
    from srp_assets.console import table
    from srp_assets.sequences.funnel import funnel_of_day
    from srp_assets.sequences.registry import current_builds

    with open_home() as home:
        places = home_sequences(home)
        with home.engine.connect() as connection:
            built = current_builds(connection, "stages", places.current(connection).identity("stages"))
        if not built:
            raise NotFound("no sequences are built", where="sequences/stages", remedy="srp sequences build")
        chosen = day or max(built)
        bands = funnel_of_day(home.engine, places, chosen, sample)
    if as_json:
        answer({"day": chosen, "bands": [{**vars(band), "figures": dict(band.figures)} for band in bands]})
        return OK
    rows = [
        (
            band.sequence,
            "longer" if band.longest is None else f"up to {band.longest:,}",
            f"{band.candidates:,}",
            ", ".join(f"{name} {value:.1%}" for name, value in band.figures.items()),
        )
        for band in bands
    ]
    table(f"attention that is left on {chosen}", ("sequence", "actions", "candidates", "means"), rows)
    return OK


@sequences_command.command("ingest")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def ingest(file: Path, as_json: bool) -> int:
    """Land what the online side served: a Parquet FILE with the columns of a stage table (sequences/stages.py); each trace once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from srp_assets.console import say
    from srp_assets.errors import InvalidInput
    from srp_assets.sequences.landing import land_stages

    try:
        rows = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("this is no Parquet file", where=str(file), remedy="write the stage table as Parquet") from error
    with open_home() as home:
        landed = land_stages(home.engine, home_sequences(home).sequences, rows, str(file))
    if as_json:
        answer(vars(landed))
    else:
        say(f"{landed.rows:,} rows of {landed.traces:,} traces landed, {landed.duplicates:,} duplicates")
    return INCOMPLETE if landed.duplicates else OK


sequences_command.add_command(differences_command)


def home_sequences(home: Home) -> "SequencePlaces":
    """Where the sequences of a home are built from and to.

    Raises:
        NotFound: if the home declares no logs, features or sequences.
    """
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.sequences.assets import sequence_places

    settings = home.settings
    logs, features, declared = settings.log_catalogue, settings.feature_declarations, settings.sequence_declarations
    for name, found in (("logs", logs), ("features", features), ("sequences", declared)):
        if found is None:
            raise NotFound(f"this home declares no {name}", where=f"SRP_{name.upper()}", remedy=f"write {name}.yaml beside the catalogue")
    assert logs is not None
    assert features is not None
    assert declared is not None
    return sequence_places(settings, home.catalogue, load_log_catalogue(logs), features, declared)
