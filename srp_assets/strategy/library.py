"""The documents that names in a document can mean: what is being applied, and behind it what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar, cast

from sqlalchemy import Connection

from srp_assets.strategy import registry
from srp_assets.strategy.model import KINDS, AnyDocument
from srp_assets.strategy.registry import Reference
from srp_assets.strategy.written import Written, read_document

AnyKind = TypeVar("AnyKind", bound=AnyDocument)


@dataclass(frozen=True)
class Found(Generic[AnyKind]):
    """A document that a name means, the place that its errors name, and the lines of its lists' entries where it is a file's.

    `version` is 0 while it is being applied.
    """

    document: AnyKind
    place: str
    version: int
    is_archived: bool
    lines: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Library:
    """Looks documents up by kind and id; each is read once.

    Args:
        connection: the registry.
        applied: documents that stand before stored ones of the same kind and id.
        broken: documents that are being applied and cannot be read; what refers to them is not judged.
        before: stored documents as they stood before this time; as they stand now if None.
    """

    def __init__(
        self,
        connection: Connection,
        applied: Iterable[Written] = (),
        broken: Iterable[Reference] = (),
        *,
        before: datetime | None = None,
    ) -> None:
        self._connection = connection
        self._before = before
        self.broken = frozenset(broken)
        self._found: dict[Reference, Found[AnyDocument] | None] = {
            written.reference: Found(written.document, written.place, 0, False, written.lines) for written in applied
        }

    def find(self, model: type[AnyKind], id_: str) -> Found[AnyKind] | None:
        """The document of a kind, as it is applied or its newest stored version; None if there is none."""
        return cast("Found[AnyKind] | None", self.find_any(kind_of(model), id_))

    def find_any(self, kind: str, id_: str) -> Found[AnyDocument] | None:
        """The same for a kind by its name."""
        if (kind, id_) not in self._found:
            stored = registry.find_document(self._connection, kind, id_, before=self._before)
            self._found[kind, id_] = found_in_registry(stored) if stored else None
        return self._found[kind, id_]

    def ids(self, model: type[AnyKind]) -> list[str]:
        """The ids of a kind that may be referred to."""
        kind = kind_of(model)
        applied = {id_ for (kind_, id_), found in self._found.items() if kind_ == kind and found and not found.is_archived}
        return sorted(applied | set(registry.document_ids(self._connection, kind)))


def found_in_registry(stored: registry.StoredDocument) -> Found[AnyDocument]:
    """A stored version as what a name means."""
    written = read_document(stored.body, "stored")
    return Found(written.document, written.place, stored.version, stored.is_archived)


def kind_of(model: type[AnyKind]) -> str:
    """The name of a kind of document."""
    return next(kind for kind, known in KINDS.items() if known is model)
