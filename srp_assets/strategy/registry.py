"""The stored documents: every version of every word list, feature, value, rule and strategy, and what each refers to.

Versions never change. A document is archived as a whole: then nothing new may refer to it, while what ran with it keeps its pinned version.
What a document must be like to be stored is decided in `apply.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import UtcDateTime
from srp_assets.errors import Conflict, InvalidInput, NotFound, nearest
from srp_assets.strategy.model import KINDS

metadata = sa.MetaData()

document_table = sa.Table(
    "strategy_document",
    metadata,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("topic", sa.String),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("archived_at", UtcDateTime),
)

reference_table = sa.Table(
    "strategy_reference",
    metadata,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("to_kind", sa.String, primary_key=True),
    sa.Column("to_id", sa.String, primary_key=True),
    sa.ForeignKeyConstraint(
        ["kind", "id", "version"], ["strategy_document.kind", "strategy_document.id", "strategy_document.version"], ondelete="CASCADE"
    ),
    sa.Index("ix_strategy_reference_to", "to_kind", "to_id"),
)

Reference = tuple[str, str]
"""Kind and id of a document."""


@dataclass(frozen=True)
class StoredDocument:
    """One version of a document. `body` is what was applied, with its owner; `archived_at` belongs to all versions alike."""

    kind: str
    id: str
    version: int
    owner: str
    topic: str | None
    body: Mapping[str, Any]
    digest: str
    created_at: datetime
    archived_at: datetime | None

    @property
    def is_archived(self) -> bool:
        """Whether nothing new may use it."""
        return self.archived_at is not None


def _newest(*, include_archived: bool = True) -> sa.Select[Any]:
    """Key and number of the newest version of every document."""
    columns = document_table.c
    newest = sa.select(columns.kind, columns.id, sa.func.max(columns.version).label("version")).group_by(columns.kind, columns.id)
    return newest if include_archived else newest.where(columns.archived_at.is_(None))


def list_documents(connection: Connection, kind: str, include_archived: bool = False) -> list[StoredDocument]:
    """The newest version of every document of a kind, by id.

    Raises:
        InvalidInput: if there is no such kind.
    """
    require_kind(kind)
    newest = _newest(include_archived=include_archived).subquery()
    same = [document_table.c[name] == newest.c[name] for name in ("kind", "id", "version")]
    query = sa.select(document_table).join(newest, sa.and_(*same)).where(document_table.c.kind == kind).order_by(document_table.c.id)
    return [StoredDocument(**row) for row in connection.execute(query).mappings()]


def document_ids(connection: Connection, kind: str) -> list[str]:
    """The ids of the documents of a kind that are not archived."""
    columns = document_table.c
    query = sa.select(columns.id).distinct().where(columns.kind == kind, columns.archived_at.is_(None)).order_by(columns.id)
    return list(connection.scalars(query))


def find_document(
    connection: Connection, kind: str, id: str, version: int | None = None, *, before: datetime | None = None
) -> StoredDocument | None:
    """A version of a document (the newest, unless one is given), archived or not; None if there is none.

    `before` goes back in time: what was applied then or later is not seen.
    """
    columns = document_table.c
    query = sa.select(document_table).where(columns.kind == kind, columns.id == id).order_by(columns.version.desc()).limit(1)
    if before is not None:
        query = query.where(columns.created_at < before)
    row = connection.execute(query if version is None else query.where(columns.version == version)).mappings().first()
    return None if row is None else StoredDocument(**row)


def show_document(connection: Connection, kind: str, id: str, version: int | None = None) -> StoredDocument:
    """A version of a document, the newest unless one is given.

    Raises:
        InvalidInput: if there is no such kind.
        NotFound: if there is no such document or version.
    """
    require_kind(kind)
    found = find_document(connection, kind, id, version)
    if found is not None:
        return found
    newest = find_document(connection, kind, id)
    if newest is None:
        raise NotFound(f"there is no {kind} {id!r}", remedy=nearest(id, document_ids(connection, kind)))
    raise NotFound(f"{kind} {id} has no version {version}", remedy=f"its newest version is {newest.version}")


def versions_of(connection: Connection, kind: str, id: str) -> list[StoredDocument]:
    """All versions of a document, the oldest first."""
    columns = document_table.c
    query = sa.select(document_table).where(columns.kind == kind, columns.id == id).order_by(columns.version)
    return [StoredDocument(**row) for row in connection.execute(query).mappings()]


def store_version(connection: Connection, document: StoredDocument, references: Iterable[Reference]) -> None:
    """Stores a new version of a document with what it refers to; this makes the document active again if it was archived."""
    try:
        connection.execute(document_table.insert().values(**document.__dict__))
    except sa.exc.IntegrityError as error:
        raise Conflict(
            f"somebody else stored version {document.version} of {document.kind} {document.id} at the same time", remedy="apply again"
        ) from error
    rows = [
        {"kind": document.kind, "id": document.id, "version": document.version, "to_kind": to_kind, "to_id": to_id}
        for to_kind, to_id in sorted(set(references))
    ]
    if rows:
        connection.execute(reference_table.insert(), rows)
    restore_document(connection, document.kind, document.id)


def restore_document(connection: Connection, kind: str, id: str) -> None:
    """Makes an archived document active again."""
    columns = document_table.c
    connection.execute(document_table.update().where(columns.kind == kind, columns.id == id).values(archived_at=None))


def referrers(connection: Connection, kind: str, id: str) -> list[Reference]:
    """The active documents whose newest version refers to a document, by kind and id."""
    newest = _newest(include_archived=False).subquery()
    same = [reference_table.c[name] == newest.c[name] for name in ("kind", "id", "version")]
    query = (
        sa.select(reference_table.c.kind, reference_table.c.id)
        .join(newest, sa.and_(*same))
        .where(reference_table.c.to_kind == kind, reference_table.c.to_id == id)
        .order_by(reference_table.c.kind, reference_table.c.id)
    )
    return [(row.kind, row.id) for row in connection.execute(query)]


def archive_document(connection: Connection, kind: str, id: str) -> StoredDocument:
    """Takes a document out of use: nothing new may refer to it, no task may be submitted with it; its versions stay. Twice is once.

    Raises:
        InvalidInput: if there is no such kind.
        NotFound: if there is no such document.
        Conflict: if the newest version of an active document refers to it.
    """
    show_document(connection, kind, id)
    users = [f"{user_kind} {user_id}" for user_kind, user_id in referrers(connection, kind, id)]
    if users:
        raise Conflict(f"{kind} {id} cannot be archived: {_named(users)} to it", remedy="archive or change them first")
    columns = document_table.c
    active = sa.and_(columns.kind == kind, columns.id == id, columns.archived_at.is_(None))
    connection.execute(document_table.update().where(active).values(archived_at=datetime.now(UTC)))
    return show_document(connection, kind, id)


def delete_document(connection: Connection, kind: str, id: str) -> None:
    """Removes a document with all its versions.

    Raises:
        InvalidInput: if there is no such kind.
        NotFound: if there is no such document.
        Conflict: if any stored version of another document refers to it, archived or not: that version could never be resolved again.
    """
    show_document(connection, kind, id)
    columns = reference_table.c
    query = (
        sa.select(columns.kind, columns.id, columns.version)
        .where(columns.to_kind == kind, columns.to_id == id, sa.not_(sa.and_(columns.kind == kind, columns.id == id)))
        .order_by(columns.kind, columns.id, columns.version)
    )
    users = [f"{row.kind} {row.id} (version {row.version})" for row in connection.execute(query)]
    if users:
        raise Conflict(f"{kind} {id} cannot be deleted: {_named(users)} to it", remedy="delete them first, or archive it instead")
    connection.execute(reference_table.delete().where(columns.kind == kind, columns.id == id))
    connection.execute(document_table.delete().where(document_table.c.kind == kind, document_table.c.id == id))


def require_kind(kind: str) -> None:
    """Refuses what is no kind of document.

    Raises:
        InvalidInput: naming the nearest kind.
    """
    if kind not in KINDS:
        raise InvalidInput(f"{kind!r} is no kind of document", remedy=nearest(kind, KINDS))


def _named(users: list[str]) -> str:
    """The first few of those who refer to a document, with the verb."""
    shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
    return f"{shown} {'refers' if len(users) == 1 else 'refer'}"
