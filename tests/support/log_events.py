"""Logs made for tests: small, with all that makes stitching hard, and what the reference makes of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine, select

from srp_assets.logs import reference
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import LogIngestSummary, land_log_batches
from srp_assets.logs.registry import ingest
from srp_assets.logs.schema import log_schema
from srp_assets.warehouse.row_hash import row_hash
from srp_assets.warehouse.storage import Storage

START = datetime(2024, 2, 26, tzinfo=UTC)
"""Three days before the end of a month of a leap year."""

MICROSECOND = timedelta(microseconds=1)

CATALOGUE = LogCatalogue.model_validate(
    {
        "name": "test",
        "first_day": "2024-02-01",
        "session_gap": "30 minutes",
        "buckets": 2,
        "logs": {
            "request": {"role": "request", "description": "r", "columns": {"channel": {"kind": "enum", "description": "c"}}},
            "impression": {"role": "impression", "description": "i", "window": "1 hour"},
            "click": {"role": "click", "description": "c", "window": "30 minutes"},
            "cart": {"role": "step", "description": "k", "window": "1 day", "after": "impression"},
            "order": {"role": "step", "description": "o", "window": "3 days"},
        },
    }
)
"""Windows short enough that a few days hold all cases; one step comes after an impression, the other after a click."""

Event = tuple[str, dict[str, Any]]


class EventMaker:
    """Makes events of `CATALOGUE` over some days: ties, exact borders of windows, midnights, orphans, nulls, events without ids or users.

    Args:
        seed: another one makes other events.
        days: how many.
        users: how many; few meet often.
    """

    def __init__(self, seed: int, *, days: int = 9, users: int = 6) -> None:
        self._random = Random(seed)
        self._days = days
        self._users = [f"u{number}" for number in range(users)]
        self._items = [f"i{number}" for number in range(4)]
        self._traces = 0

    def events(self, traces: int) -> list[Event]:
        """The events of some requests, and some that belong to none."""
        made = [event for _ in range(traces) for event in self._trace()]
        made += [event for _ in range(traces // 10 + 1) for event in self._strays()]
        made += self._long_session()
        for name, row in made:
            row["event_id"] = f"{name}-{self._random.getrandbits(48):012x}"
        return made

    def ingests(self, traces: int, count: int) -> list[list[Event]]:
        """The same spread over ingests; some rows come again, with another arrival, time or content."""
        spread: list[list[Event]] = [[] for _ in range(count)]
        for name, row in self.events(traces):
            spread[self._random.randrange(count)].append((name, row))
            while self._random.random() < 0.15:
                again = dict(row)
                if self._random.random() < 0.7:
                    again["arrival_time"] = self._arrival(row["event_time"])
                if self._random.random() < 0.2:
                    again["event_time"] = row["event_time"] + self._random.choice([-1, 1]) * timedelta(
                        hours=self._random.choice([0, 5, 30])
                    )
                if self._random.random() < 0.2:
                    again["item_id" if "item_id" in again else "market"] = "other"
                spread[self._random.randrange(count)].append((name, again))
        for rows in spread:
            self._random.shuffle(rows)
        return spread

    def _arrival(self, event_time: datetime) -> datetime | None:
        delay = self._random.choice([None, 0, 1, 60, 3600, 90_000])
        return None if delay is None else event_time + timedelta(seconds=delay)

    def _moment(self) -> datetime:
        """A time that others are likely to have too, often near a midnight."""
        day = START + timedelta(days=self._random.randrange(self._days))
        if self._random.random() < 0.4:
            return day + timedelta(minutes=5 * self._random.randrange(-8, 9))
        return day + timedelta(minutes=15 * self._random.randrange(96))

    def _row(self, time: datetime, **values: Any) -> dict[str, Any]:
        return {"event_time": time, "arrival_time": self._arrival(time), **values}

    def _trace(self) -> Iterator[Event]:
        random = self._random
        self._traces += 1
        # Now and then a trace is used twice.
        trace = f"t{random.randrange(self._traces) if random.random() < 0.1 else self._traces}"
        user = random.choice([*self._users, None])
        time = self._moment()
        if random.random() < 0.95:
            context = {"user_id": user, "market": random.choice(["de", "fr", None]), "query": random.choice([None, "red shoes"])}
            yield "request", self._row(time, trace_id=trace, device="phone", page=None, location="x", channel="mail", **context)
        for position, item in enumerate(random.choices(self._items, k=random.randrange(1, 4)), 1):
            shown = time + random.choice(
                [timedelta(0), MICROSECOND, timedelta(minutes=5), timedelta(hours=1), timedelta(hours=1) + MICROSECOND]
            )
            price = random.choice([None, 2.5])
            explored = random.choice([True, False, None])
            yield (
                "impression",
                self._row(shown, trace_id=trace, item_id=item, position=position, propensity=0.25, explored=explored, price=price),
            )
            yield from self._after(trace, user, item, shown)

    def _after(self, trace: str, user: str | None, item: str, shown: datetime) -> Iterator[Event]:
        random = self._random
        window = timedelta(minutes=30)
        for _ in range(random.choice([0, 0, 1, 1, 2])):
            clicked = shown + random.choice([timedelta(0), timedelta(minutes=1), window, window + MICROSECOND, -MICROSECOND])
            yield "click", self._row(clicked, trace_id=trace, item_id=item, dwell_seconds=random.choice([None, 3.5, 60.0]))
            for name, days in (("cart", 1), ("order", 3)):
                if random.random() < 0.5:
                    border = shown + timedelta(days=days)
                    time = random.choice(
                        [clicked, clicked + timedelta(minutes=40), border, border + MICROSECOND, border - timedelta(hours=2)]
                    )
                    known = random.random() < 0.4
                    values = {"market": random.choice([None, "it"]), "amount": random.choice([None, 10.0, 0.1]), "quantity": 2.0}
                    yield name, self._row(time, trace_id=trace if known else None, user_id=None if known else user, item_id=item, **values)

    def _strays(self) -> Iterator[Event]:
        time, item = self._moment(), self._random.choice(self._items)
        yield "click", self._row(time, trace_id="nobody's", item_id=item, dwell_seconds=None)
        yield "order", self._row(time, trace_id=None, user_id=self._random.choice([None, *self._users]), item_id=item, amount=1.0)

    def _long_session(self) -> Iterator[Event]:
        """One user acts every half hour for two and a half days."""
        for number in range(120):
            time = START + timedelta(days=1, hours=5, minutes=30 * number)
            yield "cart", self._row(time, trace_id=None, user_id="busy", item_id="i0", amount=None)


@dataclass
class LandedLogs:
    """Logs that land ingest by ingest, and what the reference knows of them."""

    engine: Engine
    storage: Storage
    catalogue: LogCatalogue
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def land(self, events: Sequence[Event]) -> LogIngestSummary:
        """Lands events, for the product and for the reference."""
        by_log: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name, row in events:
            by_log[name].append(row)
        batches = [
            (name, batch)
            for name, rows in by_log.items()
            for batch in pa.Table.from_pylist(rows, log_schema(self.catalogue.logs[name])).to_batches(max_chunksize=200)
        ]
        summary = land_log_batches(self.engine, self.storage, self.catalogue, batches=batches, source="test", reader="test")
        with self.engine.connect() as connection:
            landed_at = connection.execute(select(ingest.c.landed_at).where(ingest.c.ingest_id == summary.ingest_id)).scalar_one()
        for name, rows in by_log.items():
            log = self.catalogue.logs[name]
            for row in rows:
                own = {column: row.get(column) for column in log.columns}
                self.rows[name].append({**own, "landed_at": landed_at, "row_hash": row_hash(log.entity, own)})
        return summary

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """The events that count, by log."""
        return {name: reference.first_arrivals(rows) for name, rows in self.rows.items()}

    def expected(self) -> dict[str, list[dict[str, Any]]]:
        """The tables as the reference has them, of all days; outcomes without the state of their labels."""
        stitched = reference.stitch(self.catalogue, self.events())
        actions, sessions = reference.with_sessions(self.catalogue, stitched.actions)
        return {"impression_outcomes": stitched.outcomes, "actions": actions, "sessions": sessions}


def only(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows as sorted tuples of some columns; two rows with the same values stay two."""
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)
