"""Histories in which every fault of sequences shows: ties, late and future actions, items that change, are taken down or look alike.

A small shop of its own, drawn from a seed: the sample world has what happens in a shop, here it happens close together.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.sequences.declaration import Document
from srp_assets.warehouse.schema import TIMESTAMP

FIRST_DAY = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 20
KINDS = ("impression", "click", "click", "cart", "order")
CATEGORIES = ("shoes", "coats", "books", "lamps")
MARKETS = ("us", "de")
ITEMS = 48
DIMENSIONS = 4

LATE = 0.08
"""Share of the actions that arrive one to three hours later. Nobody acts at night, so that lateness never crosses midnight."""

DECLARED: dict[str, Any] = {
    "name": "histories",
    "owner": "ranking",
    "portrait": {"length": 80, "days": 15},
    "sequences": [
        {
            "name": "similar",
            "owner": "search team",
            "description": "What the user did with what is like the candidate.",
            "general": {
                "length": 40,
                "where": [{"column": "kind", "test": "in", "values": ["click", "cart", "order"]}],
                "items": [{"column": "status", "test": "in", "values": ["offered"]}],
                "order": [{"column": "kind", "values": ["order", "cart", "click"]}],
            },
            "final": {"search": "hard", "length": 12, "attributes": ["item_id", "category"]},
            "hashing": {"space": 5000, "seed": 7},
        },
        {
            "name": "earlier",
            "description": "What the user did before the running session, older actions less.",
            "general": {"length": 40, "session": {"gap_minutes": 30, "keep": "before"}},
            "final": {"search": "hard", "length": 10, "attributes": ["category", "market"], "half_life_days": 7, "fill": True},
            "padding": "start",
        },
        {
            "name": "near",
            "description": "Actions on items whose vectors are near the candidate's.",
            "general": {"length": 60},
            "final": {"search": "soft", "length": 10},
        },
    ],
}

FEATURES: dict[str, Any] = {
    "name": "histories",
    "owner": "ranking",
    "events": ["impression", "click", "cart", "order"],
    "attributes": {
        "item": {
            "key": "item_id",
            "columns": {
                "category": {"type": "text", "column": "category", "unit": "category", "description": "what kind of thing it is"},
                "status": {"type": "text", "column": "status", "unit": "status", "description": "whether it is offered"},
            },
        }
    },
    "entities": {"user": {"keys": ["user_id"], "description": "who acts"}},
    "features": [
        {
            "name": "clicks", "entity": "user", "aggregation": "count", "event": "click", "windows": [30], "unit": "clicks",
            "description": "clicks of the user",
        }
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Histories:
    """The shop.

    Args:
        seed: another seed gives another shop.
        users: who act and ask.
        requests: how many are asked, on the last two days.
    """

    seed: int = 1
    users: int = 40
    requests: int = 120

    @cached_property
    def document(self) -> Document:
        """The sequences."""
        return Document.model_validate(DECLARED)

    @cached_property
    def definitions(self) -> Definitions:
        """Which attributes there are."""
        return resolve(FeatureDocument.model_validate(FEATURES))

    @cached_property
    def actions(self) -> pa.Table:
        """Rows as `logs/actions` has them, each once, the time of the requests and after it included; `dropped` is 0."""
        random = Random(self.seed)
        rows = []
        for user in range(self.users):
            a_day = random.choice((1, 3, 6, 9))
            for day in range(DAYS):
                time = FIRST_DAY + timedelta(days=day, hours=7, seconds=random.randint(0, 4 * 3600))
                for _ in range(random.randint(0, 2 * a_day)):
                    # One in six happens together with the one before; some come exactly a session's gap after it.
                    pause = random.choice((0, 30 * 60, 31 * 60, 40, 130, 600))
                    time += timedelta(seconds=pause)
                    if time.hour >= 20:
                        break
                    rows.append(self._action(random, user, time))
        random.shuffle(rows)
        for number, row in enumerate(rows):
            row["event_id"] = f"e{number:06d}"
        schema = pa.schema([(name, _type(name)) for name in rows[0]])
        return pa.Table.from_pylist(rows, schema)

    def _action(self, random: Random, user: int, time: datetime) -> dict[str, Any]:
        late = timedelta(seconds=random.randint(3_600, 3 * 3_600)) if random.random() < LATE else timedelta(seconds=random.randint(1, 5))
        kind = random.choice(KINDS)
        return {
            "event_id": "",
            "user_id": f"u{user}",
            "kind": kind,
            "item_id": f"i{random.randrange(ITEMS)}",
            "event_time": time,
            "arrival_time": time + late,
            "market": random.choice(MARKETS),
            "device": random.choice(("phone", "desktop")),
            "price": None if random.random() < 0.1 else random.choice((0.0, round(random.lognormvariate(3, 1), 2))),
            "amount": round(random.lognormvariate(3, 1), 2) if kind in ("cart", "order") else None,
            "dwell_seconds": round(random.expovariate(1 / 40), 1) if kind == "click" else None,
            "dropped": 0,
        }

    @cached_property
    def asked(self) -> pa.Table:
        """Requests: `trace_id`, `user_id`, `as_of`, `candidates`, `market`."""
        random = Random(self.seed + 1)
        last = FIRST_DAY + timedelta(days=DAYS - 2)
        acted = [(row["user_id"], row["event_time"]) for row in self.actions.select(["user_id", "event_time"]).to_pylist()]
        recent = sorted((user, time) for user, time in acted if time >= last)
        rows = []
        for number in range(self.requests):
            user, time = random.choice(recent)
            # Half of them are asked while something happens or is on its way, the others at any time.
            time += timedelta(minutes=20, seconds=7)
            if number % 2:
                user, time = (
                    f"u{random.randrange(self.users)}",
                    last + timedelta(days=random.randrange(2), seconds=random.randint(32_400, 72_000)),
                )
            rows.append(
                {
                    "trace_id": f"t{number:04d}",
                    "user_id": user,
                    "as_of": time + timedelta(microseconds=number),
                    "candidates": [f"i{item}" for item in random.sample(range(ITEMS), 4)],
                    "market": random.choice(MARKETS),
                }
            )
        types = {"as_of": TIMESTAMP, "candidates": pa.list_(pa.string())}
        return pa.Table.from_pylist(rows, pa.schema([(name, types.get(name, pa.string())) for name in rows[0]]))

    @cached_property
    def versions(self) -> dict[str, pa.Table]:
        """Items: some move to another category, some are taken down, the last ones a day before the requests."""
        random = Random(self.seed + 2)
        rows = []
        for item in range(ITEMS):
            category = random.choice(CATEGORIES)
            since = [FIRST_DAY - timedelta(days=9)]
            since += [FIRST_DAY + timedelta(days=random.choice((6, 11, DAYS - 3)), hours=3) for _ in range(random.choice((0, 0, 1, 2)))]
            for number, updated_at in enumerate(sorted(set(since))):
                status = "taken down" if number and random.random() < 0.4 else "offered"
                rows.append({"item_id": f"i{item}", "updated_at": updated_at, "category": category, "status": status})
                category = random.choice(CATEGORIES)
        return {"item": pa.Table.from_pylist(rows, pa.schema([(name, _type(name)) for name in rows[0]]))}

    @cached_property
    def vectors(self) -> dict[str, ItemVectors]:
        """The vectors that are declared current, `v2`, and older ones. One in three items looks like another one."""
        found = {}
        ids = pa.array([f"i{item}" for item in range(ITEMS)])
        for number, version in enumerate(("v2", "v1")):
            drawn = np.random.default_rng([self.seed, number]).normal(size=(ITEMS, DIMENSIONS)).astype(np.float32)
            drawn[::3] = drawn[1::3]
            found[version] = ItemVectors(version, ids, drawn)
        return found


def _type(name: str) -> pa.DataType:
    if name.endswith(("_time", "_at")):
        return TIMESTAMP
    if name in ("price", "amount", "dwell_seconds"):
        return pa.float64()
    return pa.int64() if name == "dropped" else pa.string()
