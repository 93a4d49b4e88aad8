"""What was found of the sample world's logs, in the words of its truth."""

import pyarrow.compute as pc
from sqlalchemy import Connection

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import landed_days
from srp_assets.logs.registry_builds import current_builds
from srp_assets.samples.ranking.truth import RankingTruth
from srp_assets.warehouse.storage import Storage


def found_figures(connection: Connection, storage: Storage, catalogue: LogCatalogue) -> RankingTruth:
    """Counts the builds that are current, and what landing says of their rows (rejects are left out)."""
    found = RankingTruth()
    for landed in landed_days(connection):
        if catalogue.logs[landed.log].role == "served_features":
            # Served by the twin, not planted.
            continue
        found.events[landed.log] += landed.rows
        found.duplicates += landed.duplicate
        found.withdrawn += landed.withdrawn
    labels = {"click": "clicked", **{step: step for step in catalogue.steps}}
    for build in current_builds(connection).values():
        found.orphans.update(build.counts.orphans)
        found.sessions += build.rows("sessions")
        for file in build.of_table("impression_outcomes"):
            rows = storage.read(file.path, list(labels.values()))
            found.labels.update({label: pc.sum(rows.column(column)).as_py() or 0 for label, column in labels.items()})
    return found


def differences(found: RankingTruth, truth: RankingTruth) -> dict[str, tuple[int, int]]:
    """The figures that differ, as found and as planted, by name."""
    figures = {name: (_figures(found).get(name, 0), _figures(truth).get(name, 0)) for name in {*_figures(found), *_figures(truth)}}
    return {name: pair for name, pair in sorted(figures.items()) if pair[0] != pair[1]}


def _figures(of: RankingTruth) -> dict[str, int]:
    named = {f"events of {log}": count for log, count in of.events.items()}
    named |= {f"impressions with {label}": count for label, count in of.labels.items()}
    named |= {f"orphans: {orphan}": count for orphan, count in of.orphans.items()}
    return named | {"duplicates": of.duplicates, "withdrawn": of.withdrawn, "sessions": of.sessions}


def figures(of: RankingTruth) -> dict[str, int]:
    """All figures by name, in order, those that are nothing left out."""
    return {name: count for name, count in sorted(_figures(of).items()) if count}
