"""The command for embeddings: sequences and versions on demand, the versions there are, neighbours of items, the ablation."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, Home, answer, json_option, open_home, range_options
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.embeddings.places import EmbeddingPlaces
    from srp_assets.embeddings.registry import Version

DAY = click.DateTime(formats=["%Y-%m-%d"])

SHOWN = ("next_click_recall", "next_click_ndcg", "next_purchase_recall", "next_purchase_ndcg", "booked_rank", "market_purity")


@click.group("embeddings")
def embeddings_command() -> None:
    """Vectors of items, learned from sessions."""


@embeddings_command.command("build")
@range_options("days")
@json_option
def build(since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """Build the session sequences of days whose logs are built, wherever these changed since."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress, say
    from srp_assets.embeddings.registry import current_sequences
    from srp_assets.embeddings.sessions.building import stale_days

    first, last = since.date().isoformat() if since else "", (before - timedelta(microseconds=1)).date().isoformat() if before else "~"
    with open_home() as home, progress("session sequences", shown=not as_json) as report:
        places = home_embeddings(home)
        with home.engine.connect() as connection:
            days = [day for day in stale_days(connection, places) if first <= day <= last]
        with LocalRuns(home, progress=report) as runs:
            runs.build_session_sequences(days)
        with home.engine.connect() as connection:
            built = current_sequences(connection, places.declared.sessions_digest)
    counts: dict[str, int] = {}
    for day in days:
        for name, count in built[day].counts.items():
            counts[name] = counts.get(name, 0) + count
    if as_json:
        answer({"built": days, "counts": counts})
    else:
        say(f"session sequences: {len(days):,} days; {counts}" if days else "everything is built from what is current")
    return OK


