"""Stores the documents of files: all of them if every one is good, else none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from srp_assets.errors import InvalidInput
from srp_assets.strategy import registry
from srp_assets.strategy.library import Library
from srp_assets.strategy.loading import RawDocument, find_files, load_file
from srp_assets.strategy.logic import LogicReader
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.registry import Reference, StoredDocument
from srp_assets.strategy.validation import check_document
from srp_assets.strategy.written import Written, applying_user, read_document, reference_of, references_of
from srp_assets.warehouse.catalogue import Catalogue

Action = Literal["created", "changed", "restored", "unchanged"]


@dataclass(frozen=True)
class Applied:
    """What became of a document.

    `created` and `changed` stored a version, `unchanged` found the same content stored already, `restored` found it archived and made it
    active again. `warnings` tell of what is accepted and may not mean what it seems to.
    """

    kind: str
    id: str
    version: int
    action: Action
    warnings: tuple[str, ...] = ()


def apply_documents(
    connection: Connection, catalogue: Catalogue, paths: Iterable[Path], dry_run: bool = False, owner: str | None = None
) -> list[Applied]:
    """Validates the documents of files and folders together, and stores what is new in them.

    Documents may refer to each other in any order, and to stored ones. Stored documents that refer to a changed one must still be good
    with it.

    Args:
        connection: the registry, in a transaction.
        catalogue: what they are validated against.
        paths: files and folders.
        dry_run: only say what would happen.
        owner: owner of documents that name none and had none before; by default the user who runs this.

    Returns:
        What became of each document, in the order of the files.

    Raises:
        InvalidDocuments: with all problems of the call; nothing is stored then.
        NotFound: if a path does not exist.
    """
    problems: list[InvalidInput] = []
    broken: set[Reference] = set()
    written = _read_all(connection, paths, owner, problems, broken)
    reader = LogicReader(catalogue, Library(connection, written, broken))
    warnings = {}
    for document in written:
        found = reader.library.find_any(*document.reference)
        if found is not None:
            warnings[document.reference] = tuple(check_document(reader, found))
    stored = {document.reference: registry.find_document(connection, *document.reference) for document in written}
    changed = [document.reference for document in written if _differs(document, stored[document.reference])]
    _check_referrers(connection, reader, changed, set(stored))
    problems += reader.problems
    if problems:
        raise InvalidDocuments(problems)
    # What is applied together is of one time: no moment is between a strategy and the lists that came with it.
    now = datetime.now(UTC)
    return [
        _store(connection, catalogue, document, stored[document.reference], warnings[document.reference], now=now, dry_run=dry_run)
        for document in written
    ]


def _read_all(
    connection: Connection, paths: Iterable[Path], owner: str | None, problems: list[InvalidInput], broken: set[Reference]
) -> list[Written]:
    """All documents of the files whose form is good; the others are added to the broken ones, what is wrong with them to the problems."""
    written: dict[Reference, Written] = {}
    for raw in _load_all(paths, problems):
        try:
            reference = reference_of(raw.content, raw.place)
        except InvalidInput as error:
            problems.append(error)
            continue
        try:
            document = read_document(_with_owner(connection, raw, reference, owner), raw.place, raw.lines)
        except InvalidDocuments as error:
            problems += error.problems
            broken.add(reference)
            continue
        first = written.setdefault(document.reference, document)
        if first is not document:
            problems.append(InvalidInput("the document stands twice in this call", where=document.place, remedy=f"see {first.place}"))
    return list(written.values())


def _load_all(paths: Iterable[Path], problems: list[InvalidInput]) -> list[RawDocument]:
    documents: list[RawDocument] = []
    for path in find_files(paths):
        try:
            documents += load_file(path)
        except InvalidInput as error:
            problems.append(error)
    return documents


def _with_owner(connection: Connection, raw: RawDocument, reference: Reference, owner: str | None) -> dict[str, object]:
    """The document's content; one without owner keeps its stored one, or gets that of the call."""
    if "owner" in raw.content:
        return raw.content
    stored = registry.find_document(connection, *reference)
    found = stored.owner if stored else owner or applying_user()
    return raw.content | {"owner": found} if found else raw.content


def _differs(document: Written, stored: StoredDocument | None) -> bool:
    return stored is None or stored.digest != document.digest


def _check_referrers(connection: Connection, reader: LogicReader, changed: Iterable[Reference], applied: set[Reference]) -> None:
    """Checks the stored documents that refer, directly or through others, to what changes."""
    waiting = list(changed)
    seen = set(applied)
    while waiting:
        for referrer in registry.referrers(connection, *waiting.pop()):
            found = reader.library.find_any(*referrer) if referrer not in seen else None
            seen.add(referrer)
            if found is not None:
                check_document(reader, found)
                waiting.append(referrer)


def _store(
    connection: Connection,
    catalogue: Catalogue,
    document: Written,
    stored: StoredDocument | None,
    warnings: tuple[str, ...],
    *,
    now: datetime,
    dry_run: bool,
) -> Applied:
    kind, id_ = document.reference
    if stored is not None and not _differs(document, stored):
        if stored.is_archived and not dry_run:
            registry.restore_document(connection, kind, id_)
        return Applied(kind, id_, stored.version, "restored" if stored.is_archived else "unchanged", warnings)
    version = stored.version + 1 if stored else 1
    if not dry_run:
        row = StoredDocument(
            kind=kind,
            id=id_,
            version=version,
            owner=str(document.document.owner),
            topic=document.document.topic,
            body=document.body,
            digest=document.digest,
            created_at=now,
            archived_at=None,
        )
        registry.store_version(connection, row, references_of(document.document, catalogue))
    return Applied(kind, id_, version, "changed" if stored else "created", warnings)
