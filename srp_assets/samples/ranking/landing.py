"""Lands the sample world's logs as a platform's exports would come: two ingests of all logs, and a file with broken rows for each log."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import ingest_logs, land_log_batches
from srp_assets.logs.registry import ingest
from srp_assets.samples.dirt import broken_count, broken_lines
from srp_assets.samples.ranking.logged import INGESTS, event_rows, log_batches
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.warehouse.storage import Storage

Progress = Callable[[str, int], None]
"""Told which ingest is under way and how many rows of it were read."""

BROKEN_REASONS: dict[str, tuple[str, ...]] = {
    "request": ("malformed row", "missing key", "missing value: event_time", "time out of range: event_time"),
    "impression": ("malformed row", "missing key", "wrong type: position", "missing value: position", "time out of range: event_time"),
    "click": ("malformed row", "missing key", "wrong type: dwell_seconds", "missing value: event_time"),
    "order": ("malformed row", "missing value: event_id", "wrong type: amount", "time out of range: event_time"),
}
"""In which ways a row of a log may be broken, in the words with which landing rejects it."""

VISITS_OF_BROKEN_ROWS = 400
"""Visits whose events are broken: enough that every log has some."""


@dataclass(frozen=True)
class LandedLogs:
    """The rejects that landing found in a world's ingests, and those that were planted, by reason."""

    rejected: dict[str, int]
    planted_rejects: dict[str, int]


def source_of(world: RankingWorld) -> str:
    """How the registry names the world as a source."""
    return f"sample shop of {world.events} events, seed {world.seed}, {world.days} days"


def land_ranking_world(
    engine: Engine, storage: Storage, catalogue: LogCatalogue, world: RankingWorld, folder: Path, progress: Progress | None = None
) -> LandedLogs:
    """Lands all logs of a world; ingests of it that the home has are left out, so that landing it again changes nothing.

    Args:
        engine: of the registry.
        storage: of the logs.
        catalogue: the sample world's log catalogue.
        world: what to land.
        folder: where the files with broken rows are written; it stays, so that rejects can be compared with their source.
        progress: told how far it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = _rejects_by_source(engine)
    sources = []
    for number in INGESTS:
        title = f"logs, ingest {number}"
        sources.append(f"{source_of(world)}: {title}")
        if sources[-1] not in known:
            batches = log_batches(world, number)
            told = _titled(progress, title)
            land_log_batches(engine, storage, catalogue, batches=batches, source=sources[-1], reader="samples", progress=told)
    planted: Counter[str] = Counter()
    rows = event_rows(world, VISITS_OF_BROKEN_ROWS)
    for log, reasons in BROKEN_REASONS.items():
        path = (folder / f"{log}-broken.jsonl").resolve()
        planted.update(_write_broken(rows[log], log, reasons, path))
        sources.append(str(path))
        if sources[-1] not in known:
            told = _titled(progress, "broken rows of logs")
            ingest_logs(engine, storage, catalogue, reader="jsonl", source=path, log=log, progress=told)
    landed = _rejects_by_source(engine)
    rejected = sum((Counter(landed[source]) for source in sources), Counter())
    return LandedLogs(dict(rejected), dict(planted))


def _rejects_by_source(engine: Engine) -> dict[str, dict[str, int]]:
    """The rejects of every committed ingest, by its source."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(ingest.c.source, ingest.c.summary).where(ingest.c.state == "committed")).all()
    return {row.source: row.summary["rejected"] for row in rows}


def _write_broken(rows: list[dict[str, object]], log: str, reasons: tuple[str, ...], path: Path) -> Counter[str]:
    """Writes broken rows of a log, as many in each way as fits its size; gives how many for each reason."""
    count = min(len(rows), broken_count(len(rows)) * len(reasons))
    good = [
        {name: _as_json(value) for name, value in row.items()} | {"event_id": f"broken-{log}-{n}"} for n, row in enumerate(rows[:count])
    ]
    path.write_text("".join(f"{line}\n" for line in broken_lines(good, "item_id" if log != "request" else "trace_id", reasons)), "utf-8")
    return Counter(reasons[number % len(reasons)] for number in range(count))


def _as_json(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _titled(progress: Progress | None, title: str) -> Progress | None:
    return None if progress is None else lambda step, rows: progress(f"{title}: {step}", rows)
