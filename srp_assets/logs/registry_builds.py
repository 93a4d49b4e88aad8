"""Builds of days in the registry database: which files are the tables of a day now, what they were made from, and what has reopened them.

A build makes all tables of a day together, and one transaction switches them. Files never change; a retention takes replaced ones away.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.reference import label_state
from srp_assets.logs.registry import landed_days, metadata
from srp_assets.logs.schema import Table
from srp_assets.logs.spans import DaySpan
from srp_assets.warehouse.periods import UNKNOWN

build_table = sa.Table(
    "logs_build",
    metadata,
    sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("through_ingest", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reads", sa.JSON, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Index("ix_logs_build_day", "day", "current"),
)


@dataclass(frozen=True)
class TableFile:
    """A built file; its path is relative to the logs' storage."""

    table: str
    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class DayCountsBuilt:
    """What a build counted.

    Args:
        kinds: actions by kind.
        orphans: actions that belong nowhere, by `<kind> <what they lack>`.
        without_arrival_time: actions by kind whose source says no arrival; their event time stands in.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    orphans: dict[str, int] = field(default_factory=dict)
    without_arrival_time: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DayBuild:
    """The tables of a day as of the ingest `through_ingest`; `build_id` is 0 until it is recorded.

    `reads` are, by log, the first and the last day that decided about it: what lands there later reopens it.
    """

    build_id: int
    day: str
    through_ingest: int
    state: str
    reads: Mapping[str, tuple[str, str]]
    counts: DayCountsBuilt
    files: tuple[TableFile, ...]
    built_at: datetime
    run_id: str | None

    def of_table(self, table: Table) -> list[TableFile]:
        """The files of one table, in order of their names."""
        return sorted((file for file in self.files if file.table == table), key=lambda file: file.path)

    def rows(self, table: Table) -> int:
        """The rows of one table."""
        return sum(file.rows for file in self.files if file.table == table)


def current_builds(connection: Connection, first: str | None = None, last: str | None = None) -> dict[str, DayBuild]:
    """The builds that are the tables now, by day in order; `first` and `last` are both included."""
    statement = sa.select(build_table).where(build_table.c.current).order_by(build_table.c.day)
    if first is not None:
        statement = statement.where(build_table.c.day >= first)
    if last is not None:
        statement = statement.where(build_table.c.day <= last)
    return {row.day: _build(row) for row in connection.execute(statement)}


def builds_of_run(connection: Connection, run_id: str) -> dict[str, DayBuild]:
    """What a run has built, by day, also where another build has replaced it since; of a day built twice the last."""
    statement = sa.select(build_table).where(build_table.c.run_id == run_id).order_by(build_table.c.build_id)
    return {row.day: _build(row) for row in connection.execute(statement)}


def landed_span(connection: Connection, catalogue: LogCatalogue, through: int | None = None) -> DaySpan | None:
    """The days from the first to the last of which anything landed that is stitched; None if nothing did."""
    days = [
        landed.day
        for landed in landed_days(connection, through=through)
        if landed.day != UNKNOWN and landed.last_ingest and catalogue.logs[landed.log].role != "served_features"
    ]
    return DaySpan(date.fromisoformat(min(days)), date.fromisoformat(max(days))) if days else None


def stale_days(connection: Connection, catalogue: LogCatalogue, *, through: int | None = None) -> list[str]:
    """The landed days, and those between them, that have no build, or one that has not seen all that decides about it.

    That is what landed since in the days that it read, or that its labels are final by now.
    """
    span = landed_span(connection, catalogue, through)
    if span is None:
        return []
    builds = current_builds(connection)
    newest = _newest_changes(connection, through)
    return [day.isoformat() for day in span if _is_stale(catalogue, builds.get(day.isoformat()), day, span.last, newest)]


def _newest_changes(connection: Connection, through: int | None) -> dict[str, list[tuple[str, int]]]:
    """By log its days in order, each with the newest ingest that changed it."""
    newest: dict[str, list[tuple[str, int]]] = {}
    for landed in landed_days(connection, through=through):
        newest.setdefault(landed.log, []).append((landed.day, landed.last_ingest))
    return newest


def _is_stale(
    catalogue: LogCatalogue, build: DayBuild | None, day: date, newest_day: date, newest: Mapping[str, Sequence[tuple[str, int]]]
) -> bool:
    if build is None:
        return True
    if build.state != label_state(catalogue, day, newest_day):
        return True
    for log, (first, last) in build.reads.items():
        days = newest.get(log, [])
        read = days[bisect_left(days, first, key=itemgetter(0)) : bisect_right(days, last, key=itemgetter(0))]
        if any(ingest > build.through_ingest for _, ingest in read):
            return True
    return False


def record_builds(connection: Connection, builds: Sequence[DayBuild]) -> list[DayBuild]:
    """Makes builds the tables of their days: the switch, seen by others when the caller's transaction commits.

    A build of what landed earlier than what the current one covers is recorded as replaced already.
    """
    if not builds:
        return []
    if connection.dialect.name == "postgresql":
        # Two first builds of a day would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE logs_build IN SHARE ROW EXCLUSIVE MODE"))
    now = datetime.now(UTC)
    older = (
        build_table.c.current
        & (build_table.c.day == sa.bindparam("new_day"))
        & (build_table.c.through_ingest <= sa.bindparam("new_through"))
    )
    connection.execute(
        build_table.update().where(older).values(current=False, retired_at=now),
        [{"new_day": build.day, "new_through": build.through_ingest} for build in builds],
    )
    newer = set(connection.execute(sa.select(build_table.c.day).where(build_table.c.current)).scalars())
    rows = [
        {name: value for name, value in asdict(build).items() if name != "build_id"}
        | {"current": build.day not in newer, "retired_at": now if build.day in newer else None}
        for build in builds
    ]
    inserted = build_table.insert().returning(build_table.c.build_id, sort_by_parameter_order=True)
    return [replace(build, build_id=row.build_id) for build, row in zip(builds, connection.execute(inserted, rows), strict=True)]


def retired_builds(connection: Connection, before: datetime) -> list[DayBuild]:
    """The builds that were replaced before a time."""
    statement = sa.select(build_table).where(~build_table.c.current, build_table.c.retired_at < before)
    return [_build(row) for row in connection.execute(statement)]


def forget_builds(connection: Connection, build_ids: Collection[int]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    for build_id in build_ids:
        connection.execute(build_table.delete().where(build_table.c.build_id == build_id, ~build_table.c.current))


def named_paths(connection: Connection) -> Iterable[str]:
    """The paths of all files that recorded builds name."""
    for files in connection.execute(sa.select(build_table.c.files)).scalars():
        yield from (file["path"] for file in files)


@dataclass(frozen=True)
class LogLedgerRow:
    """The account of one log's day: `in_table` are its events in `logs/actions` (for logs that are not stitched: in landing)."""

    log: str
    day: str
    landed: int
    in_table: int
    duplicate: int
    rejected: int
    built: bool

    @property
    def balanced(self) -> bool:
        """Contract 7: landed = in the table + duplicate + rejected."""
        return self.landed == self.in_table + self.duplicate + self.rejected


