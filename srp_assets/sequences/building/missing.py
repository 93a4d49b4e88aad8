"""Requests that see more of a month than is kept of it: which raw actions they need, in pieces that a task can hold.

Raw actions are counted by the day on which they happened and the day from which they are known. Counting back from a request's day until a
whole portrait was known before it tells from which day on its actions are needed, however many its user has. Days whose actions overlap
become one piece as long as it is small enough; small pieces share a task.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import Integers, encoded, integers
from srp_assets.features.times import MICROSECONDS_OF_DAY, days_of
from srp_assets.sequences.building.columns import USER
from srp_assets.sequences.declaration import Portrait

COUNTS = pa.schema([(USER, pa.string()), ("event_day", pa.int64()), ("known_day", pa.int64()), ("rows", pa.int64())])


@dataclass(frozen=True)
class Piece:
    """Actions of a user that his requests of some days need.

    Args:
        user: whose.
        begin: of the event times, microseconds.
        end: of the event times, microseconds, not included.
        first_day: of the requests, since 1970.
        last_day: of the requests, included.
        rows: about how many actions they are, rather too many.
        task: that computes these requests.
    """

    user: str
    begin: int
    end: int
    first_day: int
    last_day: int
    rows: int
    task: int = 0


def counted(actions: pa.Table, portrait: Portrait) -> pa.Table:
    """How many actions of each user happened on a day and are known from a day on.

    Args:
        actions: of any users, with `event_time` and `arrival_time`.
        portrait: which clock counts.
    """
    event_time = integers(actions["event_time"])
    known = np.maximum(event_time, integers(actions["arrival_time"])) if portrait.clock == "as_arrived" else event_time
    rows = pa.table({USER: actions[USER], "event_day": pa.array(days_of(event_time)), "known_day": pa.array(days_of(known))})
    found = rows.group_by([USER, "event_day", "known_day"]).aggregate([([], "count_all")])
    return found.rename_columns({"count_all": "rows"}).select(COUNTS.names).cast(COUNTS)


def pieces_of(requests: pa.Table, counts: pa.Table, portrait: Portrait, most: int) -> list[Piece]:
    """The pieces of all requests.

    Args:
        requests: `user_id` and `as_of`, of users who are known.
        counts: of their actions, as `counted` gives them, in any number of parts.
        portrait: how long and how far back.
        most: actions that a task holds, unless the requests of one day of a user need more.
    """
    (of_requests, of_counts), users = encoded([requests[USER], counts[USER]])
    times = integers(requests["as_of"])
    cells = np.stack([integers(counts[name]) for name in ("event_day", "known_day", "rows")])
    asked, had = (np.argsort(codes, kind="stable") for codes in (of_requests, of_counts))
    borders = [np.searchsorted(codes[order], np.arange(len(users) + 1)) for codes, order in ((of_requests, asked), (of_counts, had))]
    found: list[Piece] = []
    task = held = 0
    for number, user in enumerate(users.to_pylist()):
        own = times[asked[borders[0][number] : borders[0][number + 1]]]
        for piece in _pieces(user, own, cells[:, had[borders[1][number] : borders[1][number + 1]]], portrait, most):
            if held and held + piece.rows > most:
                task, held = task + 1, 0
            held += piece.rows
            found.append(replace(piece, task=task))
    return found


def _pieces(user: str, times: Integers, cells: Integers, portrait: Portrait, most: int) -> Iterable[Piece]:
    """The pieces of one user; `cells` are the days of events, those of being known, and how many, shape (3, cells)."""
    event_day, known_day, rows = cells[:, np.argsort(-cells[0], kind="stable")]
    days = days_of(times)
    current: Piece | None = None
    for day in np.unique(days).tolist():
        known = np.cumsum(np.where(known_day < day, rows, 0))
        enough = np.flatnonzero(known >= portrait.length)
        window = day - portrait.days
        first = max(window, int(event_day[enough[0]])) if len(enough) else window
        end, until = int(times[days == day].max()), event_day <= day
        if current is not None:
            # A later request needs nothing older than an earlier one.
            whole = int(rows[until & (event_day >= current.begin // MICROSECONDS_OF_DAY)].sum())
            if whole <= most:
                current = replace(current, end=end, last_day=day, rows=whole)
                continue
            yield current
        current = Piece(user, first * MICROSECONDS_OF_DAY, end, day, day, int(rows[until & (event_day >= first)].sum()))
    if current is not None:
        yield current


def parts_of(actions: pa.Table, pieces: Iterable[Piece]) -> tuple[pa.Table, Integers]:
    """The actions that pieces need, each as often as tasks need it, and the task of each.

    Args:
        actions: of any users.
        pieces: of all tasks; of a task, no two of a user overlap.
    """
    (codes,), users = encoded([actions[USER]])
    times = integers(actions["event_time"])
    order = np.lexsort((times, codes))
    starts = np.searchsorted(codes[order], np.arange(len(users) + 1))
    of_user = {user: number for number, user in enumerate(users.to_pylist())}
    places, tasks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for piece in pieces:
        number = of_user.get(piece.user)
        if number is not None:
            own = order[starts[number] : starts[number + 1]]
            first, last = np.searchsorted(times[own], [piece.begin, piece.end])
            places.append(own[first:last])
            tasks.append(np.full(last - first, piece.task))
    return actions.take(pa.array(np.concatenate(places))), np.concatenate(tasks)


def requests_in(requests: pa.Table, pieces: Iterable[Piece]) -> pa.Table:
    """Those of some requests that pieces are for."""
    days = days_of(integers(requests["as_of"]))
    wanted = np.zeros(requests.num_rows, np.bool_)
    for piece in pieces:
        is_own = np.asarray(pc.fill_null(pc.equal(requests[USER], piece.user), False))
        wanted |= is_own & (piece.first_day <= days) & (days <= piece.last_day)
    return requests.filter(pa.array(wanted))
