"""What stitching and sessions mean, in plain Python over dicts: slow, obvious, and the judge of everything that is fast.

1. An event counts once: of several rows with its event_id the one with the least (arrival_time, landed_at, row hash); a row without an
   arrival time arrived when it happened.
2. An impression belongs to the latest request of its trace at or before it, if that is no longer ago than the impression's window.
3. A click belongs to the latest impression of its trace and item at or before it, within the click's window.
4. A step finds its impression by trace and item, or where it has no trace by user and item. Where it comes after an impression: the latest
   one at or before it. Where it comes after a click: the impression of the latest click at or before it that belongs to one. In both
   cases within the step's window since the impression.
5. What belongs nowhere is an orphan of one kind: `without_request`, `without_impression`, `without_click`, or `without_key` (a step with
   neither trace nor user). It is kept, with its own columns alone.
6. "Latest" and "first" are by (event_time, event_id); "at or before" is by time alone.
7. A user's actions form sessions: a gap of more than `session_gap` begins a new one. Sessions cross midnight, and may last for days.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.warehouse.row_hash import microseconds

Row = Mapping[str, Any]
Rows = list[dict[str, Any]]


def order(row: Row) -> tuple[datetime, str]:
    """Contract 2."""
    return row["event_time"], row["event_id"]


def arrival(row: Row) -> datetime:
    """When a row arrived: when it happened, where its source does not say."""
    return row["arrival_time"] or row["event_time"]


def first_arrivals(rows: Iterable[Row]) -> Rows:
    """Rule 1, for rows that have `landed_at` and `row_hash` beside their own columns; in order."""
    first: dict[str, Row] = {}
    for row in rows:
        known = first.get(row["event_id"])
        if known is None or _precedence(row) < _precedence(known):
            first[row["event_id"]] = row
    return sorted(map(dict, first.values()), key=order)


def _precedence(row: Row) -> tuple[datetime, datetime, str]:
    return arrival(row), row["landed_at"], row["row_hash"]


@dataclass(frozen=True)
class Stitched:
    """What stitching gives: `impression_outcomes` without the state of its labels, and `actions` without their sessions."""

    outcomes: Rows
    actions: Rows


def stitch(catalogue: LogCatalogue, events: Mapping[str, Sequence[Row]]) -> Stitched:
    """Rules 2 to 6, for the events of each log, each event once."""
    impressions = _impressions(catalogue, events)
    clicks = _credited_clicks(catalogue, events, impressions)
    actions = [*impressions, *clicks]
    for step in catalogue.steps:
        actions += _credited_steps(catalogue, step, events.get(step, ()), impressions, clicks)
    by_impression: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in actions:
        by_impression[row["kind"], row["impression_id"]].append(row)
    outcomes = [_outcome(catalogue, impression, by_impression) for impression in impressions]
    return Stitched(sorted(outcomes, key=order), sorted((_action(catalogue, row) for row in actions), key=order))


def _impressions(catalogue: LogCatalogue, events: Mapping[str, Sequence[Row]]) -> Rows:
    log, requests = catalogue.of_role("impression"), catalogue.of_role("request")
    if log is None:
        return []
    found = []
    for row in events.get(log.name, ()):
        of_trace = [request for request in (events.get(requests.name, ()) if requests else ()) if request["trace_id"] == row["trace_id"]]
        request = _latest(of_trace, row, log.window)
        context = {name: None if request is None else request[name] for name in catalogue.context_columns}
        orphan = "without_request" if requests and request is None else None
        found.append({**row, **context, "kind": log.name, "impression_id": row["event_id"], "orphan": orphan})
    return found


def _latest(candidates: Iterable[Row], row: Row, window: timedelta) -> Row | None:
    """The latest candidate at or before a row, if it is no longer ago than the window."""
    before = [candidate for candidate in candidates if candidate["event_time"] <= row["event_time"]]
    latest = max(before, key=order, default=None)
    return latest if latest is not None and row["event_time"] - latest["event_time"] <= window else None


def _credited_clicks(catalogue: LogCatalogue, events: Mapping[str, Sequence[Row]], impressions: Rows) -> Rows:
    log = catalogue.of_role("click")
    if log is None:
        return []
    found = []
    for row in events.get(log.name, ()):
        same = [shown for shown in impressions if (shown["trace_id"], shown["item_id"]) == (row["trace_id"], row["item_id"])]
        found.append(_credited(catalogue, log.name, row, _latest(same, row, log.window), "without_impression"))
    return found


def _credited_steps(catalogue: LogCatalogue, step: str, rows: Iterable[Row], impressions: Rows, clicks: Rows) -> Rows:
    log = catalogue.logs[step]
    shown = {impression["event_id"]: impression for impression in impressions}
    found = []
    for row in rows:
        key = "trace_id" if row["trace_id"] is not None else "user_id"
        if row[key] is None:
            found.append(_credited(catalogue, step, row, None, "without_key"))
            continue
        touches = impressions if log.after == "impression" else [click for click in clicks if click["impression_id"] is not None]
        same = [touch for touch in touches if (touch[key], touch["item_id"]) == (row[key], row["item_id"])]
        last = max((touch for touch in same if touch["event_time"] <= row["event_time"]), key=order, default=None)
        impression = None if last is None else shown[last["impression_id"]]
        within = impression is not None and row["event_time"] - impression["event_time"] <= log.window
        found.append(_credited(catalogue, step, row, impression if within else None, f"without_{log.after}"))
    return found


def _credited(catalogue: LogCatalogue, kind: str, row: Row, impression: Row | None, orphan: str) -> dict[str, Any]:
    """A click or step with what it lacks taken from its impression."""
    taken = {}
    for name in ("trace_id", *catalogue.context_columns, "position", "price"):
        own = row.get(name)
        taken[name] = own if own is not None or impression is None else impression.get(name)
    credit = {"impression_id": None if impression is None else impression["event_id"], "orphan": orphan if impression is None else None}
    return {**row, **taken, **credit, "kind": kind}


def _outcome(catalogue: LogCatalogue, impression: Row, by_impression: Mapping[tuple[str, str], Rows]) -> dict[str, Any]:
    row = {**impression, "arrival_time": arrival(impression), "explored": bool(impression["explored"])}
    click = catalogue.of_role("click")
    for kind in ("click", *catalogue.steps):
        log_name = (click.name if click else None) if kind == "click" else kind
        credited = sorted(by_impression.get((log_name, impression["event_id"]), []), key=order) if log_name else []
        first = credited[0] if credited else None
        row["clicked" if kind == "click" else kind] = first is not None
        row[f"{kind}_time"] = first["event_time"] if first else None
        delay = (first["event_time"] - impression["event_time"]) if first else None
        row[f"{kind}_delay_seconds"] = None if delay is None else delay / timedelta(seconds=1)
        if kind == "click":
            row["dwell_seconds"] = first["dwell_seconds"] if first else None
        else:
            amounts = [event["amount"] for event in credited if event["amount"] is not None]
            row[f"{kind}_amount"] = sum(amounts) if amounts else None
    return row


def _action(catalogue: LogCatalogue, row: Row) -> dict[str, Any]:
    empty = dict.fromkeys(("position", "price", "amount", "quantity", "dwell_seconds"))
    arrived = arrival(row)
    return {**empty, **row, "arrival_time": arrived, "event_day": row["event_time"].date(), "arrival_day": arrived.date()}


def with_sessions(catalogue: LogCatalogue, actions: Iterable[Row]) -> tuple[Rows, Rows]:
    """Rule 7: actions with their session's id (null for nobody's), and the sessions with what they count."""
    by_user: dict[str, Rows] = defaultdict(list)
    marked = []
    for row in sorted(actions, key=order):
        action = {**row, "session_id": None}
        marked.append(action)
        if row["user_id"] is not None:
            by_user[row["user_id"]].append(action)
    sessions = []
    for user_id, rows in by_user.items():
        last: datetime | None = None
        for row in rows:
            if last is None or row["event_time"] - last > catalogue.session_gap:
                start = row["event_time"]
                sessions.append({"user_id": user_id, "session_id": f"{user_id}@{microseconds(start)}", "start": start, "events": 0})
                sessions[-1].update(dict.fromkeys((f"{kind}s" for kind in catalogue.action_kinds), 0))
            session = sessions[-1]
            last = session["end"] = row["event_time"]
            session["events"] += 1
            session[f"{row['kind']}s"] += 1
            row["session_id"] = session["session_id"]
    return marked, sorted(sessions, key=lambda session: (session["user_id"], session["start"]))


def label_state(catalogue: LogCatalogue, day: date, newest_day: date) -> str:
    """Whether labels of a day's impressions may still come: final once a day has landed that is later than all days of the windows."""
    return "final" if newest_day > day + timedelta(days=catalogue.label_days) else "provisional"