def log_ledger(connection: Connection, catalogue: LogCatalogue, *, run_id: str | None = None) -> list[LogLedgerRow]:
    """The accounting by log and day: as of now, or as of the builds of one run (of its days alone).

    A row that was withdrawn counts as a duplicate. Rejects without a usable date are counted in the day `unknown`, which is never built.
    """
    builds = current_builds(connection) if run_id is None else builds_of_run(connection, run_id)
    through = None if run_id is None else max((build.through_ingest for build in builds.values()), default=0)
    rows = []
    for landed in landed_days(connection, through=through):
        build = builds.get(landed.day)
        if run_id is not None and build is None:
            continue
        is_action = landed.log in catalogue.action_kinds
        in_table = (build.counts.kinds.get(landed.log, 0) if build else 0) if is_action else landed.rows
        built = not is_action or landed.last_ingest == 0 or (build is not None and landed.last_ingest <= build.through_ingest)
        duplicate = landed.duplicate + landed.withdrawn
        rows.append(LogLedgerRow(landed.log, landed.day, landed.landed, in_table, duplicate, landed.rejected, built))
    return rows


def _build(row: sa.Row[Any]) -> DayBuild:
    return DayBuild(
        build_id=row.build_id,
        day=row.day,
        through_ingest=row.through_ingest,
        state=row.state,
        reads={log: (first, last) for log, (first, last) in row.reads.items()},
        counts=DayCountsBuilt(**row.counts),
        files=tuple(TableFile(**file) for file in row.files),
        built_at=row.built_at,
        run_id=row.run_id,
    )
