"""Features through Dagster: the sensor asks for what logs built, the job builds it; impressions of the sample shop equal the reference."""

from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sqlalchemy import Engine

from jobs.features import BUILD_FEATURES_JOB
from jobs.reopening import FIRST_TAG, LAST_TAG
from resources.registry_database import RegistryResource
from resources.spark import open_session
from srp_assets.definitions import build_definitions
from srp_assets.features.aggregation.layout import Layout, layout_of
from srp_assets.features.assets import feature_key, features_storage, places_of
from srp_assets.features.building.days import identity_of, stale_days
from srp_assets.features.building.files import file_of
from srp_assets.features.checking import judged_sums
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.registry import current_builds
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.registry_builds import stale_days as stale_logs
from srp_assets.logs.stitching.building import bring_up_to_date
from srp_assets.logs.tables import built_days
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.feature_files import build_actions, day_of
from support.feature_logs import random_logs
from support.feature_values import differences

BUCKETS = 2


@pytest.fixture
def own_settings(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings with the small document of features, whose attributes come from an entity that the catalogue has not."""
    written = (Path(__file__).parent / "small.yaml").read_text(encoding="utf-8")
    path = tmp_path / "features.yaml"
    path.write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    monkeypatch.setenv("SRP_FEATURES", str(path))
    monkeypatch.setenv("SRP_FEATURES_BUCKETS", str(BUCKETS))
    # The models of the sample world read features that the small document has not.
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("SRP_MODELS", str(tmp_path / "models"))
    return Settings()


@pytest.fixture
def small(own_settings: Settings) -> Definitions:
    assert own_settings.feature_declarations is not None
    return load_definitions(own_settings.feature_declarations)


def test_the_sensor_asks_for_days_whose_actions_were_built(
    small: Definitions, engine: Engine, own_settings: Settings, sample_catalogue: Catalogue
) -> None:
    events = first_arrivals(random_logs(Random(21), 40, 1).events)
    days = sorted({day_of(event) for event in events if day_of(event) >= "2024-03-01"})
    build_actions(engine, logs_storage(own_settings.warehouse_location), small, events, days, 1)
    definitions, layout = build_definitions(settings=own_settings), layout_of(small)
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = asked(definitions, instance)
        assert (request.tags[FIRST_TAG], request.tags[LAST_TAG]) == (days[0], days[-1])
        assert build(definitions, instance, "partials", dict(request.tags), request.run_config)
        assert asked(definitions, instance) == []
        assert_broken_sums_are_seen(own_settings, sample_catalogue, engine, layout)
        assert build(definitions, instance, "impressions", {FIRST_TAG: days[-1], LAST_TAG: days[-1]})
        event = instance.get_latest_materialization_event(feature_key("impressions"))
    with engine.connect() as connection:
        assert stale_days(connection, "partials", layout, BUCKETS) == []
        (impressions,) = built_days(connection, "impression_outcomes", days[-1], days[-1]).values()
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/partition_row_count"].value == impressions.rows


def assert_broken_sums_are_seen(settings: Settings, catalogue: Catalogue, engine: Engine, layout: Layout) -> None:
    """Takes a table of the newest day away, which the check of its build has passed: what is found names its rows' keys."""
    places = places_of(settings, catalogue)
    with engine.connect() as connection:
        day, newest = sorted(current_builds(connection, "partials", identity_of("partials", layout, BUCKETS)).items())[-1]
    family = layout.families[0]
    path = Path(places.features.path(file_of(newest.folder, family, family.tables[0].name)))
    path.rename(path.with_suffix(".away"))
    report = judged_sums(open_session(settings), places, layout, {day: newest})
    path.with_suffix(".away").rename(path)
    assert not report.passed
    assert any("keys" in outcome.expectation for outcome in report.failed)


@pytest.mark.nightly
def test_features_of_the_sample_shop_equal_the_reference(
    small: Definitions, engine: Engine, own_settings: Settings, tmp_path: Path
) -> None:
    assert own_settings.log_catalogue is not None
    catalogue, storage = load_log_catalogue(own_settings.log_catalogue), logs_storage(own_settings.warehouse_location)
    land_ranking_world(engine, storage, catalogue, RankingWorld(events=1_500, seed=3, days=3), tmp_path / "broken")
    with engine.connect() as connection:
        days = stale_logs(connection, catalogue)
    bring_up_to_date(open_session(own_settings), engine, storage, catalogue, days)
    definitions, layout = build_definitions(settings=own_settings), layout_of(small)
    with dg.DagsterInstance.ephemeral() as instance:
        assert build(definitions, instance, "partials", {FIRST_TAG: days[0], LAST_TAG: days[-1]})
        assert build(definitions, instance, "impressions", {FIRST_TAG: days[2], LAST_TAG: days[2]})
    with engine.connect() as connection:
        actions = built_days(connection, "actions")
        (impressions,) = built_days(connection, "impression_outcomes", days[2], days[2]).values()
        (built,) = current_builds(connection, "impressions", identity_of("impressions", layout, BUCKETS)).values()
    events = rows_of(storage, [path for day in actions.values() for path in day.paths])
    found = {row.pop("event_id"): row for row in rows_of(features_storage(own_settings.warehouse_location), [built.folder])}
    assert len(found) == impressions.rows > 20
    for row in Random(4).sample(rows_of(storage, impressions.paths), 12):
        expected = feature_values(small, events, {**row, "as_of": row["event_time"]}, {})
        assert differences([found[row["event_id"]]], [{"as_of": row["event_time"], **expected}]) == []


def asked(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What the sensor asks for now."""
    resources = {"registry": RegistryResource()}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        return list(definitions.resolve_sensor_def("reopened_features").evaluate_tick(context).run_requests or ())


def build(definitions: dg.Definitions, instance: dg.DagsterInstance, table: str, tags: dict[str, str], config: Any = None) -> bool:
    """Builds one table by the job; whether it and its check succeeded."""
    result = definitions.resolve_job_def(BUILD_FEATURES_JOB).execute_in_process(
        instance=instance, tags=tags, run_config=config, asset_selection=[feature_key(table)]
    )
    return result.success and all(check.passed for check in result.get_asset_check_evaluations())


def rows_of(storage: Any, paths: Any) -> list[dict[str, Any]]:
    tables = [ds.dataset(storage.path(path), format="parquet", filesystem=storage.filesystem).to_table() for path in paths]
    return pa.concat_tables(tables).to_pylist()
