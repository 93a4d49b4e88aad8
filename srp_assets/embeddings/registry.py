"""The embeddings' tables in the registry database: builds of sequences by day, and versions of vectors, of which one is current.

Files never change; what replaces a build or a version has a folder of its own, and old versions stay.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.errors import NotFound

metadata = sa.MetaData()

sessions_table = sa.Table(
    "embeddings_sessions",
    metadata,
    sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("identity", sa.String, nullable=False),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("newest_read", sa.BigInteger, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Index("ix_embeddings_sessions_day", "identity", "day", "current"),
)

version_table = sa.Table(
    "embeddings_version",
    metadata,
    sa.Column("version", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("week", sa.String, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("items", sa.BigInteger, nullable=False),
    sa.Column("dimensions", sa.Integer, nullable=False),
    sa.Column("base", sa.String),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("problems", sa.JSON, nullable=False),
    sa.Column("tracked_run", sa.String),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Index("ix_embeddings_version_name", "name", "current"),
)


@dataclass(frozen=True)
class SequencesBuild:
    """One day of sequences.

    Args:
        build_id: identity; 0 before it is recorded.
        identity: digest of the rules.
        day: in which the sessions start.
        reads: digest of the builds that it was made from.
        newest_read: the newest of them; a build never replaces one that was made from newer ones.
        folder: of its files, relative to the storage of the embeddings.
        files: paths of its files; none where no session is learned from.
        rows: in all of them.
        counts: sessions there were, dropped ones by reason, booked ones, items.
        built_at: when.
        run_id: of the run that built it, if there was one.
    """

    build_id: int
    identity: str
    day: str
    reads: str
    newest_read: int
    folder: str
    files: tuple[str, ...]
    rows: int
    counts: dict[str, int]
    built_at: datetime
    run_id: str | None


@dataclass(frozen=True)
class Version:
    """One version of vectors.

    Args:
        version: its name, which travels with everything that is made from it.
        name: of the declaration.
        week: the Monday of the week at whose end training ended.
        folder: of its files, relative to the storage of the embeddings.
        items: how many have vectors.
        dimensions: of a vector.
        base: the version that it went on from, if any.
        figures: how good it is, and what it was made from.
        problems: why it may not become current; none if it may.
        tracked_run: of its run in MLflow.
        made_at: when.
        run_id: of the run that made it, if there was one.
        current: whether it is the one that counts.
    """

    version: str
    name: str
    week: str
    folder: str
    items: int
    dimensions: int
    base: str | None
    figures: dict[str, Any]
    problems: tuple[str, ...] = ()
    tracked_run: str | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: str | None = None
    current: bool = False


def current_sequences(
    connection: Connection, identity: str, first: str | None = None, last: str | None = None
) -> dict[str, SequencesBuild]:
    """The sequences of some rules that count now, by day in order; `first` and `last` (as 2024-03-09) are both included."""
    columns = sessions_table.c
    statement = sa.select(sessions_table).where(columns.current, columns.identity == identity).order_by(columns.day)
    if first is not None:
        statement = statement.where(columns.day >= first)
    if last is not None:
        statement = statement.where(columns.day <= last)
    return {row.day: _build(row) for row in connection.execute(statement)}


def record_sequences(connection: Connection, builds: Sequence[SequencesBuild]) -> list[SequencesBuild]:
    """Makes builds current: the switch, seen by others when the caller's transaction commits.

    A build that was made from older builds than the current one is recorded as replaced already.
    """
    if connection.dialect.name == "postgresql":
        # Two first builds of a day would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE embeddings_sessions IN SHARE ROW EXCLUSIVE MODE"))
    now, columns, recorded = datetime.now(UTC), sessions_table.c, []
    for build in builds:
        of_day = columns.current & (columns.identity == build.identity) & (columns.day == build.day)
        older = columns.newest_read <= build.newest_read
        connection.execute(sessions_table.update().where(of_day, older).values(current=False, retired_at=now))
        is_replaced = connection.execute(sa.select(columns.build_id).where(of_day)).first() is not None
        values = {name: value for name, value in asdict(build).items() if name != "build_id"} | {"files": list(build.files)}
        row = values | {"current": not is_replaced, "retired_at": now if is_replaced else None}
        key = connection.execute(sessions_table.insert().values(row)).inserted_primary_key
        recorded.append(replace(build, build_id=key[0] if key else 0))
    return recorded


def retired_sequences(connection: Connection, before: datetime) -> list[SequencesBuild]:
    """The builds that were replaced before a time."""
    columns = sessions_table.c
    return [_build(row) for row in connection.execute(sa.select(sessions_table).where(~columns.current, columns.retired_at < before))]


def forget_sequences(connection: Connection, build_ids: Collection[int]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    columns = sessions_table.c
    for build_id in build_ids:
        connection.execute(sessions_table.delete().where(columns.build_id == build_id, ~columns.current))


def sequences_of_run(connection: Connection, run_id: str) -> dict[str, SequencesBuild]:
    """What a run has built, by day; of a day built twice the last."""
    statement = sa.select(sessions_table).where(sessions_table.c.run_id == run_id).order_by(sessions_table.c.build_id)
    return {row.day: _build(row) for row in connection.execute(statement)}


def record_version(connection: Connection, version: Version) -> Version:
    """Records a version; it becomes the current one unless it has problems or that of a later week is.

    One transaction of the caller's: readers see the old version or the new one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE embeddings_version IN SHARE ROW EXCLUSIVE MODE"))
    before = current_version(connection, version.name)
    switches = not version.problems and (before is None or before.week <= version.week)
    row = asdict(version) | {"problems": list(version.problems), "current": False}
    connection.execute(version_table.insert().values(row))
    return switch(connection, version.version) if switches else version


