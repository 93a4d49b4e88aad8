"""The asset, its check, the sensor and the retention, wired as Dagster wires them, on a real small batch."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.recall import PRODUCTS_TAG, TASKS_TAG, recall_job, recall_sensor, retention_schedule
from resources.dagster_home import prepare_dagster_home
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.recall import registry
from srp_assets.recall.assets import CASES, COMPLETE, ON_TIME, recall_assets
from srp_assets.recall.cases import read_cases
from srp_assets.recall.registry_batches import begin_attempt
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.recall import add_task, popular
from support.world import build_all, comment, land_rows, post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as opened:
        yield opened


def definitions(settings: Settings, catalogue: Catalogue) -> dg.Definitions:
    return dg.Definitions(
        assets=recall_assets(settings, catalogue),
        jobs=[recall_job],
        sensors=[recall_sensor(settings)],
        schedules=[retention_schedule(settings)],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )


def tick(defs: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    """Evaluates the sensor as the daemon does, and adds the partitions that it asks for."""
    with dg.build_sensor_context(
        instance=instance, instance_ref=instance.get_ref(), resources={"registry": RegistryResource()}, definitions=defs
    ) as context:
        data = defs.resolve_sensor_def("recall_window").evaluate_tick(context)
    for request in data.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return data


def run(defs: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> Any:
    return defs.resolve_job_def("recall").execute_in_process(
        instance=instance, partition_key=request.partition_key, tags=dict(request.tags), run_config=QUIET, raise_on_error=False
    )


def metadata_of(instance: dg.DagsterInstance) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(CASES)
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.metadata)


def test_waiting_tasks_become_one_batch_that_dagster_shows(
    settings_with_spark: Settings,
    engine: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    spark: "SparkSession",
    instance: dg.DagsterInstance,
) -> None:
    rows = {
        "post": [post(1, likes=20), post(2, likes=3), post(3, likes=30, month=2), post(4, likes=99, hidden=True)],
        "comment": [comment(10, 1), comment(11, 1, month=2), comment(12, 2)],
    }
    land_rows(engine, storage, sample_catalogue, rows)
    build_all(spark, engine, storage, sample_catalogue)
    with engine.begin() as connection:
        posts = add_task(connection, sample_catalogue, strategy=popular("post"))
        comments = add_task(connection, sample_catalogue, strategy=popular("post", "comment", recall="comment"))
        nothing = add_task(connection, sample_catalogue, strategy=popular("post"), products=("lotus",))
    defs = definitions(settings_with_spark, sample_catalogue)
    data = tick(defs, instance)
    (request,) = data.run_requests
    assert request.run_key == f"{request.partition_key}/1"
    assert instance.get_dynamic_partitions(RECALL_BATCHES.name) == [request.partition_key]

    result = run(defs, instance, request)
    with engine.connect() as connection:
        assert registry.batch(connection, request.partition_key).error is None
    assert result.success
    with engine.connect() as connection:
        tasks = {task.task_id: task for task in registry.tasks(connection)}
        assert registry.batch(connection, request.partition_key).state == "done"
    assert {task_id: (task.state, task.cases, task.complete) for task_id, task in tasks.items()} == {
        posts: ("done", 2, True),
        comments: ("done", 2, True),
        nothing: ("done", 0, True),
    }
    assert tasks[nothing].note == "there is no data: no row of post lies in its range"
    folder = tasks[comments].cases_folder
    assert folder is not None
    assert [(case["id"], case["joined"]) for case in read_cases(storage, folder, comments)] == [
        ("10", {"post": {"rows": 1, "keys": ["1"]}}),
        ("11", {"post": {"rows": 1, "keys": ["1"]}}),
    ]
    shown = metadata_of(instance)
    assert [shown[name].value for name in ("tasks", "dagster/row_count", "attempt")] == [3, 4, 1]
    assert shown["cells"].value == 2 + 2 + 2  # posts; posts and comments; nothing of lotus
    assert {record.data["task"] for record in shown["answers"].records} == set(tasks)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {COMPLETE: True, ON_TIME: False}
    assert set(checks[ON_TIME].metadata["late"].value) == {posts, comments, nothing}  # submitted at a time long ago
    assert [result.dagster_run.tags[name] for name in (TASKS_TAG, PRODUCTS_TAG)] == ["3", "aurora, lotus"]

    again = tick(defs, instance)
    assert not again.run_requests
    assert again.skip_message == "no task waits"
    repeated = run(defs, instance, request)  # by hand, from the UI
    assert repeated.success
    with engine.connect() as connection:
        assert {task.task_id: task for task in registry.tasks(connection)} == tasks


def test_an_incomplete_task_fails_the_blocking_check(
    settings_with_spark: Settings,
    engine: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    spark: "SparkSession",
    instance: dg.DagsterInstance,
) -> None:
    land_rows(engine, storage, sample_catalogue, {"post": [post(1, likes=20), post(2, likes=20)]})
    build_all(spark, engine, storage, sample_catalogue)
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue, strategy=popular("post"))
        # A build that claims one row more than its file holds: as if a scan had missed it.
        connection.exec_driver_sql("UPDATE warehouse_build SET rows_visible = rows_visible + 1 WHERE rows_visible > 0")
    defs = definitions(settings_with_spark, sample_catalogue)
    (request,) = tick(defs, instance).run_requests
    result = run(defs, instance, request)
    assert not result.success
    with engine.connect() as connection:
        task = registry.task(connection, task_id)
    assert (task.state, task.cases, task.complete) == ("done", 2, False)
    assert task.note == "incomplete: post of aurora in 2024-01: 2 rows scanned of 3"
    assert not tick(defs, instance).run_requests  # done is done: nobody scans the same again and again


def test_a_batch_without_spark_is_tried_again_and_then_fails(
    settings: Settings,
    engine: Engine,
    sample_catalogue: Catalogue,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "not an address")
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue)
    defs = definitions(settings, sample_catalogue)
    keys = []
    while requests := tick(defs, instance).run_requests:
        (request,) = requests
        keys.append(request.run_key)
        assert not run(defs, instance, request).success
    batch_id = keys[0].split("/")[0]
    assert keys == [f"{batch_id}/{attempt}" for attempt in range(1, settings.recall_attempts + 1)]
    with engine.connect() as connection:
        task = registry.task(connection, task_id)
    assert (task.state, task.attempts) == ("failed", 3)
    assert task.error is not None
    assert task.error["message"]


def test_a_run_that_ends_before_it_begins_with_its_batch_uses_up_an_attempt(
    settings: Settings, engine: Engine, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        add_task(connection, sample_catalogue)
    defs = definitions(settings, sample_catalogue)
    (request,) = tick(defs, instance).run_requests
    job = defs.resolve_job_def("recall")
    launched = instance.create_run_for_job(job, tags={**request.tags, "dagster/partition": request.partition_key})
    assert not tick(defs, instance).run_requests  # its run is on its way
    instance.report_run_failed(launched)
    tick(defs, instance)
    (second,) = tick(defs, instance).run_requests
    assert (second.partition_key, second.run_key) == (request.partition_key, f"{request.partition_key}/2")


def test_the_sensor_releases_a_batch_whose_run_ended_without_a_word(
    settings: Settings, engine: Engine, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        add_task(connection, sample_catalogue)
    defs = definitions(settings, sample_catalogue)
    (request,) = tick(defs, instance).run_requests
    launched = instance.create_run_for_job(defs.resolve_job_def("recall"), tags=dict(request.tags))
    with engine.begin() as connection:
        now = datetime.now(UTC)
        worker = f"elsewhere:{os.getpid()}:0.00"
        lease_until = now + timedelta(hours=1)
        begin_attempt(connection, request.partition_key, run_id=launched.run_id, worker=worker, now=now, lease_until=lease_until)
    assert not tick(defs, instance).run_requests
    instance.report_run_failed(launched)
    (second,) = tick(defs, instance).run_requests
    assert second.run_key == f"{request.partition_key}/2"


def test_old_batches_lose_partition_and_files(
    settings: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    short = settings.model_copy(update={"recall_retention_days": 1.0})
    names = {}
    for name, age in (("old", timedelta(days=2)), ("young", timedelta(hours=1))):
        with engine.begin() as connection:
            add_task(connection, sample_catalogue)
        (request,) = tick(definitions(short, sample_catalogue), instance).run_requests
        names[name] = request.partition_key
        storage.filesystem.create_dir(storage.path(f"cases/{request.partition_key}/attempt-1"), recursive=True)
        with engine.begin() as connection:
            connection.execute(
                registry.recall_batch.update()
                .where(registry.recall_batch.c.batch_id == request.partition_key)
                .values(state="done", finished_at=datetime.now(UTC) - age)
            )
    retention = definitions(short, sample_catalogue).resolve_job_def("recall_retention")
    assert retention.execute_in_process(instance=instance, run_config=QUIET).success
    assert instance.get_dynamic_partitions(RECALL_BATCHES.name) == [names["young"]]
    assert storage.folders("cases") == [names["young"]]
    with engine.connect() as connection:
        assert registry.batch(connection, names["old"]).state == "removed"
