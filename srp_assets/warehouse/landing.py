"""Landing: raw rows of one product become stored versions, in one step that all see or none.

Two steps: *stage* reads, types and hashes the rows, one batch after the other; *settle* finds the roots of those that need one, compares
the rows with the key index and writes what is new. Then one transaction makes it visible. `reference.py` says what comes out. Ingests
take turns.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from srp_assets.errors import InvalidInput, Unavailable, nearest
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.landing_files import RejectedRow, RejectWriter
from srp_assets.warehouse.lease import Lease
from srp_assets.warehouse.periods import UNKNOWN
from srp_assets.warehouse.readers.base import Ignored, RawBatch, Readable, Reject, Request
from srp_assets.warehouse.readers.choice import reader_named
from srp_assets.warehouse.readers.parquet import record_batch_as_raw
from srp_assets.warehouse.registry import Counts, bind_catalogue, commit_ingest, fail_ingest, key_states, open_ingest
from srp_assets.warehouse.settlement import Settlement
from srp_assets.warehouse.stage import scratch_folder
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.validation import NO_PERIOD, Validated, period_text, validate

LEASE = "ingest"

Progress = Callable[[str, int], None]
"""Told what is done now (`waiting`, `reading`, `settling`) and how many rows of it are done."""


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did. Of the rows it read each is landed, a duplicate, pending or rejected.

    Args:
        product: of the rows.
        landed: rows stored as versions, by entity; rows that waited and were settled now are among them.
        duplicates: rows that had landed before.
        pending: rows that wait for their root.
        rejected: rows that could not land, by reason.
        resolved: how many rows of earlier ingests were settled now.
        ignored: files that no entity is read from.
        ingest_id: number of the ingest.
        reject_files: where the rejects are kept, for `landing_files.read_rejects`.
    """

    product: str
    landed: dict[str, int]
    duplicates: int
    pending: int
    rejected: dict[str, int]
    resolved: int = 0
    ignored: tuple[str, ...] = ()
    ingest_id: int = 0
    reject_files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        names = ("product", "landed", "duplicates", "pending", "rejected")
        return {name: getattr(self, name) for name in names}


def ingest(
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    *,
    reader: str,
    source: Path,
    product: str,
    entity: str | None = None,
    progress: Progress | None = None,
) -> IngestSummary:
    """Lands what a reader finds at a path.

    Args:
        engine: of the registry.
        storage: the warehouse.
        catalogue: that the home is (or now becomes) bound to.
        reader: a name of `READERS`.
        source: a file or folder.
        product: whose rows they are.
        entity: of the rows, for formats that do not say it.
        progress: told how far it is.

    Raises:
        InvalidInput: if a name is unknown or nothing is at the path; what is wrong inside of files is rejected row by row instead.
        Conflict: if the home is bound to another catalogue.
        Unavailable: if the disk or the database cannot be written; then nothing has landed.
    """
    request = Request(source.expanduser().resolve(), catalogue, entity)
    readables = reader_named(reader)(request)
    return _land(
        engine, storage, catalogue, readables, reader=reader, source=str(request.path), product=product, entity=entity, progress=progress
    )


def land_batches(
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    *,
    product: str,
    batches: Iterable[tuple[str, pa.RecordBatch]],
    source: str,
    reader: str,
    progress: Progress | None = None,
) -> IngestSummary:
    """Lands Arrow batches of (entity, raw rows): the way of generators and other programs. Raises what `ingest` raises."""
    return _land(
        engine,
        storage,
        catalogue,
        _as_readables(catalogue, batches, source),
        reader=reader,
        source=source,
        product=product,
        progress=progress,
    )


def _as_readables(catalogue: Catalogue, batches: Iterable[tuple[str, pa.RecordBatch]], source: str) -> Iterator[RawBatch]:
    first: Counter[str] = Counter()
    for name, batch in batches:
        if name not in catalogue.entities:
            raise InvalidInput(f"unknown entity {name!r}", where=source, remedy=nearest(name, catalogue.entities))
        yield record_batch_as_raw(name, batch, source, first[name] + 1)
        first[name] += batch.num_rows


@dataclass
class _Run:
    """What one ingest has come to."""

    settlement: Settlement
    rejects: RejectWriter
    rejected_counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    rejected: Counter[str] = field(default_factory=Counter)
    entities: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)

    def reject(self, row: RejectedRow) -> None:
        """Keeps and counts a reject."""
        self.rejects.add(row)
        self.rejected[row.reason] += 1
        self.rejected_counts[row.entity, row.period] += 1
        self.entities.add(row.entity)

    def counts(self, product: str) -> dict[tuple[str, str, str], Counts]:
        """What changed, by (entity, product, period)."""
        counts = self.settlement.counts()
        for (entity, period), rows in self.rejected_counts.items():
            changed = counts.setdefault((entity, product, period), Counts())
            changed.landed += rows
            changed.rejected += rows
        return counts

    def discard(self, storage: Storage) -> None:
        """Deletes what was written."""
        self.settlement.discard()
        for path in self.rejects.files:
            storage.filesystem.delete_file(storage.path(path))


