"""A day on which everything was served as it is computed: its requests and served rows, to be landed as they are or spoilt."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine

from resources.spark import open_session
from srp_assets.features.building.days import bring_up_to_date
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.schema import log_schema
from srp_assets.online.parity.assets import parity_places
from srp_assets.online.parity.checking import ParityPlaces
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from support.feature_files import build_actions, day_of
from support.feature_logs import OFFSETS, TEXTS, Row, random_logs
from support.served_rows import served_row

DAY = "2024-02-01"
REQUESTS, CANDIDATES = 30, 4
CONTEXT = ("user_id", "market", "query", "device", "page", "location")
LOGS = {
    "name": "served",
    "first_day": "2024-01-01",
    "logs": {
        "request": {"role": "request", "description": "A user asks."},
        "served_features": {"role": "served_features", "description": "What the online side answered with."},
    },
}


@dataclass(frozen=True)
class ServedDay:
    """A day that was served.

    Args:
        settings: of its home.
        engine: of the registry.
        places: of parity.
        rows: that should be served.
    """

    settings: Settings
    engine: Engine
    places: ParityPlaces
    rows: list[Row]

    def serve(self, rows: list[Row]) -> None:
        """Lands rows of the served log."""
        self._land("served_features", rows)

    def request(self) -> None:
        """Lands the requests that all rows belong to."""
        asked = {row["trace_id"]: row for row in self.rows}
        names = ("event_time", "arrival_time", "trace_id", *CONTEXT)
        self._land("request", [{name: row[name] for name in names} for row in asked.values()])

    def _land(self, log: str, rows: list[Row]) -> None:
        catalogue, logs = self.places.catalogue, self.places.features.logs
        schema = log_schema(catalogue.logs[log])
        columns = {field.name: pa.array([_cell(row.get(field.name)) for row in rows], field.type) for field in schema}
        summary = land_log_batches(
            self.engine, logs, catalogue, batches=[(log, pa.RecordBatch.from_pydict(columns, schema))], source="test", reader="test"
        )
        assert summary.rejected == {}


def _cell(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value


def requests_of_day(random: Random) -> list[Row]:
    """Candidates of requests of the day; those of a request share its context."""
    found = []
    for _ in range(REQUESTS):
        context = {name: random.choice(TEXTS[name]) for name in CONTEXT}
        as_of = datetime.fromisoformat(DAY).replace(tzinfo=UTC) + random.choice([offset for offset in OFFSETS if offset.days >= 0])
        found += [
            {"as_of": as_of, **context, "item_id": random.choice(("i1", "i2", "i3")), "position": 1.0, "price": random.choice((1.0, None))}
            for _ in range(CANDIDATES)
        ]
    return found


def served_day(settings: Settings, engine: Engine, folder: Path) -> ServedDay:
    """Actions and partial sums of the day and all before it are built; nothing is served or asked for yet.

    Args:
        settings: of a home, with a Spark server; the declarations are in `folder`.
        engine: of its registry.
        folder: with `logs.yaml` and `features.yaml`.
    """
    catalogue, logs = load_catalogue(settings.catalogue), load_log_catalogue(folder / "logs.yaml")
    places, _ = parity_places(settings, catalogue, logs, folder / "features.yaml")
    definitions = places.layout.definitions
    random = Random(4)
    events = [event for event in first_arrivals(random_logs(random, 200, 1).events) if day_of(event) <= DAY]
    days = sorted({DAY, *map(day_of, events)})
    build_actions(engine, places.features.logs, definitions, events, days, 1, provisional=[DAY])
    bring_up_to_date(open_session(settings), engine, places.features, "partials", places.layout, days)
    rows = [
        served_row(definitions, number, request, feature_values(definitions, events, request))
        for number, request in enumerate(requests_of_day(random))
    ]
    return ServedDay(settings, engine, places, rows)
