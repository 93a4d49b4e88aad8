"""The files of a day's sequences: each task writes one file of its sessions and tells what it dropped."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pyarrow as pa

from srp_assets.embeddings.declaration.model import SessionRules
from srp_assets.embeddings.sessions.rules import Action, SessionSequence, sequence_of
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

USER_PREFIX = "user_"
"""Before the names of the context's columns that make a user's type."""


def sequences_schema(user_columns: tuple[str, ...]) -> pa.Schema:
    """`embeddings/sequences`: a row for each session that is learned from, in the day in which it starts."""
    return pa.schema(
        [
            pa.field("session_id", pa.string()),
            pa.field("user_id", pa.string()),
            pa.field("start", TIMESTAMP),
            pa.field("items", pa.list_(pa.string())),
            pa.field("booked", pa.string()),
            pa.field("bookings", pa.list_(pa.string())),
            pa.field("rejected", pa.list_(pa.string())),
            *[pa.field(f"{USER_PREFIX}{name}", pa.string()) for name in user_columns],
        ]
    )


@dataclass(frozen=True)
class SequenceFiles:
    """How sessions become files.

    Args:
        storage: of the embeddings.
        folder: of the build.
        rules: which sessions are learned from.
        user_columns: of the context, for users' types.
    """

    storage: Storage
    folder: str
    rules: SessionRules
    user_columns: tuple[str, ...]

    def kernel(self) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
        """Takes rows of `plan_sessions.grouped_sessions` and gives one manifest a task."""

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            manifest = json.dumps(self._write(batches))
            yield pa.RecordBatch.from_pydict({"manifest": [manifest]})

        return write

    def _write(self, batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        counts: dict[str, int] = {"sessions": 0, "booked": 0, "items": 0}
        for batch in batches:
            for session in batch.to_pylist():
                counts["sessions"] += 1
                found = sequence_of([Action(**action) for action in session["actions"]], self.rules)
                if not isinstance(found, SessionSequence):
                    counts[found] = counts.get(found, 0) + 1
                    continue
                counts["booked"] += found.booked is not None
                counts["items"] += len(found.items)
                rows.append({**session, **vars(found)})
        if not rows:
            return {"path": None, "rows": 0, "bytes": 0, "counts": counts}
        path = f"{self.folder}/part-{uuid4().hex}.parquet"
        size = self.storage.write(path, pa.Table.from_pylist(rows, sequences_schema(self.user_columns)))
        return {"path": path, "rows": len(rows), "bytes": size, "counts": counts}
