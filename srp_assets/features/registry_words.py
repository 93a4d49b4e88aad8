"""The kept hits of standing word lists as features read them: a table of the registry, not the code of the wing that writes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import UtcDateTime
from srp_assets.warehouse.registry_builds import warehouse_build

hits = sa.table(
    "wordlists_hits",
    sa.column("hits_id", sa.BigInteger),
    sa.column("build_id", sa.BigInteger),
    sa.column("entity", sa.String),
    sa.column("lists", sa.JSON),
    sa.column("files", sa.JSON),
    sa.column("built_at", UtcDateTime),
    sa.column("current", sa.Boolean),
    sa.column("retired_at", UtcDateTime),
)


@dataclass(frozen=True)
class KeptHits:
    """The hits in one build of an entity.

    Args:
        hits_id: of the record; later ones are greater.
        build_id: of the build.
        since: when they were looked for, in microseconds since 1970.
        files: of hits, each with the places, among the build's files, of those that it is about.
    """

    hits_id: int
    build_id: int
    since: int
    files: tuple[tuple[str, tuple[int, ...]], ...]


def kept_hits(connection: Connection, entity: str) -> dict[int, KeptHits]:
    """The hits that are kept now of an entity's builds, by build."""
    statement = sa.select(hits).where(hits.c.entity == entity, hits.c.current).order_by(hits.c.hits_id)
    found = {}
    for row in connection.execute(statement):
        files = tuple((file["path"], tuple(file["built_files"])) for file in row.files)
        found[row.build_id] = KeptHits(row.hits_id, row.build_id, int(row.built_at.timestamp() * 1_000_000), files)
    return found


def lists_read_at(connection: Connection, entity: str, at: datetime) -> dict[str, dict[int, str]]:
    """The standing lists whose hits in an entity's texts whoever read them at some time was given.

    Args:
        connection: of the registry.
        entity: its name.
        at: the time; what was replaced so long ago that its record is gone is not found.

    Returns:
        By list the digest of its words by version: builds may have been looked through for several versions of a list.
    """
    build = warehouse_build.c
    found: dict[str, dict[int, str]] = {}
    statement = (
        sa.select(hits.c.lists)
        .join(warehouse_build, build.build_id == hits.c.build_id)
        .where(hits.c.entity == entity, *_stood_at(hits.c, at), *_stood_at(build, at))
    )
    for marks in connection.scalars(statement):
        for mark in marks:
            found.setdefault(mark["id"], {})[mark["version"]] = mark["digest"]
    return {name: dict(sorted(versions.items())) for name, versions in sorted(found.items())}


def _stood_at(columns: Any, at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether records were the current ones at some time."""
    return columns.built_at <= at, sa.or_(columns.retired_at.is_(None), columns.retired_at > at)
