"""Sessions over midnight: what the days have by themselves is joined along each user, for one bucket of users over all days read.

Two sessions of neighbouring days are one if the pause between them is no longer than the gap; so a session may go on over many days. What
each day has by itself is small, and the scan is over columns: a user with millions of actions costs no more than others.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.stitching.day_files import DayFile, file_path
from srp_assets.logs.stitching.day_sessions import day_sessions_schema, session_ids
from srp_assets.warehouse.row_hash import EPOCH, microseconds
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class ChainOrder:
    """What one task joins.

    Args:
        folder: of the build.
        bucket: of the users.
        within_day: files of sessions within a day, of all days that were read.
        opening: files of actions that wait for their session, by day.
        first: the first day that is built.
        last: the last day that is built.
        read_first: the first day of which sessions were read.
        read_last: the last such day.
    """

    folder: str
    bucket: int
    within_day: tuple[str, ...]
    opening: Mapping[date, str]
    first: date
    last: date
    read_first: date
    read_last: date


@dataclass(frozen=True)
class Chains:
    """Sessions of one bucket, joined over midnight; one entry for each part that a session has in a day, in order of user and time.

    Args:
        parts: the sessions within a day, as `day_sessions_schema` says.
        session: int64, the number of the session of each part.
        starts: int64, when each part's session starts, in microseconds.
    """

    parts: pa.Table
    session: np.ndarray
    starts: np.ndarray


def joined(parts: pa.Table, gap: int) -> Chains:
    """Joins sessions within days.

    Args:
        parts: of any days, in any order.
        gap: the longest pause within a session, in microseconds.
    """
    parts = parts.sort_by([("user_id", "ascending"), ("start", "ascending")]).combine_chunks()
    count = parts.num_rows
    starts, ends = (parts.column(name).to_numpy() for name in ("start", "end"))
    begins = np.ones(count, bool)
    if count > 1:
        users = parts.column("user_id").combine_chunks()
        same_user = pc.equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)
        begins[1:] = ~same_user | (starts[1:] - ends[:-1] > gap)
    session = np.cumsum(begins) - 1
    return Chains(parts, session, starts[begins][session] if count else starts)


class ChainJoiner:
    """Completes the sessions of days: a kernel's work on one `ChainOrder`.

    Args:
        storage: of the logs.
        schemas: of `actions` and `sessions`.
        kinds: of actions.
        gap: the longest pause within a session, in microseconds.
    """

    def __init__(self, storage: Storage, schemas: Mapping[str, pa.Schema], kinds: Sequence[str], gap: int) -> None:
        self._storage = storage
        self._schemas = dict(schemas)
        self._kinds = tuple(kinds)
        self._gap = gap

    def complete(self, order: ChainOrder) -> list[dict[str, Any]]:
        """Writes sessions and waiting actions of the days that are built; gives manifests, and how far chains reach."""
        empty = day_sessions_schema(self._kinds).empty_table()
        chains = joined(pa.concat_tables([empty, *(self._storage.read(path) for path in order.within_day)]), self._gap)
        with ExitStack() as unfinished:
            written = self._write_sessions(order, chains, unfinished)
            written += self._write_opening(order, chains, unfinished)
        return [*written, *_reach(order, chains, self._gap)]

    def _write_sessions(self, order: ChainOrder, chains: Chains, unfinished: ExitStack) -> list[dict[str, Any]]:
        sessions = self._sessions(chains)
        days = sessions.column("start").cast(pa.int64()).to_numpy() // DAY_MICROSECONDS
        written = []
        for day in _days(order.first, order.last):
            chosen = np.flatnonzero(days == _ordinal(day))
            file = DayFile(self._storage, file_path(order.folder, "sessions", day, order.bucket), sessions.schema, unfinished)
            for batch in sessions.take(pa.array(chosen)).to_batches():
                file.add(batch)
            written += [{"table": "sessions", "day": day.isoformat(), **found} for found in file.finish()]
        return written

    def _sessions(self, chains: Chains) -> pa.Table:
        """The joined sessions as rows of `logs/sessions`."""
        firsts = np.flatnonzero(np.diff(chains.session, prepend=-1))
        users = chains.parts.column("user_id").combine_chunks().take(pa.array(firsts))
        ends = chains.parts.column("end").to_numpy()[np.append(firsts[1:], len(chains.session)) - 1] if len(firsts) else firsts
        counts = [
            np.add.reduceat(chains.parts.column(f"{kind}s").to_numpy(), firsts) if len(firsts) else firsts.astype(np.int64)
            for kind in self._kinds
        ]
        starts = chains.starts[firsts]
        columns = [
            users,
            session_ids(users, starts),
            pa.array(starts, pa.int64()).cast(TIMESTAMP),
            pa.array(ends, pa.int64()).cast(TIMESTAMP),
            pa.array(np.sum(counts, axis=0) if counts else np.zeros(len(firsts), np.int64), pa.int64()),
            *[pa.array(count, pa.int64()) for count in counts],
        ]
        return pa.table(columns, schema=self._schemas["sessions"])

    def _write_opening(self, order: ChainOrder, chains: Chains, unfinished: ExitStack) -> list[dict[str, Any]]:
        part_starts = chains.parts.column("start").to_numpy()
        moved = np.flatnonzero(part_starts != chains.starts)
        users = chains.parts.column("user_id").combine_chunks().take(pa.array(moved))
        own = session_ids(users, part_starts[moved])
        whole = session_ids(users, chains.starts[moved])
        written = []
        for day, path in sorted(order.opening.items()):
            rows = self._storage.read(path)
            ids = rows.column("session_id").combine_chunks()
            found = pc.index_in(ids, value_set=own)
            resolved = pc.coalesce(whole.take(found), ids)
            place = rows.schema.get_field_index("session_id")
            rows = rows.set_column(place, rows.schema.field(place), resolved)
            file = DayFile(
                self._storage, file_path(order.folder, "actions", day, order.bucket, "opening"), self._schemas["actions"], unfinished
            )
            for batch in rows.to_batches():
                file.add(batch)
            written += [{"table": "actions", "day": day.isoformat(), **file_found} for file_found in file.finish()]
        return written


def _reach(order: ChainOrder, chains: Chains, gap: int) -> list[dict[str, Any]]:
    """From which and to which day the sessions of each built day reach, where that is beyond it, and whether they may reach further."""
    if not len(chains.session):
        return []
    ends = chains.parts.column("end").to_numpy()
    lasts = np.flatnonzero(np.diff(chains.session, append=chains.session[-1] + 1))
    firsts = np.concatenate([[0], lasts[:-1] + 1])
    start_days, end_days = chains.starts[firsts] // DAY_MICROSECONDS, ends[lasts] // DAY_MICROSECONDS
    first, last = _ordinal(order.first), _ordinal(order.last)
    concerns = (end_days >= first) & (start_days <= last)
    may_begin_earlier = concerns & (chains.starts[firsts] - _midnight(order.read_first) <= gap)
    after = _midnight(order.read_last + timedelta(days=1))
    may_go_on = concerns & (start_days >= first) & (after - ends[lasts] <= gap)
    found: list[dict[str, Any]] = [
        {"table": "open", "before": bool(may_begin_earlier.any()), "after": bool(may_go_on.any())},
    ]
    longer = concerns & (end_days > start_days)
    for begin, end in np.unique(np.stack([start_days[longer], end_days[longer]], axis=1), axis=0).tolist():
        found.append({"table": "reach", "first": _day(begin).isoformat(), "last": _day(end).isoformat()})
    return found


def _days(first: date, last: date) -> Iterable[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _ordinal(day: date) -> int:
    return (day - EPOCH.date()).days


def _day(ordinal: int) -> date:
    return EPOCH.date() + timedelta(days=ordinal)


def _midnight(day: date) -> int:
    return microseconds(datetime.combine(day, time(), UTC))
