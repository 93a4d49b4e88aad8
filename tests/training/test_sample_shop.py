"""The sample shop from raw logs to training sets: rows trace back to raw events, honest features pass the leak test, others do not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import Engine

from resources.spark import open_session
from srp_assets.features.building.days import bring_up_to_date as build_features
from srp_assets.features.building.days import partial_files, version_files
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.registry_builds import stale_days as stale_logs
from srp_assets.logs.stitching.building import bring_up_to_date as build_logs
from srp_assets.logs.tables import built_days, landed_log_files
from srp_assets.samples.ranking.catalogue_items import land_items
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import Settings
from srp_assets.training.assets import training_places
from srp_assets.training.building import TrainingPlaces, bring_up_to_date
from srp_assets.training.leak_test import leaks_of_day
from srp_assets.training.leaks import SHIFT, leak_findings
from srp_assets.training.plan_leaks import features_before
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.storage import Storage

pytestmark = pytest.mark.nightly

PLANTED = timedelta(minutes=20)
"""How far planted features look ahead: clicks have come by then, and their session still runs, as it would not half an hour later."""


def test_sets_of_the_sample_shop(settings_with_spark: Settings, engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    settings = settings_with_spark
    assert settings.log_catalogue is not None
    assert settings.feature_declarations is not None
    logs = load_log_catalogue(settings.log_catalogue)
    places = training_places(settings, sample_catalogue, logs, settings.feature_declarations)
    world, storage, spark = RankingWorld(events=20_000, seed=5, days=4), places.features.logs, open_session(settings)
    land_items(engine, Storage(settings.warehouse_location), sample_catalogue, world)
    land_ranking_world(engine, storage, logs, world, tmp_path / "broken")
    with engine.connect() as connection:
        days = stale_logs(connection, logs)
    build_logs(spark, engine, storage, logs, days)
    newest = str(world.last_day)
    build_features(spark, engine, places.features, "partials", places.layout, [day for day in days if day <= newest])
    build_features(spark, engine, places.features, "impressions", places.layout, [newest])
    (build,) = bring_up_to_date(spark, engine, places, [newest])
    rows = pa.concat_tables([places.sets.read(path) for path, _ in places.sets.files(build.folder)])
    assert rows.num_rows > 3_000
    assert_rows_trace_back(engine, places, rows)
    assert [found for found in leaks_of_day(spark, engine, places, newest) if found.is_leak] == []
    ahead, earlier = (features_at(engine, places, spark, newest, shift) for shift in (-PLANTED, SHIFT))
    labels = {"clicked": rows["clicked"].to_numpy()}
    names = [name for name in ahead.column_names if name != "event_id"]

    def of_rows(found: pa.Table) -> dict[str, Any]:
        ordered = found.take(pc.index_in(rows["event_id"], value_set=found["event_id"].combine_chunks()))
        return {name: pc.fill_null(ordered[name], float("nan")).to_numpy() for name in names}

    planted = {found.feature for found in leak_findings(labels, of_rows(ahead), of_rows(earlier)) if found.is_leak}
    # All impressions of a request share what its session did, so that the number of clicks alone hardly tells them apart (a loss of 0.09,
    # which honest features reach); the rate, of the same clicks, does.
    assert {"user_item_clicks_7d", "query_item_clicks_7d", "session_ctr_session"} <= planted


def assert_rows_trace_back(engine: Engine, places: TrainingPlaces, rows: pa.Table) -> None:
    """Every row is a landed impression, and what is clicked has a landed click of the same trace and item after it; no other has."""
    storage = places.features.logs
    with engine.connect() as connection:
        impressions = landed_log_files(connection, "impression", "2024-03-01", "2024-03-31")
        clicks = landed_log_files(connection, "click", "2024-03-01", "2024-03-31")
    raw = {row["event_id"]: row for files in impressions.values() for path in files.rows for row in storage.read(path).to_pylist()}
    times: dict[tuple[str, str], list[Any]] = {}
    for files in clicks.values():
        for row in (row for path in files.rows for row in storage.read(path).to_pylist()):
            times.setdefault((row["trace_id"], row["item_id"]), []).append(row["event_time"])
    for row in rows.to_pylist():
        source = raw[row["event_id"]]
        assert {name: row[name] for name in ("trace_id", "item_id", "position", "propensity")} == {
            name: source[name] for name in ("trace_id", "item_id", "position", "propensity")
        }
        delays = [time - row["event_time"] for time in times.get((row["trace_id"], row["item_id"]), [])]
        assert row["clicked"] == any(timedelta(0) <= delay <= timedelta(minutes=30) for delay in delays)


def features_at(engine: Engine, places: TrainingPlaces, spark: Any, day: str, shift: timedelta) -> pa.Table:
    """All numbers of a day's impressions, taken so much earlier (or later)."""
    features = places.features
    with engine.connect() as connection:
        shown = built_days(connection, "impression_outcomes", day, day)[day]
        files = partial_files(connection, features, places.layout, "2024-03-01", day)
        versions = version_files(connection, features, places.layout, last_ingest(connection))
    impressions = pa.concat_tables([features.logs.read(path) for path in shown.paths])
    numbers = places.schema.features_of_type("number")
    return features_before(spark, impressions, shift, numbers, files, places.layout, versions, features.buckets, f"scratch/{shift.days}")
