"""Logs of a shop of any size for `features.py`: users, items and queries as uneven as people make them, a share of late events."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.features.building.files import VersionFiles
from srp_assets.features.building.plan_partials import DayOfEvents
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.warehouse.storage import Storage

FIRST_DAY = microseconds(datetime(2024, 1, 1, tzinfo=UTC)) // MICROSECONDS_OF_DAY
DAYS = 60
EVENTS_OF_A_USER = 70
ITEMS, QUERIES, CATEGORIES, MARKETS = 20_000, 5_000, 40, 40
KINDS = ("impression", "click", "cart", "coupon", "order")
SHARES = (0.80, 0.14, 0.03, 0.01, 0.02)
LATE_SHARE = 0.05
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class ShopLogs:
    """Written logs: the files of days of `logs/actions`, and the versions of items."""

    days: tuple[DayOfEvents, ...]
    versions: dict[str, VersionFiles]
    events: int


def write_logs(storage: Storage, events: int, *, days: int = DAYS, heavy_user_events: int = 0, seed: int = 1) -> ShopLogs:
    """Writes logs of some days, with one user who has so many of the events."""
    random = np.random.default_rng(seed)
    written = []
    for number in range(days):
        rows = events // days + (number < events % days)
        heavy = heavy_user_events // days
        path = f"actions/{events}/{number}.parquet"
        storage.write(path, _day(random, number, rows, max(1, events // EVENTS_OF_A_USER), heavy), dictionaries=False)
        written.append(DayOfEvents(FIRST_DAY + number, storage, (path,), f"partials/{events}/{number}"))
    storage.write("items.parquet", _items(random))
    return ShopLogs(tuple(written), {"item": VersionFiles(storage, ("items.parquet",), "updated_at")}, events)


def _uneven(random: np.random.Generator, rows: int, size: int) -> npt.NDArray[np.int64]:
    """Numbers below `size`, small ones more often."""
    return (size * random.random(rows) ** 3).astype(np.int64)


def _texts(prefix: str, codes: npt.NDArray[np.int64], size: int) -> pa.Array:
    names = pa.array([f"{prefix}{number}" for number in range(size)])
    return names.take(pa.array(codes))


def _day(random: np.random.Generator, number: int, rows: int, users: int, heavy: int) -> pa.Table:
    begin = (FIRST_DAY + number) * MICROSECONDS_OF_DAY
    time = begin + np.sort(random.integers(0, MICROSECONDS_OF_DAY, rows))
    delay = np.where(random.random(rows) < LATE_SHARE, random.integers(0, 2 * MICROSECONDS_OF_DAY, rows), 2_000_000)
    user = _uneven(random, rows, users)
    user[random.choice(rows, heavy, replace=False)] = 0
    kind = random.choice(len(KINDS), rows, p=SHARES)
    price = np.round(random.gamma(2.0, 20.0, rows), 2)
    return pa.table(
        {
            "event_id": pa.array([f"{number:02d}-{place:08d}" for place in range(rows)]),
            "event_time": pa.array(time, TIME),
            "arrival_time": pa.array(time + delay, TIME),
            "kind": pa.array(KINDS).take(pa.array(kind)),
            "user_id": _texts("u", user, users),
            "item_id": _texts("i", _uneven(random, rows, ITEMS), ITEMS),
            "market": _texts("m", user % MARKETS, MARKETS),
            "query": _texts("q", _uneven(random, rows, QUERIES), QUERIES),
            "device": _texts("d", user % 3, 3),
            "page": _texts("p", random.integers(0, 4, rows), 4),
            "location": _texts("l", user % 50, 50),
            "position": pa.array(random.integers(1, 21, rows)),
            "price": pa.array(price),
            "amount": pa.array(price, mask=kind != KINDS.index("order")),
            "quantity": pa.array(np.ones(rows), mask=kind != KINDS.index("order")),
            "dwell_seconds": pa.array(random.gamma(1.5, 20.0, rows), mask=kind != KINDS.index("click")),
        }
    )


def _items(random: np.random.Generator) -> pa.Table:
    long_ago = (FIRST_DAY - random.integers(1, 300, ITEMS)) * MICROSECONDS_OF_DAY
    return pa.table(
        {
            "item_id": pa.array([f"i{number}" for number in range(ITEMS)]),
            "updated_at": pa.array(long_ago, TIME),
            "category": _texts("c", random.integers(0, CATEGORIES, ITEMS), CATEGORIES),
            "market": _texts("m", random.integers(0, MARKETS, ITEMS), MARKETS),
            "price": pa.array(np.round(random.gamma(2.0, 20.0, ITEMS), 2)),
            "publish_time": pa.array(long_ago, TIME),
            "title": pa.array([f"thing number {number}" for number in range(ITEMS)]),
        }
    )


def requests_of(storage: Storage, logs: ShopLogs, wanted: int, *, last_days: int = 30, seed: int = 2) -> Iterator[pa.Table]:
    """Impressions of the last days as requests, a table for each day, about so many in all."""
    random = np.random.default_rng(seed)
    share = wanted / (logs.events * SHARES[0] * min(last_days, len(logs.days)) / len(logs.days))
    columns = ["event_id", "event_time", "kind", "user_id", "item_id", "market", "query", "device", "page", "location", "position", "price"]
    for day in logs.days[-last_days:]:
        rows = storage.read(day.paths[0], columns=columns)
        shown = np.asarray(rows["kind"]) == "impression"
        chosen = rows.filter(pa.array(shown & (random.random(rows.num_rows) < share))).drop_columns(["kind"])
        yield chosen.rename_columns(["event_id", "as_of", *columns[3:]])
