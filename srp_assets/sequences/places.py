"""Where sequences are built from and to, in one home."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection

from srp_assets.embeddings.registry import Version, current_version, versions
from srp_assets.embeddings.weekly.files import VECTORS
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.sequences.building.columns import kept_columns
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.registry import Table
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from srp_assets.sequences.search.searching import SearchVectors

Portraits = Literal["computed", "logged"]
"""What stages begin from: portraits that are computed from the logs of actions, or those that the online side logged, where it did."""


@dataclass(frozen=True)
class SequencePlaces:
    """Where sequences are built from and to.

    Args:
        sequences: the storage that is written to.
        embeddings: the storage of vectors of items.
        features: where logs and attributes are.
        logs: the declared logs.
        layout: of the features beside which sequences are declared.
        document: the sequences.
        buckets: of what is kept of months.
        slack: how many times the length of a portrait is kept of a user's month.
        split_rows: requests that one task computes at once.
        vectors: storage, file and version of the vectors that soft searches take, if there are any.
        portraits: what stages begin from.
    """

    sequences: Storage
    embeddings: Storage
    features: Places
    logs: LogCatalogue
    layout: Layout
    document: Document
    buckets: int
    slack: float
    split_rows: int
    vectors: tuple[Storage, str, str] | None = None
    portraits: Portraits = "computed"

    def current(self, connection: Connection) -> "SequencePlaces":
        """The same with the vectors that count now, where soft searches name some."""
        name = self.document.embeddings
        version = None if name is None else current_version(connection, name)
        return self if version is None else self._with(version)

    def _with(self, version: Version) -> "SequencePlaces":
        return replace(self, vectors=(self.embeddings, f"{version.folder}/{VECTORS}", version.version))

    def search_vectors(self) -> "SearchVectors | None":
        """What soft searches take, offline and in a service's twin: the vectors of these places, which are those that `current` found."""
        if self.vectors is None:
            return None
        # Compiled loops, which nobody should wait for who only wants to know where things are.
        from srp_assets.embeddings.vectors import read_vectors
        from srp_assets.sequences.search.searching import SearchVectors

        return SearchVectors(read_vectors(*self.vectors[:2]))

    @property
    def keep(self) -> int:
        """Actions that are kept of a user's month."""
        return int(self.document.portrait.length * self.slack)

    def identity(self, table: Table) -> str:
        """What decides about builds beside what they read."""
        columns = kept_columns(self.document, self.layout.definitions)
        months: list[Any] = [columns, self.keep, self.buckets]
        if table == "months":
            return digest_of(months)
        version = self.vectors[2] if self.vectors else None
        document = self.document
        # What is built from computed portraits is what it was before there was another way.
        mode = [] if self.portraits == "computed" else [self.portraits]
        return digest_of([months, document.portrait_version, [document.version(own) for own in document.sequences], version, *mode])

    def identities(self, connection: Connection) -> list[str]:
        """The identities of stages with any version of vectors that there is, and with none."""
        name = self.document.embeddings
        known = [] if name is None else [self._with(version) for version in versions(connection, name)]
        return [own.identity("stages") for own in (replace(self, vectors=None), *known)]


def digest_of(content: Any) -> str:
    """The identity of what can be written as JSON."""
    return sha256(json.dumps(content).encode()).hexdigest()[:16]
