"""A day's actions of one bucket, ordered by user and time: written with the sessions that they have within the day.

A session that begins so soon after midnight that it may have begun the day before is *opening*: its actions wait in a file of their own,
few as they are, until `session_chains.py` has looked at the neighbouring days. All others are written with their final session at once.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.stitching.day_files import DayFile, as_microseconds, file_path
from srp_assets.warehouse.row_hash import microseconds
from srp_assets.warehouse.storage import Storage

OPENING, WITHIN_DAY = "opening", "within_day"
"""Tables of the scratch folder: actions of opening sessions, and the sessions that a day has by itself."""


def day_sessions_schema(kinds: Sequence[str]) -> pa.Schema:
    """A session within a day: whose, from when to when (microseconds), and its actions by kind."""
    numbers = ("start", "end", *(f"{kind}s" for kind in kinds))
    return pa.schema([pa.field("user_id", pa.string()), *[pa.field(name, pa.int64()) for name in numbers]])


def session_ids(users: pa.Array, starts: np.ndarray) -> pa.Array:
    """The ids of sessions: user and start (null where there is no user)."""
    return pc.binary_join_element_wise(users, pa.array(starts).cast(pa.string()), "@")


@dataclass(frozen=True)
class ActionFiles:
    """What the files of actions have in common.

    Args:
        storage: where they go.
        folder: of the build: actions that are final.
        scratch: of what the neighbouring days must complete.
        schema: of `logs/actions`.
        kinds: of actions.
        gap: the longest pause within a session, in microseconds.
        first: the first day whose actions are written; of the days around, sessions alone.
        last: the last such day.
    """

    storage: Storage
    folder: str
    scratch: str
    schema: pa.Schema
    kinds: tuple[str, ...]
    gap: int
    first: date
    last: date


@dataclass
class _Partial:
    """Sessions of one batch; one that goes on in the next batch comes again there, with the same user and start."""

    users: list[pa.Array] = field(default_factory=list)
    starts: list[np.ndarray] = field(default_factory=list)
    ends: list[np.ndarray] = field(default_factory=list)
    counts: list[np.ndarray] = field(default_factory=list)


class ActionPlace:
    """A day and bucket of `actions`: rows come ordered by (user_id, event_time, event_id), those of nobody first."""

    def __init__(self, files: ActionFiles, day: date, bucket: int, unfinished: ExitStack) -> None:
        self._files = files
        self._day = day
        self._bucket = bucket
        self._unfinished = unfinished
        self._midnight = microseconds(datetime.combine(day, time(), UTC))
        self._final = DayFile(files.storage, file_path(files.folder, "actions", day, bucket), files.schema, unfinished)
        self._opening = DayFile(files.storage, file_path(files.scratch, OPENING, day, bucket), files.schema, unfinished)
        self._partial = _Partial()
        self._last_user: str | None = None
        self._last_time = self._last_start = 0
        self._last_is_opening = False
        self._orphans: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._without_arrival: Counter[str] = Counter()

    def add(self, rows: pa.RecordBatch) -> None:
        """Takes the next rows of `logs/actions` (without session) and `_arrival_known`."""
        users = rows.column("user_id").cast(pa.string())
        times = as_microseconds(rows.column("event_time"))
        known = users.is_valid().to_numpy(zero_copy_only=False)
        starts_user = self._starts_user(users)
        gaps = np.diff(times, prepend=self._last_time)
        begins = known & (starts_user | (gaps > self._files.gap))
        # Before the first beginning goes on what the batch before has left.
        session = np.cumsum(begins)
        places = np.flatnonzero(begins)
        start = np.concatenate([[self._last_start], times[places]])[session]
        may_open = starts_user[places] & (times[places] - self._midnight <= self._files.gap)
        is_opening = np.concatenate([[self._last_is_opening], may_open])[session] & known
        if known.any():
            self._keep_sessions(rows, users, times, start, known, session)
            self._last_user, self._last_time, self._last_start = users[-1].as_py(), int(times[-1]), int(start[-1])
            self._last_is_opening = bool(is_opening[-1])
        if self._files.first <= self._day <= self._files.last:
            marked = rows.append_column("session_id", session_ids(users, start))
            self._final.add(marked.filter(pa.array(~is_opening)))
            self._opening.add(marked.filter(pa.array(is_opening)))
            self._count(rows)

    def finish(self) -> list[dict[str, Any]]:
        """Completes the files; gives their manifests, that of the final actions with what was counted."""
        day = {"day": self._day.isoformat(), "bucket": self._bucket}
        counted = {"kinds": dict(self._kinds), "orphans": dict(self._orphans), "without_arrival_time": dict(self._without_arrival)}
        found = [{"table": "actions", **day, **file} for file in self._final.finish()]
        found += [{"table": OPENING, **day, **file} for file in self._opening.finish()]
        found += [{"table": WITHIN_DAY, **day, **file} for file in self._write_sessions()]
        return [{"table": "counts", **day, **counted}, *found]

    def _starts_user(self, users: pa.Array) -> np.ndarray:
        """Whether a row's user is another one than that of the row before (never so for a row of nobody)."""
        differs = np.zeros(len(users), bool)
        differs[0] = users[0].is_valid and users[0].as_py() != self._last_user
        if len(users) > 1:
            changed = pc.fill_null(pc.not_equal(users[1:], users[:-1]), True)
            differs[1:] = pc.and_(changed, users[1:].is_valid()).to_numpy(zero_copy_only=False)
        return differs

    def _keep_sessions(
        self, rows: pa.RecordBatch, users: pa.Array, times: np.ndarray, start: np.ndarray, known: np.ndarray, session: np.ndarray
    ) -> None:
        places = np.flatnonzero(known)
        session = session[places]
        firsts = np.flatnonzero(np.diff(session, prepend=session[0] - 1))
        kinds = rows.column("kind").cast(pa.string())
        of_kind = [pc.equal(kinds, kind).to_numpy(zero_copy_only=False)[places].astype(np.int64) for kind in self._files.kinds]
        self._partial.users.append(users.take(pa.array(places[firsts])))
        self._partial.starts.append(start[places[firsts]])
        self._partial.ends.append(times[places[np.append(firsts[1:], len(places)) - 1]])
        self._partial.counts.append(np.stack([np.add.reduceat(ones, firsts) for ones in of_kind]))

    def _write_sessions(self) -> list[dict[str, Any]]:
        if not self._partial.users:
            return []
        users = pa.concat_arrays(self._partial.users)
        starts, ends = np.concatenate(self._partial.starts), np.concatenate(self._partial.ends)
        counts = np.concatenate(self._partial.counts, axis=1)
        is_new = np.ones(len(users), bool)
        if len(users) > 1:
            same_user = pc.equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)
            is_new[1:] = ~same_user | (starts[1:] != starts[:-1])
        firsts = np.flatnonzero(is_new)
        columns = [
            users.take(pa.array(firsts)),
            starts[firsts],
            ends[np.append(firsts[1:], len(users)) - 1],
            *[np.add.reduceat(of_kind, firsts) for of_kind in counts],
        ]
        schema = day_sessions_schema(self._files.kinds)
        file = DayFile(self._files.storage, file_path(self._files.scratch, WITHIN_DAY, self._day, self._bucket), schema, self._unfinished)
        for batch in pa.table([pa.array(column) for column in columns], schema=schema).to_batches():
            file.add(batch)
        return file.finish()

    def _count(self, rows: pa.RecordBatch) -> None:
        kinds = rows.column("kind").cast(pa.string())
        self._kinds.update(_counted(kinds))
        orphans = rows.column("orphan").cast(pa.string())
        self._orphans.update(_counted(pc.binary_join_element_wise(kinds, orphans, " ").drop_null()))
        self._without_arrival.update(_counted(kinds.filter(pc.invert(rows.column("_arrival_known")))))


def _counted(texts: pa.Array) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(texts).to_pylist()}