def _land(
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    readables: Iterable[Readable],
    *,
    reader: str,
    source: str,
    product: str,
    entity: str | None = None,
    progress: Progress | None = None,
) -> IngestSummary:
    if not catalogue.allows_product(product):
        raise InvalidInput(f"unknown product {product!r}", where="--product", remedy=nearest(product, catalogue.products))
    tell = progress or _tell_nobody
    try:
        with Lease(engine, LEASE, waiting=lambda _holder: tell("waiting", 0)) as lease:
            with engine.begin() as connection:
                bind_catalogue(connection, catalogue)
                now = datetime.now(UTC)
                ingest_id, landed_at = open_ingest(connection, reader=reader, source=source, product=product, entity=entity, now=now)
                states = key_states(connection, product)
            with scratch_folder(storage) as scratch:
                settlement = Settlement(
                    storage,
                    catalogue,
                    product=product,
                    ingest_id=ingest_id,
                    landed_at=landed_at,
                    states=states,
                    scratch=scratch,
                    tell=lambda rows: tell("settling", rows),
                )
                run = _Run(settlement, RejectWriter(storage, ingest_id, product))
                try:
                    _stage(run, catalogue, landed_at, readables, tell)
                    settlement.settle()
                    run.rejects.close()
                    summary = _summary(run, product, ingest_id)
                    details = summary.as_dict() | {"reject_files": run.rejects.files, "ignored": run.ignored}
                    with engine.begin() as connection:
                        lease.confirm(connection)
                        commit_ingest(connection, ingest_id, counts=run.counts(product), states=settlement.states(), summary=details)
                except BaseException as error:
                    run.discard(storage)
                    with engine.begin() as connection:
                        fail_ingest(connection, ingest_id, str(error))
                    raise
            settlement.delete_replaced()
            return summary
    except OperationalError as error:
        message = " ".join(str(error.orig).split())
        raise Unavailable(
            f"the registry cannot be written: {message}", remedy="free space, or check SRP_HOME or SRP_DATABASE_URL"
        ) from error


def _tell_nobody(_step: str, _rows: int) -> None:
    pass


def _stage(run: _Run, catalogue: Catalogue, landed_at: datetime, readables: Iterable[Readable], tell: Progress) -> None:
    rows = 0
    for readable in readables:
        if isinstance(readable, Ignored):
            run.ignored.append(readable.source)
        elif isinstance(readable, Reject):
            row = RejectedRow(readable.entity, UNKNOWN, readable.reason, readable.source, readable.source_row, readable.raw_text)
            run.reject(row)
            rows += 1
        else:
            validated = validate(catalogue, readable, landed_at)
            _reject_invalid(run, catalogue, readable, validated)
            run.entities.add(readable.entity)
            source_rows = readable.source_rows.take(pa.array(validated.accepted))
            if len(validated.accepted):
                run.settlement.stage(readable.entity, validated.columns, validated.ordinals, readable.source, source_rows)
            rows += readable.rows
        tell("reading", rows)


def _reject_invalid(run: _Run, catalogue: Catalogue, batch: RawBatch, validated: Validated) -> None:
    for place, reason, ordinal in zip(validated.rejected, validated.reasons, validated.rejected_ordinals, strict=True):
        period = UNKNOWN if ordinal == NO_PERIOD else period_text(ordinal, catalogue.partition_unit)
        source_row = batch.source_rows[int(place)].as_py()
        run.reject(RejectedRow(batch.entity, period, reason, batch.source, source_row, batch.raw_text(int(place))))


def _summary(run: _Run, product: str, ingest_id: int) -> IngestSummary:
    outcomes = run.settlement.outcomes
    names = run.entities | set(run.settlement.stored)
    return IngestSummary(
        product=product,
        landed={name: run.settlement.stored[name] for name in sorted(names)},
        duplicates=outcomes["duplicate"],
        pending=outcomes["pending"],
        rejected=dict(sorted(run.rejected.items())),
        resolved=outcomes["resolved"],
        ignored=tuple(run.ignored),
        ingest_id=ingest_id,
        reject_files=tuple(run.rejects.files),
    )
