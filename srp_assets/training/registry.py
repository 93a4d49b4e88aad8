"""The training sets' table in the registry database: builds by day, and which are current.

A build is of an identity: the digest of what its columns mean and how rows are weighed, so that sets of other definitions stand beside it.
Files never change; what replaces a build has a folder of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime

metadata = sa.MetaData()

set_table = sa.Table(
    "training_set",
    metadata,
    sa.Column("set_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("identity", sa.String, nullable=False),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("newest_read", sa.BigInteger, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Index("ix_training_set_day", "identity", "day", "current"),
)


@dataclass(frozen=True)
class SetBuild:
    """One day of a training set.

    Args:
        set_id: identity; 0 before it is recorded.
        identity: digest of the columns and of how rows are weighed.
        day: of the impressions.
        reads: digest of the builds that it was made from.
        newest_read: the newest of these builds; a build never replaces one that was made from newer ones.
        folder: where its files lie, relative to the storage of the training sets.
        rows: in all of them.
        bytes: of all files.
        figures: of its card (`figures.py`), as JSON.
        built_at: when.
        run_id: of the run that built it, if there was one.
    """

    set_id: int
    identity: str
    day: str
    reads: str
    newest_read: int
    folder: str
    rows: int
    bytes: int
    figures: dict[str, Any]
    built_at: datetime
    run_id: str | None


def current_sets(connection: Connection, identity: str, first: str | None = None, last: str | None = None) -> dict[str, SetBuild]:
    """The sets of an identity that count now, by day in order; `first` and `last` (as 2024-03-09) are both included."""
    columns = set_table.c
    statement = sa.select(set_table).where(columns.current, columns.identity == identity).order_by(columns.day)
    if first is not None:
        statement = statement.where(columns.day >= first)
    if last is not None:
        statement = statement.where(columns.day <= last)
    return {row.day: _build(row) for row in connection.execute(statement)}


def sets_of_run(connection: Connection, run_id: str) -> dict[str, SetBuild]:
    """What a run has built, by day; of a day built twice the last."""
    statement = sa.select(set_table).where(set_table.c.run_id == run_id).order_by(set_table.c.set_id)
    return {row.day: _build(row) for row in connection.execute(statement)}


def record_sets(connection: Connection, builds: Sequence[SetBuild]) -> list[SetBuild]:
    """Makes builds current: the switch, seen by others when the caller's transaction commits.

    A build that was made from older builds than the current one is recorded as replaced already.
    """
    if connection.dialect.name == "postgresql":
        # Two first builds of a day would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE training_set IN SHARE ROW EXCLUSIVE MODE"))
    now, columns, recorded = datetime.now(UTC), set_table.c, []
    for build in builds:
        of_day = columns.current & (columns.identity == build.identity) & (columns.day == build.day)
        connection.execute(set_table.update().where(of_day, columns.newest_read <= build.newest_read).values(current=False, retired_at=now))
        is_replaced = connection.execute(sa.select(columns.set_id).where(of_day)).first() is not None
        values = {name: value for name, value in asdict(build).items() if name != "set_id"}
        row = values | {"current": not is_replaced, "retired_at": now if is_replaced else None}
        key = connection.execute(set_table.insert().values(row)).inserted_primary_key
        recorded.append(replace(build, set_id=key[0] if key else 0))
    return recorded


def retired_sets(connection: Connection, before: datetime) -> list[SetBuild]:
    """The builds that were replaced before a time."""
    return [_build(row) for row in connection.execute(sa.select(set_table).where(~set_table.c.current, set_table.c.retired_at < before))]


def forget_sets(connection: Connection, set_ids: Collection[int]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    for set_id in set_ids:
        connection.execute(set_table.delete().where(set_table.c.set_id == set_id, ~set_table.c.current))


def _build(row: sa.Row[Any]) -> SetBuild:
    return SetBuild(
        set_id=row.set_id,
        identity=row.identity,
        day=row.day,
        reads=row.reads,
        newest_read=row.newest_read,
        folder=row.folder,
        rows=row.rows,
        bytes=row.bytes,
        figures=dict(row.figures),
        built_at=row.built_at,
        run_id=row.run_id,
    )
