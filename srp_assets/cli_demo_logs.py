"""The demo's second half: the sample shop's logs are landed and stitched through Dagster, and every figure is compared with the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srp_assets.cli_common import Home
from srp_assets.errors import Conflict

if TYPE_CHECKING:
    from srp_assets.console import Report
    from srp_assets.samples.ranking.world import RankingWorld


@dataclass(frozen=True)
class LogsAnswer:
    """What was found beside what was planted, by the figure's name; rejects by reason, and whether the account of each day balances."""

    found: dict[str, int]
    planted: dict[str, int]
    rejected: dict[str, int]
    planted_rejects: dict[str, int]
    balanced: bool

    @property
    def good(self) -> bool:
        """Whether everything is as planted."""
        return self.balanced and self.found == self.planted and self.rejected == self.planted_rejects

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        return {"found": self.found, "planted": self.planted, "rejected": self.rejected, "balanced": self.balanced, "equal": self.good}


def demo_logs(home: Home, events: int, seed: int, report: "Report") -> LogsAnswer:
    """Lands the shop's logs, stitches them, and counts. In a home that holds them already nothing lands or is built anew.

    Raises:
        Conflict: if the home holds other logs: its counts would not be the planted ones.
    """
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.logs.landing import logs_storage
    from srp_assets.logs.registry_builds import log_ledger, stale_days
    from srp_assets.samples.demo import LOGS
    from srp_assets.samples.ranking.found import figures, found_figures
    from srp_assets.samples.ranking.landing import land_ranking_world
    from srp_assets.samples.ranking.truth import ranking_truth
    from srp_assets.samples.ranking.world import RankingWorld

    catalogue = load_log_catalogue(LOGS)
    if home.settings.log_catalogue is None or load_log_catalogue(home.settings.log_catalogue).digest != catalogue.digest:
        raise Conflict("the demo needs the log catalogue of the sample world", where="SRP_LOGS", remedy="unset it")
    world = RankingWorld(events, seed)
    storage = logs_storage(home.settings.warehouse_location)
    folder = home.settings.home_folder / "demo" / "logs"
    _refuse_other_logs(home, world, folder)
    landed = land_ranking_world(home.engine, storage, catalogue, world, folder, progress=lambda step, rows: report(step, rows, 0))
    with home.engine.connect() as connection:
        days = stale_days(connection, catalogue)
    with LocalRuns(home, progress=report) as runs:
        runs.build_logs(days)
    report("counting what was planted", 0, 0)
    with home.engine.connect() as connection:
        found = found_figures(connection, storage, catalogue)
        ledger = log_ledger(connection, catalogue)
    return LogsAnswer(
        found=figures(found),
        planted=figures(ranking_truth(world)),
        rejected=dict(sorted(landed.rejected.items())),
        planted_rejects=dict(sorted(landed.planted_rejects.items())),
        balanced=bool(ledger) and all(row.balanced and row.built for row in ledger),
    )


def _refuse_other_logs(home: Home, world: "RankingWorld", folder: Path) -> None:
    """Makes sure that the home holds nothing but the world's logs.

    Raises:
        Conflict: if it does: its counts would not be the planted ones.
    """
    import sqlalchemy as sa

    from srp_assets.logs.registry import ingest
    from srp_assets.samples.ranking.landing import source_of

    with home.engine.connect() as connection:
        landed = connection.execute(sa.select(ingest.c.source).where(ingest.c.state == "committed")).scalars().all()
    others = [source for source in landed if not source.startswith((f"{source_of(world)}:", str(folder)))]
    if others:
        remedy = "run it with another home: SRP_HOME=.srp-demo srp demo"
        raise Conflict(f"this home already holds other logs: {others[0]}", where=str(home.settings.home_folder), remedy=remedy)


def print_logs(answer: LogsAnswer) -> None:
    """Shows every figure beside the truth."""
    from srp_assets.console import number, say, table

    rows = [
        (name, number(answer.planted.get(name, 0)), number(answer.found.get(name, 0))) for name in sorted({*answer.found, *answer.planted})
    ]
    table("logs of the sample shop", ("", "planted", "found"), rows, right=("planted", "found"))
    accounted = "every landed row is accounted for" if answer.balanced else "an account DOES NOT BALANCE"
    say(f"logs: {accounted}; {'all figures as planted' if answer.good else 'NOT as planted'}")
    say("")
