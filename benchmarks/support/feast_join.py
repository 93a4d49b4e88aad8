"""Feast's point-in-time join in an environment of its own: `feast_join.py FOLDER`, what it took as JSON on the last line.

FOLDER holds what `features.py --join-in` wrote: `tables/N.parquet` with `entity`, `at` and the features, and `requests.parquet` with
`entity` and `as_of`. One feature view for each table, no time to live; the file offline store, as a laptop has it.
"""

import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, String


def main() -> None:
    """Declares the tables, joins the requests with them, prints what it took and what was found."""
    folder = Path(sys.argv[1])
    tables = sorted((folder / "tables").glob("*.parquet"))
    entity = Entity(name="entity", join_keys=["entity"])
    views, asked = [], []
    for table in tables:
        names = [name for name in pq.read_schema(table).names if name not in ("entity", "at")]
        # Feast wants names that differ, also between views.
        renamed = {name: f"t{table.stem}_{name}" for name in names}
        source = FileSource(path=str(table), timestamp_field="at", field_mapping=renamed)
        schema = [Field(name="entity", dtype=String), *(Field(name=name, dtype=Float64) for name in renamed.values())]
        views.append(FeatureView(name=f"view_{table.stem}", entities=[entity], ttl=None, schema=schema, source=source))
        asked += [f"view_{table.stem}:{name}" for name in renamed.values()]
    requests = pd.read_parquet(folder / "requests.parquet").rename(columns={"as_of": "event_timestamp"})
    with TemporaryDirectory() as home:
        config = RepoConfig(
            project="bench",
            provider="local",
            registry=f"{home}/registry.db",
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        store.apply([entity, *views])
        begin = time.perf_counter()
        found = store.get_historical_features(entity_df=requests, features=asked).to_df()
        seconds = time.perf_counter() - begin
    values = found[[name.split(":")[1] for name in asked]].to_numpy(dtype="float64")
    complete = ~np.isnan(values).any(axis=1)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    told = {"rows": len(found), "complete": int(complete.sum()), "sum": float(values[complete].sum())}
    print(json.dumps({"seconds": seconds, "gigabytes": gigabytes, **told}))


if __name__ == "__main__":
    main()
