"""What Dagster loads: every asset is described and owned, sensors run by themselves, and nothing is there that nobody meant."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from srp_assets.definitions import build_definitions
from srp_assets.settings import PROJECT_ROOT, Settings


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings=settings)


def test_keys_of_all_assets(definitions: dg.Definitions) -> None:
    assert {key.to_user_string() for key in definitions.resolve_all_asset_keys()} == {
        "warehouse/post",
        "warehouse/comment",
        "warehouse/user",
        "warehouse/item",
        "wordlists/post_hits",
        "wordlists/comment_hits",
        "wordlists/user_hits",
        "wordlists/item_hits",
        "recall/cases",
        "insights/statistics",
        "insights/reports",
        *(f"logs/{log}" for log in ("request", "impression", "click", "cart", "coupon", "order", "served_features")),
        *(f"logs/{table}" for table in ("impression_outcomes", "actions", "sessions")),
        *(f"features/{table}" for table in ("partials", "windows", "impressions", "proposals")),
        "online/state",
        "online/feature_parity",
        "embeddings/sequences",
        "embeddings/items",
        "sequences/stages",
        "sequences/funnel",
        "sequences/differences",
        "training/sets",
        "models/gbdt",
        "models/deepfm",
        *(f"evaluation/{name}" for name in ("quality", "replay", "challenger", "champion")),
    }


def test_every_asset_says_what_it_is_and_whose(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.owners, name
        assert spec.group_name == spec.key.path[0], name
        assert spec.kinds, name
        assert spec.partitions_def is not None, name


def test_every_asset_has_a_blocking_check(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking: dict[str, set[str]] = {}
    for key in graph.asset_check_keys:
        node = graph.get(key)
        assert node.description, key
        if node.blocking:
            blocking.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    tables = {f"warehouse/{entity}": {"ledger", "schema"} for entity in ("post", "comment", "user", "item")}
    hits = {f"wordlists/{entity}_hits": {"rows"} for entity in ("post", "comment", "user", "item")}
    insights = {"insights/statistics": {"accounted"}, "insights/reports": {"self_contained"}}
    logs = {"logs/actions": {"ledger", "schema"}, "logs/impression_outcomes": {"schema"}, "logs/sessions": {"schema"}}
    features = {f"features/{table}": {"built_from_current", "values"} for table in ("partials", "windows", "impressions")}
    features |= {"features/proposals": {"valid"}}
    features |= {"embeddings/sequences": {"accounted"}, "embeddings/items": {"usable"}}
    online = {"online/state": {"can_answer"}, "online/feature_parity": {"agrees"}}
    sequences = {"sequences/stages": {"built_from_current", "complete"}, "sequences/differences": {"within_limits"}}
    models = {"training/sets": {"built_from_current", "no_leaks"}} | {
        f"models/{name}": {"better_than_chance"} for name in ("gbdt", "deepfm")
    }
    models |= {"evaluation/quality": {"recorded"}, "evaluation/replay": {"recorded"}}
    models |= {"evaluation/challenger": {"decided"}, "evaluation/champion": {"proved"}}
    assert blocking == {**tables, **hits, "recall/cases": {"complete"}, **insights, **logs, **features, **online, **sequences, **models}


def test_daily_schedules_ask_for_the_day_that_has_ended(definitions: dg.Definitions) -> None:
    at = datetime(2026, 3, 9, 4, 15, tzinfo=UTC)
    repository = definitions.get_repository_def()
    for name in ("daily_logs", "daily_features", "daily_sequence_stages", "daily_training_sets", "daily_train_gbdt", "weekly_train_deepfm"):
        context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository)
        requests = definitions.resolve_schedule_def(name).evaluate_tick(context).run_requests or ()
        assert [request.partition_key for request in requests] == ["2026-03-08"], name


def test_cases_come_from_every_table_and_the_hits_beside_it(definitions: dg.Definitions) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["recall", "cases"]))
    entities = ("post", "comment", "user", "item")
    assert {key.to_user_string() for key in node.parent_keys} == {
        *(f"warehouse/{entity}" for entity in entities),
        *(f"wordlists/{entity}_hits" for entity in entities),
    }


def test_jobs_sensors_and_schedules(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert set(jobs) == {
        "build_warehouse",
        "warehouse_retention",
        "wordlists_retention",
        "recall",
        "recall_refill",
        "recall_retention",
        "insights",
        "build_logs",
        "logs_retention",
        "build_features",
        "features_retention",
        "build_sequence_stages",
        "compare_sequences",
        "sequences_retention",
        "build_training_sets",
        "build_session_sequences",
        "train_embeddings",
        "embeddings_retention",
        "training_retention",
        "train_gbdt",
        "train_deepfm",
        "load_online_store",
        "evaluate_models",
        "check_parity",
        "check_logs",
        "parity_retention",
    }
    assert all(job.description for job in jobs.values())
    assert all(job.executor_def is dg.in_process_executor for job in jobs.values())
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs if not sensor.name.startswith("default_")}
    assert set(sensors) == {
        "recall_window",
        "recall_follow",
        "ended_tasks",
        "reopened_periods",
        "stale_hits",
        "uncounted_batches",
        "reopened_days",
        "reopened_features",
        "reopened_sequences",
        "reopened_training_sets",
        "lost_online_store",
        "unchecked_days",
        "reopened_session_sequences",
        "failed_parity",
        "refused_models",
        "judge_what_is_recorded",
    }
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())
    assert all(sensor.description for sensor in sensors.values())
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    retentions = {
        f"{domain}_retention_schedule"
        for domain in ("warehouse", "wordlists", "recall", "logs", "features", "parity", "sequences", "training")
    }
    models = {
        "daily_sequence_stages",
        "daily_sequence_differences",
        "daily_training_sets",
        "daily_train_gbdt",
        "daily_train_deepfm",
        "weekly_train_deepfm",
        "daily_evaluation",
    }
    retentions |= {"daily_session_sequences", "weekly_embeddings", "embeddings_retention_schedule"}
    assert set(schedules) == {*retentions, *models, "daily_logs", "daily_features", "daily_online_load", "daily_parity", "daily_log_checks"}
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for schedule in schedules.values())


def test_another_catalogue_gives_other_assets(settings: Settings) -> None:
    shop = settings.model_copy(update={"catalogue": PROJECT_ROOT / "examples" / "shop" / "catalogue.yaml"})
    keys = {key.to_user_string() for key in build_definitions(settings=shop).resolve_all_asset_keys()}
    assert "warehouse/post" not in keys
    assert {key for key in keys if key.startswith("wordlists/")} == {"wordlists/article_hits"}
    assert len(keys) == 1 + 3 + 1 + 2


def test_resources_can_be_replaced(settings: Settings) -> None:
    registry = dg.ResourceDefinition.hardcoded_resource("mine")
    assert build_definitions(settings=settings, resources={"registry": registry}).resources["registry"] is registry
