"""The sample shop's logs through Dagster: land, build by the job with its checks, count; every figure is as planted."""

from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.logs import BUILD_LOGS_JOB, STITCHED_LOGS
from jobs.reopening import FIRST_TAG, LAST_TAG
from resources.registry_database import RegistryResource
from srp_assets.definitions import build_definitions
from srp_assets.logs.assets import LogsBuildConfig
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.registry_builds import log_ledger, stale_days
from srp_assets.logs.stitching.retention import delete_old_log_builds
from srp_assets.samples.demo import LOGS
from srp_assets.samples.ranking.found import differences, figures, found_figures
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.truth import ranking_truth
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import Settings


def test_the_sample_shop_is_stitched_as_planted(engine: Engine, settings_with_spark: Settings, tmp_path: Path) -> None:
    settings, catalogue = settings_with_spark, load_log_catalogue(LOGS)
    storage = logs_storage(settings.warehouse_location)
    world = RankingWorld(events=20_000, seed=2, days=4)
    landed = land_ranking_world(engine, storage, catalogue, world, tmp_path / "broken")
    assert landed.rejected == landed.planted_rejects
    with engine.connect() as connection:
        days = stale_days(connection, catalogue)
    assert len(days) > 4
    definitions = build_definitions(settings=settings)
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = definitions.resolve_sensor_def("reopened_days")
        resources = {"registry": RegistryResource()}
        with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
            tick = sensor.evaluate_tick(context)
        (request,) = tick.run_requests or ()
        assert (request.tags[FIRST_TAG], request.tags[LAST_TAG]) == (days[0], days[-1])
        result = definitions.resolve_job_def(BUILD_LOGS_JOB).execute_in_process(
            instance=instance,
            tags=dict(request.tags),
            run_config={"ops": {STITCHED_LOGS: {"config": LogsBuildConfig(only_changed=True).model_dump()}}},
        )
        checks = {(check.asset_key.path[-1], check.check_name): check.passed for check in result.get_asset_check_evaluations()}
        assert checks == {
            ("actions", "ledger"): True,
            ("actions", "schema"): True,
            ("impression_outcomes", "schema"): True,
            ("sessions", "schema"): True,
        }
        with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources, cursor=tick.cursor) as context:
            assert not sensor.evaluate_tick(context).run_requests
        shown = instance.get_latest_materialization_event(dg.AssetKey(["logs", "actions"]))
    with engine.connect() as connection:
        found = found_figures(connection, storage, catalogue)
        ledger = log_ledger(connection, catalogue)
    truth = ranking_truth(world)
    assert differences(found, truth) == {}
    assert {"orphans: order without_click", "orphans: click without_impression", "orphans: order without_key"} <= set(figures(truth))
    assert all(row.balanced and row.built for row in ledger)
    assert shown is not None
    assert shown.asset_materialization is not None
    assert "orphans" in shown.asset_materialization.metadata
    assert delete_old_log_builds(engine, storage, next(iter(ledger_times(engine)))) == (0, 0)


def ledger_times(engine: Engine) -> list:
    from srp_assets.logs.registry_builds import current_builds

    with engine.connect() as connection:
        return [build.built_at for build in current_builds(connection).values()]


@pytest.mark.parametrize("name", ["online_retail", "open_bandit"])
def test_definitions_load_with_every_example(settings: Settings, name: str) -> None:
    of_example = settings.model_copy(update={"logs": LOGS.parent.parent / name / "logs.yaml"})
    keys = {key.to_user_string() for key in build_definitions(settings=of_example).resolve_all_asset_keys()}
    assert {"logs/actions", "logs/impression_outcomes", "logs/sessions"} <= keys
