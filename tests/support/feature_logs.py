"""Generated logs for features: few users, items and moments, so that events tie, repeat, arrive late, and lie on midnights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from srp_assets.features.aggregation.rows import ARROW_TYPES
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, REQUEST_COLUMNS
from srp_assets.features.declaration.definitions import Definitions

Row = dict[str, Any]

MIDNIGHTS = tuple(
    datetime(2024, month, day, tzinfo=UTC) for month, day in ((1, 30), (1, 31), (2, 1), (2, 2), (2, 3), (2, 29), (3, 1), (3, 31))
)
OFFSETS = tuple(
    timedelta(seconds=seconds, microseconds=microseconds)
    for seconds, microseconds in ((0, 0), (0, 1), (0, -1), (1_800, 0), (3_600, 0), (3_600, 1), (5_400, 0), (43_200, 0), (45_000, 7))
)
DELAYS = (
    *([timedelta(0)] * 4),
    timedelta(microseconds=1),
    timedelta(minutes=5),
    timedelta(hours=20),
    timedelta(days=1),
    timedelta(days=3),
)
KINDS = ("impression", "impression", "impression", "click", "click", "order")
TEXTS: Mapping[str, Sequence[str | None]] = {
    "user_id": ("u1", "u1", "u2", "Ü", None),
    "item_id": ("i1", "i2", "i3", "", None),
    "market": ("de", "fr", None),
    "query": ("shoes", "红色", None),
    "device": ("phone", "desktop"),
    "page": ("search", "home"),
    "location": ("Berlin", None),
}
NUMBERS = (0.0, 1.0, 2.5, -3.0, 1e9, -1e9, 0.1, None)


@dataclass(frozen=True)
class Logs:
    """Events as they arrived (duplicates among them), candidates of requests, and versions of items."""

    events: list[Row]
    requests: list[Row]
    versions: dict[str, list[Row]]


def _moment(random: Random) -> datetime:
    return random.choice(MIDNIGHTS) + random.choice(OFFSETS)


def _texts(random: Random) -> Row:
    return {name: random.choice(pool) for name, pool in TEXTS.items()}


def _event(random: Random, number: int) -> Row:
    time = _moment(random)
    return {
        # Ids of different lengths: their order is that of texts, not of numbers.
        "event_id": f"e{number * 7 % 100}",
        "event_time": time,
        "arrival_time": time + random.choice(DELAYS),
        "kind": random.choice(KINDS),
        **_texts(random),
        "position": float(random.randint(1, 4)),
        **{name: random.choice(NUMBERS) for name in ("price", "amount", "quantity", "dwell_seconds")},
    }


@st.composite
def logs(draw: st.DrawFn, *, max_events: int = 60, max_requests: int = 8) -> Logs:
    """Logs of a few users; drawn are a seed and sizes."""
    random = Random(draw(st.integers(0, 2**32 - 1)))
    return random_logs(random, draw(st.integers(0, max_events)), draw(st.integers(1, max_requests)))


def random_logs(random: Random, events_wanted: int, requests_wanted: int) -> Logs:
    """Logs with so many events, and some duplicates, and candidates."""
    events = [_event(random, number) for number in range(events_wanted)]
    for event in list(events):
        if random.random() < 0.1:
            # A second copy of an event that arrives later and says something else.
            events.append({**event, "arrival_time": event["arrival_time"] + timedelta(days=1), "kind": "click", "amount": 7.0})
    requests = []
    for _ in range(requests_wanted):
        # Often the time of an event, which must not count then.
        as_of = random.choice(events)["event_time"] if events and random.random() < 0.5 else _moment(random)
        requests.append({"as_of": as_of, **_texts(random), "position": 1.0, "price": random.choice(NUMBERS)})
    items = [
        {"item_id": item, "updated_at": moment, "category": random.choice(("a", "b", "é", None)), "list_price": random.choice(NUMBERS),
         "published_at": random.choice((_moment(random), None)), "word_lists": random.choice((["x", "y"], [], None))}
        for item in ("i1", "i2", "i3")
        for moment in sorted({_moment(random) - timedelta(days=random.choice((0, 1, 40))) for _ in range(random.randint(0, 3))})
    ]  # fmt: skip
    random.shuffle(events)
    return Logs(events, requests, {"item": items})


def events_table(definitions: Definitions, rows: Sequence[Row]) -> pa.Table:
    """Events as `logs/actions` has them."""
    attributes = {name for source in definitions.attributes.values() for name in source.columns}
    types = {"event_id": "text", "kind": "text", "arrival_time": "time", **definitions.event_columns}
    names = [name for name in types if name not in attributes and name not in COMPUTED_COLUMNS]
    return _table(rows, {name: types[name] for name in names})


def requests_table(rows: Sequence[Row]) -> pa.Table:
    """Candidates of requests."""
    return _table(rows, {name: type_ for name, type_ in REQUEST_COLUMNS.items() if name not in COMPUTED_COLUMNS})


def versions_tables(definitions: Definitions, versions: Mapping[str, Sequence[Row]]) -> dict[str, pa.Table]:
    """The versions of what attributes are taken from."""
    tables = {}
    for name, source in definitions.attributes.items():
        types = {source.key: "text", "updated_at": "time"} | {found.column: found.type for found in source.columns.values()}
        tables[name] = _table(versions.get(name, ()), types)
    return tables


def _table(rows: Sequence[Row], types: Mapping[str, Any]) -> pa.Table:
    return pa.table({name: pa.array([row.get(name) for row in rows], ARROW_TYPES[type_]) for name, type_ in types.items()})
