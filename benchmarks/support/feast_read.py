"""Feast's online read in an environment of its own: `feast_read.py SOCKET ENTITIES FEATURES ROUNDS`, latencies as JSON on the last line.

A feature view of as many float64 features, one entity key, all entities written to the same kind of Redis before; each round reads other
entities with the Python SDK.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, String

POPULATION = 2_000
WARM_UP = 20


def main() -> None:
    """Writes the features, reads them, prints what it took."""
    address, entities, features, rounds = sys.argv[1], *map(int, sys.argv[2:5])
    random = np.random.default_rng(4)
    with TemporaryDirectory() as folder:
        store = FeatureStore(
            config=RepoConfig(
                project="bench",
                provider="local",
                registry=f"{folder}/registry.db",
                online_store={"type": "redis", "connection_string": address},
                entity_key_serialization_version=3,
            )
        )
        names = [f"feature_{number}" for number in range(features)]
        frame = pd.DataFrame({name: random.random(POPULATION) for name in names})
        frame["item_id"] = [f"i{number}" for number in range(POPULATION)]
        frame["event_timestamp"] = datetime.now(UTC)
        path = Path(folder) / "items.parquet"
        frame.to_parquet(path)
        item = Entity(name="item", join_keys=["item_id"])
        view = FeatureView(
            name="items",
            entities=[item],
            ttl=timedelta(days=1),
            schema=[Field(name="item_id", dtype=String), *(Field(name=name, dtype=Float64) for name in names)],
            source=FileSource(path=str(path), timestamp_field="event_timestamp"),
        )
        store.apply([item, view])
        store.write_to_online_store("items", frame)
        asked = [f"items:{name}" for name in names]
        seconds = []
        for _ in range(WARM_UP + rounds):
            rows = [{"item_id": f"i{number}"} for number in random.choice(POPULATION, entities, replace=False)]
            begin = time.perf_counter()
            store.get_online_features(features=asked, entity_rows=rows)
            seconds.append(time.perf_counter() - begin)
    measured = np.array(seconds[WARM_UP:]) * 1e3
    print(json.dumps({"p50": float(np.percentile(measured, 50)), "p99": float(np.percentile(measured, 99))}))


if __name__ == "__main__":
    main()
