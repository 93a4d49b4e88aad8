"""The files that an ingest writes: stored rows and tombstones by period, rejects; none is visible before the ingest commits."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from srp_assets.warehouse.periods import Unit
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.validation import period_text

BUFFERED_BYTES = 256 * 1024 * 1024
"""Rows wait until so many bytes of them make files worth having."""

WRITERS = 4
"""Threads that compress and write: half of the time is Parquet's, which lets other threads run."""

REJECTS_BUFFERED = 20_000

REJECT_SCHEMA = pa.schema(
    [
        pa.field("ingest_id", pa.int64()),
        pa.field("entity", pa.string()),
        pa.field("product", pa.string()),
        pa.field("period", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("source", pa.string()),
        pa.field("source_row", pa.int64()),
        pa.field("raw_text", pa.string()),
    ]
)
"""What is kept of a reject."""


class LandingWriter:
    """Writes landing rows of one entity and product into files that each hold rows of one period."""

    def __init__(self, storage: Storage, folder: str, ingest_id: int, unit: Unit) -> None:
        self._storage = storage
        self._folder = folder
        self._ingest_id = ingest_id
        self._unit: Unit = unit
        self._waiting: dict[int, list[pa.Table]] = defaultdict(list)
        self._bytes: dict[int, int] = defaultdict(int)
        self.files: dict[str, list[str]] = defaultdict(list)
        """Paths by period."""

    def add(self, rows: pa.Table, ordinals: np.ndarray) -> None:
        """Adds rows, each with the ordinal of its period."""
        order = np.argsort(ordinals, kind="stable")
        periods, starts = np.unique(ordinals[order], return_index=True)
        sorted_rows = rows.take(pa.array(order)) if len(periods) > 1 else rows
        for ordinal, start, stop in zip(periods.tolist(), starts, [*starts[1:], len(order)], strict=True):
            part = sorted_rows.slice(int(start), int(stop - start))
            self._waiting[ordinal].append(part)
            self._bytes[ordinal] += part.nbytes
        if sum(self._bytes.values()) > BUFFERED_BYTES:
            by_size = sorted(self._bytes, key=lambda ordinal: self._bytes[ordinal], reverse=True)
            self._write(by_size[: len(by_size) // 2 + 1])

    def close(self) -> None:
        """Writes what is left."""
        self._write(sorted(self._waiting))

    def _write(self, ordinals: list[int]) -> None:
        waiting: dict[str, pa.Table] = {}
        for ordinal in ordinals:
            period = period_text(ordinal, self._unit)
            path = f"{self._folder}/{period}/{self._ingest_id}-{len(self.files[period])}.parquet"
            waiting[path] = pa.concat_tables(self._waiting.pop(ordinal))
            self.files[period].append(path)
            del self._bytes[ordinal]
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._storage.write, waiting.keys(), waiting.values()))


@dataclass(frozen=True)
class RejectedRow:
    """A reject as it is kept."""

    entity: str
    period: str
    reason: str
    source: str
    source_row: int | None
    raw_text: str


class RejectWriter:
    """Keeps rejects with their reason, source and raw text."""

    def __init__(self, storage: Storage, ingest_id: int, product: str) -> None:
        self._storage = storage
        self._ingest_id = ingest_id
        self._product = product
        self._waiting: list[RejectedRow] = []
        self._characters = 0
        self.files: list[str] = []

    def add(self, row: RejectedRow) -> None:
        """Adds one reject."""
        self._waiting.append(row)
        self._characters += len(row.raw_text)
        if len(self._waiting) >= REJECTS_BUFFERED or self._characters > BUFFERED_BYTES / 16:
            self.close()

    def close(self) -> None:
        """Writes what is left."""
        if not self._waiting:
            return
        rows = [{"ingest_id": self._ingest_id, "product": self._product, **vars(row)} for row in self._waiting]
        path = f"landing/rejects/{self._ingest_id}-{len(self.files)}.parquet"
        self._storage.write(path, pa.Table.from_pylist(rows, REJECT_SCHEMA))
        self.files.append(path)
        self._waiting, self._characters = [], 0


def read_rejects(storage: Storage, files: Iterable[str]) -> pa.Table:
    """The rejects in some files, as `REJECT_SCHEMA` says."""
    return pa.concat_tables([REJECT_SCHEMA.empty_table(), *(storage.read(path) for path in files)])
