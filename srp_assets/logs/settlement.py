"""The second half of an ingest of logs: staged events are settled against the index of event ids, and what is new is written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.logs.first_arrivals import FirstArrivals, first_arrivals, repeated
from srp_assets.logs.registry import DayCounts
from srp_assets.logs.schema import landing_schema, log_schema
from srp_assets.warehouse.key_index import KeyIndex, Versions, key_codes
from srp_assets.warehouse.landing_files import LandingWriter
from srp_assets.warehouse.row_hash import content_hashes, hexadecimal, microseconds
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.stage import KEY_HIGH, Stage
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.validation import period_text

KEY_LOW, ORDINAL = "_key_low", "_ordinal"

WITHDRAWN_SCHEMA = pa.schema([pa.field("event_id", pa.string()), pa.field("landed_at", TIMESTAMP)])
"""A file of withdrawals: which stored rows of a day count no more."""


class LogSettlement:
    """Everything that one ingest of logs stages, settles and writes.

    Args:
        storage: the logs' storage.
        catalogue: the declaration.
        ingest_id: number of the ingest.
        landed_at: when its rows landed.
        index_files: the index of event ids, by log.
        scratch: a folder for rows that memory does not hold.
    """

    def __init__(
        self,
        storage: Storage,
        catalogue: LogCatalogue,
        *,
        ingest_id: int,
        landed_at: datetime,
        index_files: Mapping[str, Sequence[str]],
        scratch: Path,
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._ingest_id = ingest_id
        self._landed = microseconds(landed_at)
        self._stages = {name: Stage(scratch) for name in catalogue.logs}
        self._indexes = {
            name: KeyIndex(storage, index_files.get(name, ()), f"landing/{name}/index/{ingest_id}", None) for name in catalogue.logs
        }
        self._replaced: list[str] = []
        self._written: list[str] = []
        self.counts: dict[tuple[str, str], DayCounts] = {}
        """What changed, by (log, day)."""
        self.stored: Counter[str] = Counter()
        self.duplicates = 0
        self.withdrawn = 0

    def stage(self, name: str, columns: Mapping[str, pa.Array], ordinals: np.ndarray) -> None:
        """Takes typed rows of a log with the days of their events as numbers."""
        log = self._catalogue.logs[name]
        identified = {**columns, "event_id": event_ids(log, columns)}
        high, low = key_codes([("string", identified["event_id"])])
        table = pa.table([identified[column] for column in log.columns], schema=log_schema(log))
        for extra, values in {KEY_HIGH: high, KEY_LOW: low, ORDINAL: ordinals}.items():
            table = table.append_column(extra, pa.array(values))
        self._count(name, "landed", ordinals)
        self._stages[name].append(table)

    def count_reject(self, name: str, day: str) -> None:
        """Counts a row that could not land."""
        counts = self.counts.setdefault((name, day), DayCounts())
        counts.landed += 1
        counts.rejected += 1

    def settle(self, tell: Callable[[int], None]) -> None:
        """Settles all staged rows, log by log, and writes what is new; `tell` is told how many rows are settled."""
        settled = 0
        for name, stage in self._stages.items():
            writer = LandingWriter(self._storage, f"landing/{name}", self._ingest_id, "day")
            try:
                for shard in stage.shards():
                    self._settle_shard(name, shard, writer)
                    settled += shard.num_rows
                    tell(settled)
                writer.close()
            finally:
                self._written += [path for files in writer.files.values() for path in files]
            for day, files in writer.files.items():
                self.counts[name, day].files = files
            index = self._indexes[name]
            index.flush()
            if index.grew:
                self._replaced += index.merge_small_runs()

    def index_files(self) -> dict[str, list[str]]:
        """The new index of event ids, of the logs where it changed."""
        return {name: index.files for name, index in self._indexes.items() if index.grew}

    def delete_replaced(self) -> None:
        """Deletes the index runs that the committed ingest replaced."""
        for path in self._replaced:
            self._storage.filesystem.delete_file(self._storage.path(path))

    def discard(self) -> None:
        """Deletes what an ingest that failed has written."""
        for path in [*self._written, *(path for index in self._indexes.values() for path in index.written)]:
            if self._storage.exists(path):
                self._storage.filesystem.delete_file(self._storage.path(path))

    def _count(self, name: str, what: str, ordinals: np.ndarray) -> None:
        for ordinal, rows in zip(*np.unique(ordinals, return_counts=True), strict=True):
            counts = self.counts.setdefault((name, period_text(int(ordinal), "day")), DayCounts())
            setattr(counts, what, getattr(counts, what) + int(rows))

    def _settle_shard(self, name: str, rows: pa.Table, writer: LandingWriter) -> None:
        log = self._catalogue.logs[name]
        versions = self._versions(log, rows)
        found = first_arrivals(versions, self._indexes[name].find(versions.key_high))
        self._count(name, "duplicate", versions.ordinal[~found.stored])
        self.duplicates += int((~found.stored).sum())
        if len(found.beaten):
            self._withdraw(name, rows, found)
        places = np.flatnonzero(found.stored)
        if not len(places):
            return
        new = versions.take(places)
        chosen = rows if len(places) == rows.num_rows else rows.take(pa.array(places))
        landed_at = pa.repeat(pa.scalar(self._landed, pa.int64()), len(places)).cast(TIMESTAMP)
        columns = [*(chosen.column(column) for column in log.columns), landed_at]
        self._count(name, "stored", new.ordinal)
        self.stored[name] += len(new)
        writer.add(pa.table(columns, schema=landing_schema(log)), new.ordinal)
        self._indexes[name].add(new)

    def _versions(self, log: Log, rows: pa.Table) -> Versions:
        """The rows as versions: `updated` is the arrival. The hash breaks ties within this ingest alone: only repeated events have one."""
        high, low = rows.column(KEY_HIGH).to_numpy(), rows.column(KEY_LOW).to_numpy()
        arrivals = pc.coalesce(rows.column("arrival_time"), rows.column("event_time"))
        hashes = np.zeros((rows.num_rows, 2), np.uint64)
        again = np.flatnonzero(repeated(high, low))
        if len(again):
            tied = rows.take(pa.array(again))
            hashes[again] = content_hashes([(it.value_type, tied.column(name).combine_chunks()) for name, it in log.columns.items()])
        return Versions(
            key_high=high,
            key_low=low,
            updated=arrivals.cast(pa.int64()).to_numpy(),
            landed=np.full(rows.num_rows, self._landed),
            hash_high=hashes[:, 0],
            hash_low=hashes[:, 1],
            ordinal=rows.column(ORDINAL).to_numpy(),
        )

    def _withdraw(self, name: str, rows: pa.Table, found: FirstArrivals) -> None:
        """Names the beaten rows in the days where they are stored."""
        event_id = rows.column("event_id").take(pa.array(found.beaten_rows))
        beaten = pa.table([event_id, pa.array(found.beaten.landed).cast(TIMESTAMP)], schema=WITHDRAWN_SCHEMA)
        self._count(name, "withdrawn", found.beaten.ordinal)
        self.withdrawn += len(found.beaten)
        for ordinal in np.unique(found.beaten.ordinal).tolist():
            day = period_text(ordinal, "day")
            counts = self.counts[name, day]
            path = f"landing/{name}/withdrawn/{day}/{self._ingest_id}-{len(counts.withdrawals)}.parquet"
            self._written.append(path)
            self._storage.write(path, beaten.filter(pa.array(found.beaten.ordinal == ordinal)))
            counts.withdrawals.append(path)


def event_ids(log: Log, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The ids of events: their own, or where the source gives none, what the log's identity makes of other columns.

    A single text column is the id itself; several are hashed, so that an id tells nothing and has one length.
    """
    own = columns["event_id"]
    if own.null_count == 0:
        return own
    identity = [(log.columns[name].value_type, columns[name]) for name in log.identity]
    if len(identity) == 1 and identity[0][0] == "string":
        return pc.coalesce(own, identity[0][1])
    missing = np.flatnonzero(pc.is_null(own).to_numpy(zero_copy_only=False))
    made = hexadecimal(content_hashes([(type_, array.take(pa.array(missing))) for type_, array in identity]))
    if len(missing) == len(own):
        return made
    return pc.replace_with_mask(own, pc.is_null(own), made)
