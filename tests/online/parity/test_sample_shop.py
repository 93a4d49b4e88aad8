"""The sample shop from end to end: what its online side served equals, feature by feature, what Spark computes from its logs."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from resources import redis as redis_server
from resources.spark import open_session
from srp_assets.features.building.days import bring_up_to_date, version_files
from srp_assets.features.building.files import read_versions
from srp_assets.features.declaration.loading import load_document
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.registry_builds import stale_days as stale_logs
from srp_assets.logs.stitching.building import bring_up_to_date as stitch
from srp_assets.online.consuming.rebuilding import action_files
from srp_assets.online.parity.assets import parity_places
from srp_assets.online.parity.checking import check_day
from srp_assets.online.parity.inputs import inputs_of_days
from srp_assets.online.store import Store
from srp_assets.samples.ranking.catalogue_items import land_items
from srp_assets.samples.ranking.faults import Fault
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.serving import END_OF_TIME, Online, land_served, serve
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.registry import last_ingest

WORLD = RankingWorld(events=6_000, seed=3, days=4)
WANTED = 200


@pytest.mark.nightly
def test_every_feature_of_the_sample_shop_is_served_as_it_is_computed(
    engine: Engine, settings_with_spark: Settings, tmp_path: Path
) -> None:
    from expectations.parity import judge

    settings, session = settings_with_spark, open_session(settings_with_spark)
    assert settings.log_catalogue is not None
    assert settings.feature_declarations is not None
    catalogue, logs = load_catalogue(settings.catalogue), load_log_catalogue(settings.log_catalogue)
    places, _ = parity_places(settings, catalogue, logs, settings.feature_declarations)
    features, definitions = places.features, places.layout.definitions
    land_items(engine, features.warehouse, catalogue, WORLD)
    land_ranking_world(engine, features.logs, logs, WORLD, tmp_path / "broken")
    with engine.connect() as connection:
        days = stale_logs(connection, logs)
    stitch(session, engine, features.logs, logs, days)
    bring_up_to_date(session, engine, features, "partials", places.layout, days)
    with engine.connect() as connection:
        names = [name for source in definitions.attributes.values() for name in source.columns]
        versions = read_versions(definitions, version_files(connection, features, places.layout, last_ingest(connection)), names)
        files = action_files(connection, features)
    actions = files.read(definitions, sorted(files.paths), 0, END_OF_TIME)
    with redis_server.writing_client(settings) as client:
        online = Online(Store(client), load_document(settings.feature_declarations), versions, Fault())
        land_served(engine, features.logs, logs, WORLD, serve(WORLD, online, actions, WANTED))
    redis_server.stop(settings)
    with engine.connect() as connection:
        inputs = inputs_of_days(connection, features, logs, places.layout)
    day = max(inputs, key=lambda other: inputs[other].rows)
    record = check_day(session, engine, places, day, judge)
    assert {name: dict(found.reasons) for name, found in record.features.items() if not found.passed} == {}
    assert record.passed, record.reasons
    assert len(record.features) == len(definitions.features) > 100
    assert record.sampled == inputs[day].rows > 1_000
