"""The commands for logs: land them, stitch what landed, look at the account of their days."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, json_option, open_home, range_options
from srp_assets.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from srp_assets.logs.catalogue import LogCatalogue
    from srp_assets.logs.landing import LogIngestSummary
    from srp_assets.logs.registry_builds import DayBuild, LogLedgerRow

MICROSECOND = timedelta(microseconds=1)


@click.group("logs")
def logs_command() -> None:
    """Logs of requests, impressions, clicks and the steps after them: land them and stitch them, day by day."""


@contextmanager
def open_logs() -> "Iterator[tuple[Home, LogCatalogue]]":
    """Opens the home with its log catalogue.

    Raises:
        InvalidInput: if it has none.
    """
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.logs.registry import bind_log_catalogue

    with open_home() as home:
        path = home.settings.log_catalogue
        if path is None:
            raise InvalidInput("no log catalogue is named", where="SRP_LOGS", remedy="name the YAML file that declares the logs")
        catalogue = load_log_catalogue(path)
        with home.engine.begin() as connection:
            bind_log_catalogue(connection, catalogue)
        yield home, catalogue


@logs_command.command("ingest")
@click.argument("log", metavar="LOG")
@click.argument("reader", metavar="READER")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@json_option
def ingest(log: str, reader: str, path: Path, as_json: bool) -> int:
    """Land a log: PATH is a file or folder, READER how it is read (jsonl, parquet, csv, online_retail or open_bandit).

    LOG is a log of the log catalogue, or `all` for a reader that says itself which log each row is of (online_retail, open_bandit). An
    event counts once, its first arrival wins. Prints the rows landed, duplicate and rejected, by reason. Exit code 3 if rows were
    rejected; they are kept with their reason. Landing the same again changes nothing.
    """
    from srp_assets.console import progress
    from srp_assets.logs.landing import ingest_logs, logs_storage

    if not path.exists():
        raise NotFound("there is no such file or folder", where=str(path), remedy="check the path")
    with open_logs() as (home, catalogue), progress("landing", shown=not as_json) as report:
        summary = ingest_logs(
            home.engine,
            logs_storage(home.settings.warehouse_location),
            catalogue,
            reader=reader,
            source=path,
            log=log,
            progress=lambda step, rows: report(step, rows, 0),
        )
    if as_json:
        answer(summary.as_dict())
    else:
        _print_summary(summary)
    return INCOMPLETE if summary.rejected else OK


def _print_summary(summary: "LogIngestSummary") -> None:
    from srp_assets.console import hint, number, table

    rows = [(f"landed: {log}", number(count)) for log, count in summary.landed.items()]
    rows += [("duplicate", number(summary.duplicates)), ("withdrawn (they arrived later than one of these)", number(summary.withdrawn))]
    rows += [(f"rejected: {reason}", number(count)) for reason, count in sorted(summary.rejected.items())]
    table(f"ingest {summary.ingest_id} of logs", ("", "rows"), rows, right=("rows",))
    if summary.days:
        hint(f"days that changed: {len(summary.days):,}, from {summary.days[0]} to {summary.days[-1]}")
    for file in summary.ignored:
        hint(f"ignored: {file} (no log is read from it)")
    for file in summary.reject_files:
        hint(f"rejects with reason, source and raw text: logs/{file} in the warehouse")
    hint("next: srp logs build")


@logs_command.command("build")
@range_options("days")
@json_option
def build(since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """Stitch the days that landed and are not built yet, or that something has reopened, through Dagster on this home.

    Each day is replaced as a whole; readers see the old build or the new one. Exit code 3 if the account of a day does not balance.
    """
    from srp_assets.console import progress
    from srp_assets.logs.registry_builds import current_builds, log_ledger, stale_days

    first = since.date().isoformat() if since else None
    last = (before - MICROSECOND).date().isoformat() if before else None
    with open_logs() as (home, catalogue):
        with home.engine.connect() as connection:
            days = [day for day in stale_days(connection, catalogue) if (first or day) <= day <= (last or day)]
        if days:
            with progress("stitching", shown=not as_json) as report:
                from srp_assets.cli_runs import LocalRuns

                with LocalRuns(home, progress=report) as runs:
                    runs.build_logs(days)
        with home.engine.connect() as connection:
            rows = [row for row in log_ledger(connection, catalogue) if row.day in days]
            builds = [build for day, build in current_builds(connection).items() if day in days]
    unbalanced = [row for row in rows if not (row.balanced and row.built)]
    if as_json:
        answer({"built": [_built(build) for build in builds], "balanced": not unbalanced})
    else:
        _print_built(builds, unbalanced)
    return INCOMPLETE if unbalanced else OK


@logs_command.command("days")
@range_options("days")
@json_option
def days(since: datetime | None, before: datetime | None, as_json: bool) -> int:
    """Show the account of every log by day: landed, in the table, duplicate, rejected, and whether the day is built.

    Exit code 3 if the account of a built day does not balance.
    """
    from srp_assets.console import number, table
    from srp_assets.logs.registry_builds import current_builds, log_ledger

    first = since.date().isoformat() if since else ""
    last = (before - MICROSECOND).date().isoformat() if before else "~"
    with open_logs() as (home, catalogue), home.engine.connect() as connection:
        rows = [row for row in log_ledger(connection, catalogue) if first <= row.day <= last]
        states = {day: build.state for day, build in current_builds(connection).items()}
    if as_json:
        answer({"days": [{**vars(row), "balanced": row.balanced, "label_state": states.get(row.day)} for row in rows]})
    else:
        columns = ("day", "log", "landed", "in table", "duplicate", "rejected", "built", "labels")
        shown = [
            (
                row.day,
                row.log,
                *map(number, (row.landed, row.in_table, row.duplicate, row.rejected)),
                "yes" if row.built else "no",
                states.get(row.day, ""),
            )
            for row in sorted(rows, key=lambda row: (row.day, row.log))
        ]
        table("logs by day", columns, shown, right=columns[2:6])
    return INCOMPLETE if any(row.built and not row.balanced for row in rows) else OK


def _built(build: "DayBuild") -> dict[str, Any]:
    from srp_assets.logs.schema import TABLES

    rows = {table: build.rows(table) for table in TABLES}
    return {"day": build.day, "label_state": build.state, "rows": rows, "orphans": build.counts.orphans}


def _print_built(builds: "Sequence[DayBuild]", unbalanced: "Sequence[LogLedgerRow]") -> None:
    from srp_assets.console import complain, number, say, table
    from srp_assets.logs.schema import TABLES

    if not builds:
        say("everything that landed is built")
        return
    rows: list[tuple[str, str]] = [(name, number(sum(build.rows(name) for build in builds))) for name in TABLES]
    orphans: Counter[str] = Counter()
    for build in builds:
        orphans.update(build.counts.orphans)
    rows += [(f"orphans: {name}", number(count)) for name, count in sorted(orphans.items())]
    final = sum(build.state == "final" for build in builds)
    table(f"{len(builds):,} days from {builds[0].day} to {builds[-1].day}, labels of {final:,} final", ("", "rows"), rows, right=("rows",))
    for row in unbalanced:
        complain(f"{row.log} of {row.day}: {'the account does not balance' if row.built else 'not built'}")
