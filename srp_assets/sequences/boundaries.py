"""Boundary cases by machine: histories with an action on each side of every edge that a declaration has, and requests exactly there.

Each case has a user of its own, so that one that breaks is named. Flows are compared by their stage tables: what two flows make of the same
cases must be the same (`broken_cases`). The edges are where implementations differ: the time of the request itself, the beginning of the
window, ends of months, ties, arrivals, gaps of sessions, actions that come twice, and histories that are empty, just full, or one longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from srp_assets.sequences.declaration import Document
from srp_assets.sequences.differences.comparing import broken_stage, compared_stages
from srp_assets.warehouse.schema import TIMESTAMP

INSTANT = timedelta(microseconds=1)
LONGEST_BUILT = 12_000
"""Actions of the maximal histories at most: portraits have 10,000."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Boundaries:
    """The cases.

    Args:
        actions: rows as the flows take them (`dropped` is 0), each event once.
        requests: `trace_id` (the name of the case), `user_id`, `as_of`, `candidates`.
    """

    actions: pa.Table
    requests: pa.Table


def boundary_cases(document: Document, as_of: datetime, items: list[str], kinds: list[str], *, maximal: bool = True) -> Boundaries:
    """Histories at the edges of a declaration.

    Args:
        document: whose window, lengths and sessions have edges.
        as_of: the time of most requests, in UTC; its month ends are cases as well.
        items: of the actions and candidates, in turn.
        kinds: of the actions, in turn.
        maximal: whether histories of a full portrait are among them.
    """
    actions: list[Row] = []
    requests: list[Row] = []
    for name, time, history in _cases(document, as_of, maximal=maximal):
        user = f"boundary-{name}"
        requests.append({"trace_id": name, "user_id": user, "as_of": time, "candidates": items[:3]})
        for number, (happened, arrived) in enumerate(history):
            # Of equal times the ids decide: they rise and fall against the order in which the actions are written.
            event_id = f"{name}-{(number * 7919) % 100_003:06d}"
            own = {"event_id": event_id, "user_id": user, "kind": kinds[number % len(kinds)], "item_id": items[number % len(items)]}
            actions.append({**own, "event_time": happened, "arrival_time": arrived, "price": float(number % 50), "dropped": 0})
    types: dict[str, pa.DataType] = {"event_time": TIMESTAMP, "arrival_time": TIMESTAMP, "as_of": TIMESTAMP}
    types |= {"price": pa.float64(), "dropped": pa.int64(), "candidates": pa.list_(pa.string())}
    tables = [
        pa.Table.from_pylist(rows, pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])) for rows in (actions, requests)
    ]
    return Boundaries(*tables)


def _cases(document: Document, as_of: datetime, *, maximal: bool) -> Iterator[tuple[str, datetime, list[tuple[datetime, datetime]]]]:
    """The name of each case, the time of its request, and times and arrivals of its actions."""
    midnight = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    window = midnight - timedelta(days=document.portrait.days)
    long_ago = as_of - timedelta(days=1)
    yield "empty", as_of, []
    yield "request", as_of, _at_once(as_of - INSTANT, as_of, as_of + INSTANT)
    yield "arrival", as_of, [(long_ago, as_of - INSTANT), (long_ago, as_of), (long_ago, as_of + INSTANT)]
    yield "window", as_of, _at_once(window - INSTANT, window, window + INSTANT)
    yield "at-midnight", midnight, _at_once(midnight - INSTANT, midnight, window, window - INSTANT)
    yield "just-after-midnight", midnight + INSTANT, _at_once(midnight - INSTANT, midnight, midnight + INSTANT, window - INSTANT)
    month = datetime(as_of.year, as_of.month, 1, tzinfo=UTC)
    yield "month-end", as_of, _at_once(month - INSTANT, month, month + INSTANT)
    yield "at-month-end", month, _at_once(month - 2 * INSTANT, month - INSTANT, month)
    yield "late-over-month-end", month + timedelta(hours=1), [(month - INSTANT, month), (month - INSTANT, month + timedelta(hours=1))]
    yield "ties", as_of, _at_once(*[long_ago] * 7, *[long_ago - INSTANT] * 7)
    for sequence in document.sequences:
        if sequence.general.session is not None:
            gap = timedelta(minutes=sequence.general.session.gap_minutes)
            yield f"session-{sequence.name}", as_of, _at_once(as_of - gap, as_of - 2 * gap, as_of - 3 * gap - INSTANT)
            yield f"no-session-{sequence.name}", as_of, _at_once(as_of - gap - INSTANT, as_of - 2 * gap)
    lengths = {document.portrait.length} if maximal else set()
    for sequence in document.sequences:
        lengths |= {sequence.final.length} | ({sequence.general.length} if maximal else set())
    for size in sorted({size for own in lengths if own <= LONGEST_BUILT for size in (own - 1, own, own + 1)}):
        # Three of a time each, so that cuts go through ties.
        yield f"full-{size}", as_of, _at_once(*[as_of - timedelta(seconds=1 + number // 3) for number in range(size)])


def _at_once(*times: datetime) -> list[tuple[datetime, datetime]]:
    return [(time, time) for time in times]


def broken_cases(one: pa.Table, other: pa.Table) -> dict[str, str]:
    """The cases of which two flows make something else, with the first stage in which they do.

    Args:
        one: stage table of a flow.
        other: of another flow.
    """
    return broken_stage(compared_stages(one, other), one, other)