def switch(connection: Connection, version: str) -> Version:
    """Makes a version the current one, for instance an older one again.

    Raises:
        NotFound: if there is none of that name, or it has problems.
    """
    found = version_named(connection, version)
    if found.problems:
        raise NotFound(f"the version may not be current: {found.problems[0]}", where=version, remedy="choose one without problems")
    columns = version_table.c
    connection.execute(version_table.update().where(columns.name == found.name, columns.current).values(current=False))
    connection.execute(version_table.update().where(columns.version == version).values(current=True))
    return replace(found, current=True)


def current_version(connection: Connection, name: str) -> Version | None:
    """The version of a declaration that counts now."""
    columns = version_table.c
    row = connection.execute(sa.select(version_table).where(columns.name == name, columns.current)).first()
    return None if row is None else _version(row)


def versions(connection: Connection, name: str) -> list[Version]:
    """All versions of a declaration, the newest first."""
    columns = version_table.c
    statement = sa.select(version_table).where(columns.name == name).order_by(columns.made_at.desc())
    return [_version(row) for row in connection.execute(statement)]


def version_named(connection: Connection, version: str) -> Version:
    """A version by its name.

    Raises:
        NotFound: if there is none.
    """
    row = connection.execute(sa.select(version_table).where(version_table.c.version == version)).first()
    if row is None:
        raise NotFound(f"there is no version {version!r}", where="embeddings", remedy="srp embeddings list")
    return _version(row)


def version_before(connection: Connection, name: str, week: str) -> Version | None:
    """The newest version without problems of an earlier week: what a week goes on from."""
    columns = version_table.c
    statement = (
        sa.select(version_table).where(columns.name == name, columns.week < week).order_by(columns.week.desc(), columns.made_at.desc())
    )
    return next((found for found in map(_version, connection.execute(statement)) if not found.problems), None)


def version_of_run(connection: Connection, run_id: str) -> Version | None:
    """The version that a run has made."""
    row = connection.execute(sa.select(version_table).where(version_table.c.run_id == run_id)).first()
    return None if row is None else _version(row)


def _build(row: sa.Row[Any]) -> SequencesBuild:
    values = {name: value for name, value in row._mapping.items() if name not in ("current", "retired_at")}
    return SequencesBuild(**values | {"files": tuple(row.files)})


def _version(row: sa.Row[Any]) -> Version:
    return Version(**dict(row._mapping) | {"problems": tuple(row.problems)})
