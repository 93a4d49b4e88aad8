"""Kept hits in the registry database: which files hold the hits of the standing lists in a build, and for which builds they are missing.

A build has at most one current record; another one replaces it in one transaction. Files never change: a scan that planned with a record
goes on reading its files until the retention takes them away.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.warehouse.registry_builds import PeriodKey, warehouse_build, within
from srp_assets.wordlists.standing.lists import ListMark

metadata = sa.MetaData()

hits_table = sa.Table(
    "wordlists_hits",
    metadata,
    sa.Column("hits_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("build_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("entity", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("period", sa.String, nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("lists", sa.JSON, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcDateTime),
)


@dataclass(frozen=True)
class HitFile:
    """A file of hits, its path relative to the warehouse; `built_files` are the places, among the build's files, of those it is about."""

    path: str
    built_files: tuple[int, ...]


@dataclass(frozen=True)
class StandingHits:
    """The hits of the standing lists in one build; `hits_id` is 0 until it is recorded.

    `features` are the texts in which `lists` were looked for, with their parts; `digest` stands for both. `rows` is how many rows of the
    build were looked at, each once. A built file that no file of hits is about has none.
    """

    hits_id: int
    build_id: int
    entity: str
    product: str
    period: str
    features: dict[str, tuple[str, ...]]
    lists: tuple[ListMark, ...]
    digest: str
    files: tuple[HitFile, ...]
    rows: int
    hits: int
    built_at: datetime
    run_id: str | None

    @property
    def key(self) -> PeriodKey:
        """The period whose build it is about."""
        return PeriodKey(self.entity, self.product, self.period)

    def path_of(self, built_file: int) -> str | None:
        """The file with the hits of a built file, by its place in the build; None where there are none."""
        return next((file.path for file in self.files if built_file in file.built_files), None)


def current_hits(connection: Connection, *, entity: str, products: Collection[str] | None = None) -> dict[int, StandingHits]:
    """The hits that are kept now, by build; also of builds that were replaced meanwhile."""
    chosen = sa.and_(hits_table.c.current, within(hits_table.c, entity, products, None, None))
    return {found.build_id: found for found in _records(connection, chosen)}


def stale_hits(
    connection: Connection,
    *,
    entity: str,
    digest: str | None,
    products: Collection[str] | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[PeriodKey]:
    """The periods whose current build has no hits of what is looked for today.

    Args:
        connection: the registry.
        entity: whose periods.
        digest: what is looked for today (`standing.hits_digest`); where that is nothing, builds that still have hits are stale.
        products: only these.
        first: the first period, included.
        last: the last period, included.
    """
    build, hits = warehouse_build.c, hits_table.c
    same_build = sa.and_(hits.build_id == build.build_id, hits.current)
    joined = warehouse_build.outerjoin(hits_table, same_build if digest is None else sa.and_(same_build, hits.digest == digest))
    is_stale = hits.hits_id.is_not(None) if digest is None else hits.hits_id.is_(None)
    named = (build.entity, build.product, build.period)
    query = sa.select(*named).select_from(joined).where(build.current, is_stale, within(build, entity, products, first, last))
    return [PeriodKey(*row) for row in connection.execute(query.order_by(*named))]


def record_hits(connection: Connection, found: Sequence[StandingHits]) -> list[StandingHits]:
    """Makes hits those of their builds: the switch, seen by others when the caller's transaction commits."""
    retire_hits(connection, [hits.build_id for hits in found])
    if not found:
        return []
    rows = [{name: value for name, value in asdict(hits).items() if name != "hits_id"} | {"current": True} for hits in found]
    inserted = sa.insert(hits_table).returning(hits_table.c.hits_id, sort_by_parameter_order=True)
    return [replace(hits, hits_id=row.hits_id) for hits, row in zip(found, connection.execute(inserted, rows), strict=True)]


def retire_hits(connection: Connection, build_ids: Iterable[int]) -> None:
    """Takes the hits of builds out of use."""
    if connection.dialect.name == "postgresql":
        # Two first records of a build would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(sa.text("LOCK TABLE wordlists_hits IN SHARE ROW EXCLUSIVE MODE"))
    parameters = [{"of_build": build_id} for build_id in build_ids]
    if parameters:
        retired = sa.update(hits_table).where(hits_table.c.current, hits_table.c.build_id == sa.bindparam("of_build"))
        connection.execute(retired.values(current=False, retired_at=datetime.now(UTC)), parameters)


def unused_hits(connection: Connection, before: datetime) -> list[StandingHits]:
    """Hits that were replaced before a time, and those of builds that are forgotten."""
    is_forgotten = hits_table.c.build_id.not_in(sa.select(warehouse_build.c.build_id))
    was_replaced = sa.and_(~hits_table.c.current, hits_table.c.retired_at < before)
    return _records(connection, sa.or_(is_forgotten, was_replaced))


def forget_hits(connection: Connection, found: Iterable[StandingHits]) -> None:
    """Deletes the records of hits whose files are gone."""
    for hits in found:
        connection.execute(sa.delete(hits_table).where(hits_table.c.hits_id == hits.hits_id))


def hit_paths(connection: Connection) -> set[str]:
    """The paths of all files that are recorded."""
    return {file["path"] for files in connection.scalars(sa.select(hits_table.c.files)) for file in files}


def _records(connection: Connection, chosen: sa.ColumnElement[bool]) -> list[StandingHits]:
    query = sa.select(hits_table).where(chosen).order_by(hits_table.c.product, hits_table.c.period, hits_table.c.hits_id)
    return [_record(row) for row in connection.execute(query)]


def _record(row: sa.Row[Any]) -> StandingHits:
    values = {name: value for name, value in row._mapping.items() if name not in ("current", "retired_at")}
    features = {name: tuple(parts) for name, parts in values["features"].items()}
    lists = tuple(ListMark(**mark) for mark in values["lists"])
    files = tuple(HitFile(file["path"], tuple(file["built_files"])) for file in values["files"])
    return StandingHits(**{**values, "features": features, "lists": lists, "files": files})