@embeddings_command.command("train")
@click.option("--week", type=DAY, help="A day of the week whose end training goes up to; that of the newest built day by default.")
@click.option("--cold", is_flag=True, help="Begin from nothing, not from the version of the week before.")
@json_option
def train(week: datetime | None, cold: bool, as_json: bool) -> int:
    """Train the vectors of a week through Dagster on this home; they become current if they may be used."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress
    from srp_assets.embeddings.registry import current_sequences, versions

    with open_home() as home, progress("embeddings", shown=not as_json) as report:
        places = home_embeddings(home)
        with home.engine.connect() as connection:
            newest = max(current_sequences(connection, places.declared.sessions_digest), default=None)
        if newest is None:
            raise NotFound("no session sequences are built", where="embeddings/sequences", remedy="srp embeddings build")
        day = week.date() if week else datetime.fromisoformat(newest).date()
        with LocalRuns(home, progress=report) as runs:
            runs.train_embeddings((day - timedelta(days=day.weekday())).isoformat(), warm=not cold)
        with home.engine.connect() as connection:
            made = versions(connection, places.declared.name)[0]
    return _told([made], as_json=as_json)


@embeddings_command.command("list")
@json_option
def list_versions(as_json: bool) -> int:
    """List the versions, the newest first, with their figures."""
    from srp_assets.embeddings.registry import versions

    with open_home() as home, home.engine.connect() as connection:
        found = versions(connection, home_embeddings(home).declared.name)
    return _told(found, as_json=as_json)


@embeddings_command.command("use")
@click.argument("version")
@json_option
def use(version: str, as_json: bool) -> int:
    """Make VERSION the current one, for instance an older one again; one that failed its check is refused."""
    from srp_assets.embeddings.registry import switch

    with open_home() as home, home.engine.begin() as connection:
        found = switch(connection, version)
    return _told([found], as_json=as_json)


@embeddings_command.command("neighbours")
@click.argument("item")
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="Neighbours to tell.")
@click.option("--version", help="Of this version; of the current one by default.")
@json_option
def neighbours(item: str, count: int, version: str | None, as_json: bool) -> int:
    """Tell the nearest items of ITEM in its market."""
    import pyarrow.compute as pc

    from srp_assets.console import table
    from srp_assets.embeddings.weekly.files import ITEM_TO_ITEM

    with open_home() as home:
        places = home_embeddings(home)
        chosen = _version(home, places, version)
        found = places.embeddings.read(f"{chosen.folder}/{ITEM_TO_ITEM}")
    rows = found.filter((pc.field("item_id") == item) & (pc.field("place") <= count)).sort_by("place").to_pylist()
    if not rows:
        raise NotFound(f"the item {item!r} has no neighbours", where=chosen.version, remedy="srp embeddings list")
    if as_json:
        answer({"item": item, "version": chosen.version, "neighbours": [_neighbour(row) for row in rows]})
        return OK
    shown = [(str(row["place"]), row["neighbour_id"], f"{row['similarity']:.3f}", row["market"] or "") for row in rows]
    table(f"neighbours of {item} in {chosen.version}", ("place", "item", "similarity", "market"), shown)
    return OK


@embeddings_command.command("evaluate")
@click.option("--week", type=DAY, help="A day of the week whose window is learned from; that of the current version by default.")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Trainings of each variant.")
@json_option
def evaluate(week: datetime | None, seeds: int, as_json: bool) -> int:
    """Tell what each part of the recipe brings: train without it, and compare, with 95 % intervals over seeds."""
    from srp_assets.console import progress, table
    from srp_assets.embeddings.weekly.judged import ablation_of_week

    with open_home() as home, progress("ablation", shown=not as_json) as report:
        places = home_embeddings(home)
        monday = (week.date() - timedelta(days=week.weekday())).isoformat() if week else _version(home, places, None).week
        rows = ablation_of_week(home.engine, places, monday, range(1, seeds + 1), lambda name, seed: report(f"{name}, seed {seed}", 0, 0))
    if as_json:
        answer({"week": monday, "seeds": seeds, "rows": [asdict(row) for row in rows]})
        return OK
    shown = [
        (
            row.variant,
            row.figure,
            f"{row.value.mean:.4f}",
            f"{row.difference.mean:+.4f} [{row.difference.low:+.4f}, {row.difference.high:+.4f}]",
        )
        for row in rows
        if row.figure in SHOWN
    ]
    table(f"what is left out, week of {monday}", ("variant", "figure", "mean", "difference to the whole"), shown)
    return OK


def home_embeddings(home: Home) -> "EmbeddingPlaces":
    """Where the embeddings of a home are made from and to.

    Raises:
        NotFound: if the home declares no logs, or no embeddings.
    """
    from srp_assets.embeddings.assets import embedding_places
    from srp_assets.logs.catalogue import load_log_catalogue

    logs, declared = home.settings.log_catalogue, home.settings.embedding_declarations
    if logs is None or declared is None:
        name, variable = ("logs", "SRP_LOGS") if logs is None else ("embeddings", "SRP_EMBEDDINGS")
        raise NotFound(f"this home declares no {name}", where=variable, remedy=f"write {name}.yaml beside the catalogue")
    return embedding_places(home.settings, home.catalogue, load_log_catalogue(logs), declared)


def _version(home: Home, places: "EmbeddingPlaces", name: str | None) -> "Version":
    from srp_assets.embeddings.registry import current_version, version_named

    with home.engine.connect() as connection:
        found = version_named(connection, name) if name else current_version(connection, places.declared.name)
    if found is None:
        raise NotFound("there is no current version", where="embeddings", remedy="srp embeddings train")
    return found


def _neighbour(row: dict[str, Any]) -> dict[str, Any]:
    return {"place": row["place"], "item": row["neighbour_id"], "similarity": round(row["similarity"], 6), "market": row["market"]}


def _told(found: "list[Version]", *, as_json: bool) -> int:
    from srp_assets.console import number, table

    if as_json:
        answer({"versions": [asdict(version) | {"problems": list(version.problems)} for version in found]})
        return OK
    figures = [name for name in SHOWN if any(name in version.figures for version in found)]
    rows = [
        (
            version.version,
            "yes" if version.current else "no",
            number(version.items),
            *(f"{version.figures[name]:.4f}" if name in version.figures else "" for name in figures),
            "; ".join(version.problems),
        )
        for version in found
    ]
    table("versions of vectors", ("version", "current", "items", *figures, "problems"), rows)
    return OK
