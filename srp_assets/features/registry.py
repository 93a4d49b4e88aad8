"""The features' tables in the registry database: builds by day, which are current, and what each version of the definitions held.

Built are partial sums, windowed features as of the beginning of days, and the features of impressions. A build is of an identity: the
digest of what is computed, so that builds of other definitions stand beside it. Files never change; what replaces a build has a folder of
its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.features.declaration.definitions import Definitions

metadata = sa.MetaData()

build_table = sa.Table(
    "features_build",
    metadata,
    sa.Column("build_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("table", sa.String, nullable=False),
    sa.Column("identity", sa.String, nullable=False),
    sa.Column("day", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("newest_read", sa.BigInteger, nullable=False),
    sa.Column("attributes_ingest", sa.BigInteger, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("rows", sa.JSON, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Index("ix_features_build_day", "table", "identity", "day", "current"),
)

definitions_table = sa.Table(
    "features_definitions",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)


Table = Literal["partials", "windows", "impressions"]


@dataclass(frozen=True)
class FeatureBuild:
    """One day of what is built.

    Args:
        build_id: identity; 0 before it is recorded.
        table: what it is a day of.
        identity: digest of what is computed, and the number of buckets.
        day: of the events, of the beginning, or of the impressions.
        reads: digest of the builds that it was made from.
        newest_read: the newest of these builds; a build never replaces one that was made from newer ones.
        attributes_ingest: the last ingest of the warehouse whose attributes it has seen.
        folder: where its files lie, relative to the storage of the features.
        rows: by family or entity and table, as `user_id/user_id-category`.
        bytes: of all files.
        built_at: when.
        run_id: of the run that built it, if there was one.
    """

    build_id: int
    table: Table
    identity: str
    day: str
    reads: str
    newest_read: int
    attributes_ingest: int
    folder: str
    rows: dict[str, int]
    bytes: int
    built_at: datetime
    run_id: str | None


def current_builds(
    connection: Connection, table: Table, identity: str, first: str | None = None, last: str | None = None
) -> dict[str, FeatureBuild]:
    """The builds of an identity that count now, by day in order; `first` and `last` (as 2024-03-09) are both included."""
    columns = build_table.c
    statement = sa.select(build_table).where(columns.current, columns.table == table, columns.identity == identity).order_by(columns.day)
    if first is not None:
        statement = statement.where(columns.day >= first)
    if last is not None:
        statement = statement.where(columns.day <= last)
    return {row.day: _build(row) for row in connection.execute(statement)}


def builds_of_run(connection: Connection, table: Table, run_id: str) -> dict[str, FeatureBuild]:
    """What a run has built of a table, by day; of a day built twice the last."""
    of_run = (build_table.c.run_id == run_id) & (build_table.c.table == table)
    statement = sa.select(build_table).where(of_run).order_by(build_table.c.build_id)
    return {row.day: _build(row) for row in connection.execute(statement)}


def record_builds(connection: Connection, builds: Sequence[FeatureBuild]) -> list[FeatureBuild]:
    """Makes builds current: the switch, seen by others when the caller's transaction commits.

    A build that was made from older builds than the current one is recorded as replaced already.
    """
    if not builds:
        return []
    if connection.dialect.name == "postgresql":
        # Two first builds of a day would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE features_build IN SHARE ROW EXCLUSIVE MODE"))
    now = datetime.now(UTC)
    columns = build_table.c
    older = (
        columns.current
        & (columns.table == sa.bindparam("new_table"))
        & (columns.identity == sa.bindparam("new_identity"))
        & (columns.day == sa.bindparam("new_day"))
        & (columns.newest_read <= sa.bindparam("new_newest"))
    )
    keys = [
        {"new_table": build.table, "new_identity": build.identity, "new_day": build.day, "new_newest": build.newest_read}
        for build in builds
    ]
    connection.execute(build_table.update().where(older).values(current=False, retired_at=now), keys)
    standing = connection.execute(sa.select(columns.table, columns.identity, columns.day).where(columns.current))
    newer = {(row.table, row.identity, row.day) for row in standing}
    rows = []
    for build in builds:
        is_replaced = (build.table, build.identity, build.day) in newer
        values = {name: value for name, value in asdict(build).items() if name != "build_id"}
        rows.append(values | {"current": not is_replaced, "retired_at": now if is_replaced else None})
    inserted = build_table.insert().returning(build_table.c.build_id, sort_by_parameter_order=True)
    return [replace(build, build_id=row.build_id) for build, row in zip(builds, connection.execute(inserted, rows), strict=True)]


def retired_builds(connection: Connection, before: datetime) -> list[FeatureBuild]:
    """The builds that were replaced before a time."""
    statement = sa.select(build_table).where(~build_table.c.current, build_table.c.retired_at < before)
    return [_build(row) for row in connection.execute(statement)]


def forget_builds(connection: Connection, build_ids: Collection[int]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    for build_id in build_ids:
        connection.execute(build_table.delete().where(build_table.c.build_id == build_id, ~build_table.c.current))


def _build(row: sa.Row[Any]) -> FeatureBuild:
    return FeatureBuild(
        build_id=row.build_id,
        table=row.table,
        identity=row.identity,
        day=row.day,
        reads=row.reads,
        newest_read=row.newest_read,
        attributes_ingest=row.attributes_ingest,
        folder=row.folder,
        rows=dict(row.rows),
        bytes=row.bytes,
        built_at=row.built_at,
        run_id=row.run_id,
    )


def record_definitions(connection: Connection, definitions: Definitions) -> None:
    """Keeps which version of each feature these definitions hold, so that what was computed by them says so ever after."""
    if definitions.digest in feature_versions(connection, [definitions.digest]):
        return
    versions = {name: feature.version for name, feature in definitions.features.items()}
    values = {"digest": definitions.digest, "features": versions, "recorded_at": datetime.now(UTC)}
    insert = _INSERTS[connection.dialect.name](definitions_table)
    # Two processes may find it missing at once.
    connection.execute(insert.values(**values).on_conflict_do_nothing(index_elements=["digest"]))


_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def feature_versions(connection: Connection, digests: Iterable[str]) -> dict[str, dict[str, str]]:
    """The versions of the features by name, of each of some versions of the definitions; one that nobody recorded is left out."""
    columns = definitions_table.c
    statement = sa.select(columns.digest, columns.features).where(columns.digest.in_(list(digests)))
    return {row.digest: dict(row.features) for row in connection.execute(statement)}


def definitions_holding(connection: Connection, versions: Mapping[str, str]) -> list[str]:
    """The recorded versions of the definitions in which features have these versions, whatever else they hold."""
    rows = connection.execute(sa.select(definitions_table.c.digest, definitions_table.c.features))
    return sorted(row.digest for row in rows if versions.items() <= row.features.items())
