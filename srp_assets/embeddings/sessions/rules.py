"""What is learned from a session: its clicked items in order, what it led to, what it turned down; or why it is dropped.

Plain Python over the actions of one session; it is the reference too. Spark calls it for every session (`plan_sessions.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from srp_assets.embeddings.declaration.model import SessionRules

Reason = Literal["too_few_items", "too_many_events", "too_fast"]
REASONS: tuple[Reason, ...] = ("too_few_items", "too_many_events", "too_fast")

SECONDS_OF_MINUTE = 60


@dataclass(frozen=True)
class Action:
    """One action of a session.

    Args:
        time: when.
        event_id: breaks ties of time.
        kind: the log that it is of.
        item_id: the item; None where there is none.
        dwell_seconds: how long the user stayed; None if unknown.
        booked_time: of an impression, when the first booking happened that is credited to it; None if none is.
    """

    time: datetime
    event_id: str
    kind: str
    item_id: str | None
    dwell_seconds: float | None = None
    booked_time: datetime | None = None


@dataclass(frozen=True)
class SessionSequence:
    """What is learned from a session.

    Args:
        items: the clicked items in order.
        booked: the item of the last booking, which the session ended in; None for an exploratory session.
        bookings: all booked items in order.
        rejected: items that were shown or contacted, and neither clicked nor booked, in order.
    """

    items: tuple[str, ...]
    booked: str | None
    bookings: tuple[str, ...]
    rejected: tuple[str, ...]


def sequence_of(actions: Sequence[Action], rules: SessionRules) -> SessionSequence | Reason:
    """What is learned from the actions of a session, or why nothing is."""
    if len(actions) > rules.most_events:
        return "too_many_events"
    ordered = sorted(actions, key=lambda action: (action.time, action.event_id))
    minutes = (ordered[-1].time - ordered[0].time).total_seconds() / SECONDS_OF_MINUTE if ordered else 0.0
    # A page that is shown is one event for each of its items: only what users do themselves tells how fast they are.
    if sum(action.kind in rules.clicks for action in ordered) > rules.most_events_a_minute * max(1.0, minutes):
        return "too_fast"
    clicked: list[str] = []
    for action in ordered:
        stayed = action.dwell_seconds is None or action.dwell_seconds >= rules.least_dwell_seconds
        if action.kind in rules.clicks and action.item_id is not None and stayed:
            if rules.join_repeats and clicked and clicked[-1] == action.item_id:
                continue
            clicked.append(action.item_id)
    bookings = _bookings(ordered, rules)
    if len(clicked) < rules.least_items:
        return "too_few_items"
    wanted = {*clicked, *bookings}
    turned_down = [action.item_id for action in ordered if action.kind in rules.rejections and action.item_id]
    rejected = tuple(dict.fromkeys(item for item in turned_down if item not in wanted))
    return SessionSequence(tuple(clicked), bookings[-1] if bookings else None, tuple(bookings), rejected[: rules.most_rejected])


def _bookings(actions: Sequence[Action], rules: SessionRules) -> list[str]:
    """Booked items in the order of the bookings, each once: those in the session, and those credited to what it was shown."""
    booked = [(action.time, action.event_id, action.item_id) for action in actions if action.kind in rules.bookings and action.item_id]
    booked += [(action.booked_time, action.event_id, action.item_id) for action in actions if action.booked_time and action.item_id]
    last: dict[str, None] = {}
    for _, _, item in sorted(booked):
        last.pop(item, None)
        last[item] = None
    return list(last)
