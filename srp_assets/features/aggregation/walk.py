"""The order in which kernels walk: requests, history and tail of one entity, sorted by key and time, what no request asks for left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.features.aggregation.partials import ARRIVAL_DAY, EVENT_DAY
from srp_assets.features.aggregation.rows import Integers, combined, encoded, integers
from srp_assets.features.times import Clock, days_of


@dataclass(frozen=True)
class Timed:
    """Rows of events with when each was known, int64 arrays of shape (rows,)."""

    table: pa.Table
    event_day: Integers
    known_day: Integers
    known_time: Integers

    @classmethod
    def of(cls, rows: pa.Table, clock: Clock) -> "Timed":
        """Raw rows on a clock: as arrived, a row is known when it has happened and arrived."""
        happened = integers(rows["event_time"])
        known = np.maximum(happened, integers(rows["arrival_time"])) if clock == "as_arrived" else happened
        return cls(rows, days_of(happened), days_of(known), known)


@dataclass(frozen=True)
class Asked:
    """Candidates of requests, with the time as of which they ask, int64 arrays of shape (requests,)."""

    table: pa.Table
    day: Integers
    time: Integers

    @classmethod
    def of(cls, requests: pa.Table) -> "Asked":
        """Requests by their column `as_of`."""
        time = integers(requests["as_of"])
        return cls(requests, days_of(time), time)


@dataclass(frozen=True)
class Walk:
    """What an entity's kernels walk over, sorted; `places` say which row of its table each one is.

    `has_key` says which of all requests have the entity's keys, shape (all requests,).
    """

    key: Integers
    day: Integers
    time: Integers
    places: Integers
    has_key: npt.NDArray[np.bool_]
    history_key: Integers
    history_day: Integers
    history_known: Integers
    history_places: Integers
    tail_key: Integers
    tail_day: Integers
    tail_known: Integers
    tail_time: Integers
    tail_places: Integers
    keys: int

    @property
    def requests(self) -> tuple[Integers, Integers, Integers]:
        """Key, day and time of the requests that have a key."""
        return self.key, self.day, self.time


def walk_of(keys: Sequence[str], asked: Asked, partials: pa.Table, tail: Timed, clock: Clock, lookback_days: int) -> Walk:
    """The walk of the entity with these keys.

    Args:
        keys: columns of all three tables.
        asked: the requests.
        partials: a partial table whose keys begin with the entity's.
        tail: raw rows, those of the days of the requests among them.
        clock: which events count.
        lookback_days: of the longest window.
    """
    tables = (asked.table, partials, tail.table)
    request, history, later = combined([encoded([table[key] for table in tables])[0] for key in keys])
    has_key = request >= 0
    size = max((int(part.max(initial=-1)) for part in (request, history, later)), default=-1) + 1
    present = np.zeros(size + 1, bool)
    present[request[has_key]] = True
    first, last = (asked.day.min(), asked.day.max()) if len(asked.day) else (0, 0)

    event_day, arrival_day = integers(partials[EVENT_DAY]), integers(partials[ARRIVAL_DAY])
    known = np.maximum(event_day, arrival_day) if clock == "as_arrived" else event_day
    kept = np.flatnonzero((history >= 0) & present[history] & (event_day >= first - lookback_days) & (event_day < last) & (known < last))
    old = kept[np.lexsort((event_day[kept], history[kept]))]

    kept = np.flatnonzero((later >= 0) & present[later] & (tail.known_day >= first) & (tail.known_day <= last))
    new = kept[np.lexsort((tail.known_time[kept], later[kept]))]

    kept = np.flatnonzero(has_key)
    own = kept[np.lexsort((asked.time[kept], request[kept]))]
    return Walk(
        key=request[own],
        day=asked.day[own],
        time=asked.time[own],
        places=own,
        has_key=has_key,
        history_key=history[old],
        history_day=event_day[old],
        history_known=known[old],
        history_places=old,
        tail_key=later[new],
        tail_day=tail.event_day[new],
        tail_known=tail.known_day[new],
        tail_time=tail.known_time[new],
        tail_places=new,
        keys=size,
    )
