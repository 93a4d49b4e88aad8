"""Logs: from landed events to impressions with what came of them, to actions and to sessions.

    python benchmarks/logs.py [--quick] [--only SECTION] [--json FILE]

- `stitching`: 7.1 million events of the sample world's shop over 60 days, duplicates and broken rows beside them.
- `growth`: 1, 5 and 20 million events, a quarter of all visits of one user.

Landing them is measured beside; it is no part of the bars.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from resources import spark_server
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.registry_builds import current_builds, stale_days
from srp_assets.logs.stitching.building import bring_up_to_date
from srp_assets.samples.demo import LOGS
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS, QUICK_DAYS = 60, 7
EVENTS, QUICK_EVENTS = 7_100_000, 60_000
GROWTH, QUICK_GROWTH = (1_000_000, 5_000_000, 20_000_000), (10_000, 20_000, 40_000)
ONE_USER = 0.25
"""Share of all visits that one user makes where growth is measured."""

SECTIONS = ("stitching", "growth")


@dataclass
class Bench:
    """What the sections share: where they work, the session, what they found."""

    folder: Path
    spark: "SparkSession"
    catalogue: LogCatalogue
    quick: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    @property
    def days(self) -> int:
        """Over how many days requests come."""
        return QUICK_DAYS if self.quick else DAYS

    def stitch(self, section: str, events: int, *, busiest: float = 0.0) -> float:
        """Lands a world in a home of its own and builds all its days; seconds for the build."""
        home = self.folder / f"{section}-{events}"
        home.mkdir()
        settings = Settings(home=home)
        engine, storage = open_registry(settings), logs_storage(settings.warehouse_location)
        begin = time.perf_counter()
        land_ranking_world(engine, storage, self.catalogue, RankingWorld(events, 1, self.days, busiest), home / "broken")
        landed = time.perf_counter()
        with engine.connect() as connection:
            days = stale_days(connection, self.catalogue)
        bring_up_to_date(self.spark, engine, storage, self.catalogue, days)
        built = time.perf_counter()
        with engine.connect() as connection:
            builds = current_builds(connection).values()
        engine.dispose()
        actions, sessions = (sum(build.rows(table) for build in builds) for table in ("actions", "sessions"))
        self.rows.append({"section": section, "events": events, "actions": actions, "sessions": sessions, "landing_seconds": landed - begin,
                          "seconds": built - landed, "events_per_second": events / (built - landed)})  # fmt: skip
        return built - landed


def stitching(bench: Bench) -> None:
    """All days of many events at once."""
    seconds = bench.stitch("stitching", QUICK_EVENTS if bench.quick else EVENTS)
    if not bench.quick:
        bench.bars.append(Bar("7.1 million events to outcomes, actions and sessions, seconds", seconds, 300))


def growth(bench: Bench) -> None:
    """Ever more events, a quarter of them of one user."""
    sizes = QUICK_GROWTH if bench.quick else GROWTH
    for_an_event = [bench.stitch("growth", events, busiest=ONE_USER) / events for events in sizes]
    if not bench.quick:
        bench.bars.append(Bar("time for an event, of 20 million against of 5 million", for_an_event[2] / for_an_event[1], 1.2))


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """The table of results."""
    grid = Table("section", "events", "actions", "sessions", "landing, s", "build, s", "events/s")
    for row in rows:
        grid.add_row(
            row["section"],
            *(f"{row[name]:,}" for name in ("events", "actions", "sessions")),
            *(f"{row[name]:,.1f}" for name in ("landing_seconds", "seconds")),
            f"{row['events_per_second']:,.0f}",
        )
    console.print(grid)


def main() -> None:
    """Runs the sections that are asked for."""
    parser = parser_of(__doc__, quick="much fewer events, within a minute; no bars")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this section; may be given several times")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    with TemporaryDirectory(prefix="srp-logs-") as folder:
        settings = Settings(home=Path(folder) / "home", spark_memory="3g", SPARK_REMOTE=None)
        try:
            bench = Bench(Path(folder), open_session(settings), load_log_catalogue(LOGS), arguments.quick)
            bench.stitch("warm-up", 5_000)
            for section in arguments.only or SECTIONS:
                {"stitching": stitching, "growth": growth}[section](bench)
        finally:
            spark_server.stop(settings)
    show(bench.rows, console)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


if __name__ == "__main__":
    main()
