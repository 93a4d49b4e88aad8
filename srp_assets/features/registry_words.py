"""The kept hits of standing word lists as features read them: a table of the registry, not the code of the wing that writes it."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import UtcDateTime

hits = sa.table(
    "wordlists_hits",
    sa.column("hits_id", sa.BigInteger),
    sa.column("build_id", sa.BigInteger),
    sa.column("entity", sa.String),
    sa.column("files", sa.JSON),
    sa.column("built_at", UtcDateTime),
    sa.column("current", sa.Boolean),
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
