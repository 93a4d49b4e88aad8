"""Landing by the reference: what `reference.Warehouse` stores becomes landing files and records, so that builds can be judged alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.warehouse import reference
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import Counts, commit_ingest, open_ingest
from srp_assets.warehouse.schema import landing_schema
from srp_assets.warehouse.storage import Storage

FIRST_LANDING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class LandedByReference:
    """A warehouse whose landing follows the reference, ingest by ingest."""

    engine: Engine
    storage: Storage
    catalogue: Catalogue
    truth: reference.Warehouse = field(init=False)
    ingests: int = 0

    def __post_init__(self) -> None:
        self.truth = reference.Warehouse(self.catalogue)

    def ingest(self, product: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> set[reference.PeriodKey]:
        """Lands raw rows of a product; returns the periods that reopen."""
        before = {key: self._counts(partition) for key, partition in self.truth.partitions.items()}
        with self.engine.begin() as connection:
            now = FIRST_LANDING + timedelta(hours=self.ingests)
            ingest_id, landed_at = open_ingest(connection, reader="test", source="test", product=product, entity=None, now=now)
        reopened = self.truth.ingest(product, landed_at, rows)
        changes = {}
        for key, partition in self.truth.partitions.items():
            known = before.get(key, Counts())
            change = Counts(
                **{name: value - getattr(known, name) for name, value in vars(self._counts(partition)).items() if name != "files"}
            )
            if change.stored or change.tombstones:
                change.files = [self._write(key, partition.stored[known.stored :], partition.tombstones[known.tombstones :])]
            changes[key] = change
        with self.engine.begin() as connection:
            commit_ingest(connection, ingest_id, counts=changes, states={}, summary={})
        self.ingests += 1
        return reopened

    @staticmethod
    def _counts(partition: reference.Partition) -> Counts:
        return Counts(
            landed=partition.landed,
            stored=len(partition.stored),
            tombstones=len(partition.tombstones),
            duplicate=partition.duplicate,
            pending=partition.pending,
            rejected=partition.rejected,
        )

    def _write(self, key: reference.PeriodKey, stored: list[reference.Version], tombstones: list[reference.Tombstone]) -> str:
        entity = self.catalogue.entities[key[0]]
        rows: list[dict[str, Any]] = [
            {**version.row, "landed_at": version.landed_at, "row_hash": version.row_hash, "source": "test", "source_row": number}
            for number, version in enumerate(stored)
        ]
        for tombstone in tombstones:
            updated_at, landed_at, row_hash = tombstone.order
            row = dict(zip(entity.key, tombstone.key, strict=True)) | {"landed_at": landed_at, "row_hash": row_hash}
            if entity.updated_at and updated_at != reference.DAWN:
                row[entity.updated_at] = updated_at
            rows.append(row | {"moved_to": tombstone.moved_to})
        path = f"landing/{key[0]}/rows/{uuid4().hex}.parquet"
        self.storage.write(path, pa.Table.from_pylist(rows, schema=landing_schema(entity)))
        return path
