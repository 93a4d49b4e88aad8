"""The sequences' tables in the registry database: what is kept of months, the stages of days, and what landed of what was served.

Files never change; what replaces a build has a folder of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime

metadata = sa.MetaData()

build_table = sa.Table(
    "sequences_build",
    metadata,
    sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("table", sa.String, nullable=False),
    sa.Column("identity", sa.String, nullable=False),
    sa.Column("period", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("newest_read", sa.BigInteger, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Index("ix_sequences_build_period", "table", "identity", "period", "current"),
)

served_table = sa.Table(
    "sequences_served",
    metadata,
    sa.Column("file_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("traces", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("landed_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("source", "day"),
)

Table = Literal["months", "stages"]


@dataclass(frozen=True)
class SequenceBuild:
    """A month of what is kept, or a day of stages.

    Args:
        build_id: identity; 0 before it is recorded.
        table: what it is of.
        identity: digest of what decides about it beside what it reads.
        period: the month as 2024-03, or the day as 2024-03-09.
        reads: digest of what it was made from.
        newest_read: the newest build of logs among it; a build never replaces one that was made from newer ones.
        folder: where its files lie, relative to the storage of the sequences.
        files: paths of its files.
        rows: in all of them.
        bytes: of all of them.
        figures: what else there is to tell: requests, those whose raw actions were read, actions that are not kept.
        built_at: when.
        run_id: of the run that built it, if there was one.
    """

    build_id: int
    table: Table
    identity: str
    period: str
    reads: str
    newest_read: int
    folder: str
    files: tuple[str, ...]
    rows: int
    bytes: int
    figures: dict[str, int]
    built_at: datetime
    run_id: str | None


@dataclass(frozen=True)
class ServedFile:
    """A day of a file of served stages that landed."""

    source: str
    day: str
    path: str
    rows: int
    traces: int
    duplicates: int
    landed_at: datetime


def current_builds(connection: Connection, table: Table, identity: str) -> dict[str, SequenceBuild]:
    """The builds of an identity that count now, by period in order."""
    columns = build_table.c
    statement = sa.select(build_table).where(columns.current, columns.table == table, columns.identity == identity)
    return {row.period: _build(row) for row in connection.execute(statement.order_by(columns.period))}


def record_builds(connection: Connection, builds: Sequence[SequenceBuild]) -> list[SequenceBuild]:
    """Makes builds current: the switch, seen by others when the caller's transaction commits.

    A build that was made from older builds than the current one is recorded as replaced already.
    """
    if connection.dialect.name == "postgresql":
        # Two first builds of a period would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE sequences_build IN SHARE ROW EXCLUSIVE MODE"))
    now, columns, recorded = datetime.now(UTC), build_table.c, []
    for build in builds:
        same = (columns.table == build.table) & (columns.identity == build.identity) & (columns.period == build.period) & columns.current
        connection.execute(build_table.update().where(same, columns.newest_read <= build.newest_read).values(current=False, retired_at=now))
        is_replaced = connection.execute(sa.select(sa.func.count()).where(same)).scalar_one() > 0
        values = {name: value for name, value in asdict(build).items() if name != "build_id"}
        values |= {"files": list(build.files), "current": not is_replaced, "retired_at": now if is_replaced else None}
        found = connection.execute(build_table.insert().values(**values).returning(columns.build_id)).scalar_one()
        recorded.append(replace(build, build_id=found))
    return recorded


def retired_builds(connection: Connection, before: datetime) -> list[SequenceBuild]:
    """The builds that were replaced before a time."""
    return [_build(row) for row in connection.execute(sa.select(build_table).where(build_table.c.retired_at < before))]


def forget_builds(connection: Connection, build_ids: Collection[int]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    for build_id in build_ids:
        connection.execute(build_table.delete().where(build_table.c.build_id == build_id, ~build_table.c.current))


def _build(row: sa.Row[Any]) -> SequenceBuild:
    values = dict(row._mapping)
    del values["current"], values["retired_at"]
    return SequenceBuild(**{**values, "files": tuple(row.files), "figures": dict(row.figures)})


def record_served(connection: Connection, files: Sequence[ServedFile]) -> None:
    """Keeps what landed."""
    if files:
        connection.execute(served_table.insert(), [asdict(file) for file in files])


def served_files(connection: Connection, first: str | None = None, last: str | None = None) -> dict[str, list[ServedFile]]:
    """What landed of some days, or of all, by day and in the order of landing."""
    columns = served_table.c
    statement = sa.select(served_table).order_by(columns.day, columns.file_id)
    if first is not None:
        statement = statement.where(columns.day >= first)
    if last is not None:
        statement = statement.where(columns.day <= last)
    found: dict[str, list[ServedFile]] = {}
    for row in connection.execute(statement):
        file = ServedFile(row.source, row.day, row.path, row.rows, row.traces, row.duplicates, row.landed_at)
        found.setdefault(row.day, []).append(file)
    return found


def has_landed(connection: Connection, source: str) -> bool:
    """Whether a file has landed, by its digest."""
    return connection.execute(sa.select(served_table.c.file_id).where(served_table.c.source == source).limit(1)).first() is not None
