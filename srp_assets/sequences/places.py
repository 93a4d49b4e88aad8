"""Where sequences are built from and to, in one home."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from srp_assets.embeddings.registry import current_version
from srp_assets.embeddings.weekly.files import VECTORS
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.sequences.building.columns import kept_columns
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.registry import Table
from srp_assets.warehouse.storage import Storage


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

    def current(self, connection: Connection) -> "SequencePlaces":
        """The same with the vectors that count now, where soft searches name some."""
        name = self.document.embeddings
        version = None if name is None else current_version(connection, name)
        if version is None:
            return self
        return replace(self, vectors=(self.embeddings, f"{version.folder}/{VECTORS}", version.version))

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
        return digest_of([months, document.portrait_version, [document.version(own) for own in document.sequences], version])


def digest_of(content: Any) -> str:
    """The identity of what can be written as JSON."""
    return sha256(json.dumps(content).encode()).hexdigest()[:16]
