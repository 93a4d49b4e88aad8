"""A market place's sessions as the logs build them, and its items as landed, written without Spark, for embeddings to read."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.logs import registry_builds as log_builds
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.schema import TABLES, table_schema
from srp_assets.samples.ranking.listings import ListingSessions, ListingWorld
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.schema import TIMESTAMP

BEFORE = datetime(2024, 1, 5, tzinfo=UTC)
Row = dict[str, Any]


@dataclass(frozen=True)
class ListingHome:
    """Where days are written.

    Args:
        engine: of the registry.
        places: of embeddings and logs.
        world: whose sessions they are.
    """

    engine: Engine
    places: EmbeddingPlaces
    world: ListingWorld

    def land_items(self) -> None:
        """Lands all items as rows of the warehouse."""
        told = self.world.attributes
        time = pa.array([BEFORE] * told.num_rows, TIMESTAMP)
        rows = pa.table(
            {
                "item_id": told["item_id"],
                "title": told["type"],
                "category": told["type"],
                "market": told["market"],
                "price": told["price"],
                "publish_time": time,
                "updated_at": time,
            }
        )
        batches = (("item", batch) for batch in rows.to_batches())
        land_batches(
            self.engine,
            self.places.warehouse,
            self.places.catalogue,
            product="aurora",
            batches=batches,
            source="listings",
            reader="samples",
        )

    def build_logs(self, day: str, actions: list[Row], outcomes: list[Row]) -> None:
        """Records a day's tables as current; sessions follow from the actions, in the day in which each starts."""
        logs, stamp = self.places.log_catalogue, datetime.now(UTC).timestamp()
        rows = {
            "actions": [action for action in actions if action["event_day"] == date.fromisoformat(day)],
            "impression_outcomes": outcomes,
            "sessions": [found for found in sessions_of(logs, actions) if found["start"].date() == date.fromisoformat(day)],
        }
        files = []
        for table in TABLES:
            path = f"{table}/{day}/{stamp}.parquet"
            size = self.places.logs.write(path, pa.Table.from_pylist(rows[table], table_schema(logs, table)))
            files.append(log_builds.TableFile(table, path, len(rows[table]), size))
        with self.engine.begin() as connection:
            build = log_builds.DayBuild(0, day, 1, "final", {}, log_builds.DayCountsBuilt(), tuple(files), datetime.now(UTC), None)
            log_builds.record_builds(connection, [build])


def action(kind: str, number: int, time: datetime, item: str, user: str, **more: object) -> Row:
    """An action of a user's only session."""
    return {
        "event_id": f"{kind}-{number}",
        "event_time": time,
        "arrival_time": time,
        "event_day": time.date(),
        "arrival_day": time.date(),
        "kind": kind,
        "user_id": user,
        "item_id": item,
        "market": "de",
        "device": "phone",
        "session_id": f"{user}@1",
        **more,
    }


def sessions_of(logs: LogCatalogue, actions: list[Row]) -> list[Row]:
    """The sessions of actions, as the logs' own table has them."""
    found: dict[str, Row] = {}
    for row in actions:
        nothing = {f"{kind}s": 0 for kind in logs.action_kinds}
        own = found.setdefault(
            row["session_id"],
            {"user_id": row["user_id"], "session_id": row["session_id"], "start": row["event_time"], "end": row["event_time"], "events": 0}
            | nothing,
        )
        own["start"], own["end"] = min(own["start"], row["event_time"]), max(own["end"], row["event_time"])
        own["events"] += 1
        own[f"{row['kind']}s"] += 1
    return list(found.values())


def actions_of(world: ListingWorld, block: ListingSessions, start: datetime) -> tuple[list[Row], list[Row]]:
    """Sessions as actions from a time on, a user each, and the outcomes of their impressions: what was booked was ordered the day after."""
    rows: list[Row] = []
    outcomes: list[Row] = []
    for place, number in enumerate(block.numbers.tolist()):
        time, user = start + timedelta(seconds=60 * place), f"u{number}"
        ids = world.ids(block.clicks[place]).to_pylist()
        for step, item in enumerate([*world.ids(block.rejected[place]).to_pylist(), *ids]):
            key = number * 100 + step
            rows.append(action("impression", key, time + timedelta(seconds=step), item, user))
            booked = item == world.ids(block.booked[place : place + 1])[0].as_py()
            ordered = {"order": True, "order_time": time + timedelta(days=1)} if booked else {"order": False, "order_time": None}
            outcomes.append({"event_id": f"impression-{key}", "event_time": time + timedelta(seconds=step), "item_id": item, **ordered})
        for step, item in enumerate(ids):
            rows.append(action("click", number * 100 + step, time + timedelta(seconds=30 + 5 * step), item, user, dwell_seconds=20.0))
    return rows, outcomes
