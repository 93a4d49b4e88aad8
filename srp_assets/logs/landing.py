"""Landing of logs: raw rows become events of their days, each event once, in one step that all see or none.

As in the warehouse, with its readers and its validation: *stage* reads and types the rows, *settle* compares them with the index of event
ids and writes those that are the first arrival of their event. Where one beats a row that another ingest stored, that row is withdrawn from
its day. Ingests take turns.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from srp_assets.errors import InvalidInput, Unavailable, nearest
from srp_assets.logs.adapters.choice import LOG_READERS, log_reader_named
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import bind_log_catalogue, commit_ingest, fail_ingest, index_files, open_ingest
from srp_assets.logs.settlement import LogSettlement
from srp_assets.warehouse.landing_files import RejectedRow, RejectWriter
from srp_assets.warehouse.lease import Lease
from srp_assets.warehouse.periods import UNKNOWN
from srp_assets.warehouse.readers.base import Ignored, RawBatch, Readable, Reject, Request
from srp_assets.warehouse.readers.parquet import record_batch_as_raw
from srp_assets.warehouse.stage import scratch_folder
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.validation import NO_PERIOD, Validated, period_text, validate

LEASE = "logs_ingest"
LOGS_FOLDER = "logs"

ALL = "all"
"""Stands for a log where the reader says which log each row is of."""

Progress = Callable[[str, int], None]
"""Told what is done now (`waiting`, `reading`, `settling`) and how many rows of it are done."""


def logs_storage(warehouse_location: str) -> Storage:
    """Where the logs keep their files: a folder of the warehouse."""
    return Storage(f"{warehouse_location.rstrip('/')}/{LOGS_FOLDER}")


@dataclass(frozen=True)
class LogIngestSummary:
    """What an ingest did. Of the rows it read each is landed, a duplicate or rejected.

    Args:
        log: the log that was asked for, or `all`.
        landed: events stored, by log.
        duplicates: rows whose event had arrived before, or arrives before in the same ingest.
        rejected: rows that could not land, by reason.
        withdrawn: rows of earlier ingests that arrived later than one of these.
        days: the days that got events or lost some.
        ignored: files that no log is read from.
        ingest_id: number of the ingest.
        reject_files: where the rejects are kept, for `landing_files.read_rejects`.
    """

    log: str
    landed: dict[str, int]
    duplicates: int
    rejected: dict[str, int]
    withdrawn: int = 0
    days: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    ingest_id: int = 0
    reject_files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        days = {"first": self.days[0], "last": self.days[-1], "count": len(self.days)} if self.days else None
        names = ("log", "landed", "duplicates", "rejected", "withdrawn")
        return {name: getattr(self, name) for name in names} | {"days": days}


def ingest_logs(
    engine: Engine,
    storage: Storage,
    catalogue: LogCatalogue,
    *,
    reader: str,
    source: Path,
    log: str,
    progress: Progress | None = None,
) -> LogIngestSummary:
    """Lands what a reader finds at a path.

    Args:
        engine: of the registry.
        storage: the logs' storage.
        catalogue: that the home is (or now becomes) bound to.
        reader: a name of `LOG_READERS`.
        source: a file or folder.
        log: of the rows, or `all` for a reader that says it.
        progress: told how far it is.

    Raises:
        InvalidInput: if a name is unknown or nothing is at the path; what is wrong inside of files is rejected row by row instead.
        Conflict: if the home is bound to another log catalogue.
        Unavailable: if the disk or the database cannot be written; then nothing has landed.
    """
    read = log_reader_named(reader)
    if log == ALL and not LOG_READERS[reader].names_logs:
        raise InvalidInput(f"the reader {reader} does not say which log its rows are of", where="LOG", remedy=nearest("", catalogue.logs))
    if log != ALL and LOG_READERS[reader].names_logs:
        raise InvalidInput(f"the reader {reader} says itself which log each row is of", where="LOG", remedy=f"write {ALL!r}")
    if log != ALL and log not in catalogue.logs:
        raise InvalidInput(f"unknown log {log!r}", where="LOG", remedy=nearest(log, [*catalogue.logs, ALL]))
    path = source.expanduser().resolve()
    request = Request(path, catalogue.warehouse_catalogue, None if log == ALL else log)
    return _land(engine, storage, catalogue, read(request), log=log, reader=reader, source=str(path), progress=progress)


def land_log_batches(
    engine: Engine,
    storage: Storage,
    catalogue: LogCatalogue,
    *,
    batches: Iterable[tuple[str, pa.RecordBatch]],
    source: str,
    reader: str,
    progress: Progress | None = None,
) -> LogIngestSummary:
    """Lands Arrow batches of (log, raw rows): the way of generators and other programs. Raises what `ingest_logs` raises."""
    readables = _as_readables(catalogue, batches, source)
    return _land(engine, storage, catalogue, readables, log=ALL, reader=reader, source=source, progress=progress)


def _as_readables(catalogue: LogCatalogue, batches: Iterable[tuple[str, pa.RecordBatch]], source: str) -> Iterator[RawBatch]:
    first: Counter[str] = Counter()
    for name, batch in batches:
        if name not in catalogue.logs:
            raise InvalidInput(f"unknown log {name!r}", where=source, remedy=nearest(name, catalogue.logs))
        yield record_batch_as_raw(name, batch, source, first[name] + 1)
        first[name] += batch.num_rows


@dataclass
class _Run:
    """What one ingest has come to."""

    catalogue: LogCatalogue
    settlement: LogSettlement
    rejects: RejectWriter
    landed_at: datetime
    rejected: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    ignored: list[str] = field(default_factory=list)

    def take(self, readable: Readable) -> int:
        """Stages or rejects what a reader gave; returns how many rows it was."""
        if isinstance(readable, Ignored):
            self.ignored.append(readable.source)
            return 0
        self.read[readable.entity] += 0
        if isinstance(readable, Reject):
            self._reject(RejectedRow(readable.entity, UNKNOWN, readable.reason, readable.source, readable.source_row, readable.raw_text))
            return 1
        validated = validate(self.catalogue.warehouse_catalogue, readable, self.landed_at)
        self._reject_invalid(readable, validated)
        if len(validated.accepted):
            self.settlement.stage(readable.entity, validated.columns, validated.ordinals)
        return readable.rows

    def _reject_invalid(self, batch: RawBatch, validated: Validated) -> None:
        for place, reason, ordinal in zip(validated.rejected, validated.reasons, validated.rejected_ordinals, strict=True):
            day = UNKNOWN if ordinal == NO_PERIOD else period_text(ordinal, "day")
            source_row = batch.source_rows[int(place)].as_py()
            self._reject(RejectedRow(batch.entity, day, reason, batch.source, source_row, batch.raw_text(int(place))))

    def _reject(self, row: RejectedRow) -> None:
        self.rejects.add(row)
        self.rejected[row.reason] += 1
        self.settlement.count_reject(row.entity, row.period)

    def discard(self, storage: Storage) -> None:
        """Deletes what was written."""
        self.settlement.discard()
        for path in self.rejects.files:
            storage.filesystem.delete_file(storage.path(path))

    def summary(self, log: str, ingest_id: int) -> LogIngestSummary:
        """What the ingest tells its user."""
        changed = {day for (_, day), counts in self.settlement.counts.items() if counts.stored or counts.withdrawn}
        return LogIngestSummary(
            log=log,
            landed={name: self.settlement.stored[name] for name in sorted(self.read)},
            duplicates=self.settlement.duplicates,
            rejected=dict(sorted(self.rejected.items())),
            withdrawn=self.settlement.withdrawn,
            days=tuple(sorted(changed)),
            ignored=tuple(self.ignored),
            ingest_id=ingest_id,
            reject_files=tuple(self.rejects.files),
        )


def _land(
    engine: Engine,
    storage: Storage,
    catalogue: LogCatalogue,
    readables: Iterable[Readable],
    *,
    log: str,
    reader: str,
    source: str,
    progress: Progress | None,
) -> LogIngestSummary:
    tell = progress or _tell_nobody
    try:
        with Lease(engine, LEASE, waiting=lambda _holder: tell("waiting", 0)) as lease:
            with engine.begin() as connection:
                bind_log_catalogue(connection, catalogue)
                ingest_id, landed_at = open_ingest(connection, log=log, reader=reader, source=source, now=datetime.now(UTC))
                known = index_files(connection)
            with scratch_folder(storage) as scratch:
                settlement = LogSettlement(storage, catalogue, ingest_id=ingest_id, landed_at=landed_at, index_files=known, scratch=scratch)
                run = _Run(catalogue, settlement, RejectWriter(storage, ingest_id, catalogue.name), landed_at)
                try:
                    rows = 0
                    for readable in readables:
                        rows += run.take(readable)
                        tell("reading", rows)
                    settlement.settle(lambda settled: tell("settling", settled))
                    run.rejects.close()
                    summary = run.summary(log, ingest_id)
                    details = summary.as_dict() | {"reject_files": run.rejects.files, "ignored": run.ignored}
                    with engine.begin() as connection:
                        lease.confirm(connection)
                        commit_ingest(
                            connection, ingest_id, counts=settlement.counts, index_files=settlement.index_files(), summary=details
                        )
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
