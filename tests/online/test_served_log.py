"""The log of what was served: every value as it was answered, nulls and all, landed as any log; served again it counts once."""

import json
from typing import Any

from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.tables import landed_log_files
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.served_log import served_rows
from srp_assets.online.answering.twin import Answer, Twin, rows_of
from srp_assets.online.consuming.consumer import open_consumer
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Store
from srp_assets.samples.demo import LOGS
from srp_assets.warehouse.storage import Storage
from support.online_events import MINUTE, START, click


def answered(definitions: Definitions, store: Store) -> Answer:
    layout = record_layout(layout_of(definitions))
    open_consumer(store, layout).consume([click(1), {**click(2), "query": "tea", "price": 3.5}], START + MINUTE)
    context = {"user_id": "u", "market": "de", "query": None, "device": "phone"}
    candidates = {"item_id": ["i1", "i2", "i9"], "price": [1.0, None, 2.5]}
    return Twin(store, layout).answer(Request("t7", START + MINUTE, context, candidates))


def test_served_rows_land_with_every_value(sample_features: Definitions, store: Store, engine: Engine, storage: Storage) -> None:
    answer = answered(sample_features, store)
    batch = served_rows(sample_features, answer, served_at=START + MINUTE + 9)
    catalogue = load_log_catalogue(LOGS)
    named = [("served_features", batch), ("served_features", batch.slice(1))]
    summary = land_log_batches(engine, storage, catalogue, batches=named, source="twin", reader="online")
    assert (summary.landed["served_features"], summary.duplicates, summary.rejected) == (3, 2, {})
    with engine.connect() as connection:
        (day,) = landed_log_files(connection, "served_features", "2000-01-01", "2100-01-01").values()
    rows = {row["item_id"]: row for path in day.rows for row in storage.read(path).to_pylist()}
    for item, expected in zip(("i1", "i2", "i9"), rows_of(answer), strict=True):
        assert values_of(rows[item]) == {name: list(value) if isinstance(value, tuple) else value for name, value in expected.items()}
        assert rows[item]["definition_version"] == sample_features.digest
        assert (rows[item]["user_id"], rows[item]["query"], rows[item]["defaulted"]) == ("u", None, [])
        assert rows[item]["consumed_to"] == rows[item]["event_time"]
        assert (rows[item]["arrival_time"] - rows[item]["event_time"]).microseconds == 9
    assert [rows[item]["price"] for item in ("i1", "i2", "i9")] == [1.0, None, 2.5]


def values_of(row: dict[str, Any]) -> dict[str, Any]:
    """All features of a served row."""
    lists = {name: None if value is None else json.loads(value) for name, value in row["lists"]}
    return {**dict(row["values"]), **dict(row["texts"]), **lists}


def test_what_the_policy_would_have_shown_where_lands_too(
    sample_features: Definitions, store: Store, engine: Engine, storage: Storage
) -> None:
    chances = [{1: 0.75, 2: 0.0}, {1: 0.25}, {}]
    batch = served_rows(sample_features, answered(sample_features, store), propensities=chances)
    land_log_batches(engine, storage, load_log_catalogue(LOGS), batches=[("served_features", batch)], source="twin", reader="online")
    with engine.connect() as connection:
        (day,) = landed_log_files(connection, "served_features", "2000-01-01", "2100-01-01").values()
    rows = {row["item_id"]: dict(row["propensities"]) for path in day.rows for row in storage.read(path).to_pylist()}
    assert rows == {"i1": {"1": 0.75, "2": 0.0}, "i2": {"1": 0.25}, "i9": {}}
    untold = served_rows(sample_features, answered(sample_features, store))
    assert untold["propensities"].null_count == 3
