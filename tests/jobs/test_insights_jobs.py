"""The sensor that asks for statistics: each batch once for the cases that it has now, again after a refill, later after a failure."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.insights import INSIGHTS_SENSOR, insights_job, insights_sensor
from resources.dagster_home import prepare_dagster_home
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.insights.assets import insights_assets
from srp_assets.insights.registry_statistics import CountedTask, StatisticsRecord, record_statistics, statistics_record
from srp_assets.recall import registry
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.finished import finished


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as opened:
        yield opened


@pytest.fixture
def definitions(settings: Settings, sample_catalogue: Catalogue) -> dg.Definitions:
    return dg.Definitions(
        assets=insights_assets(settings, sample_catalogue),
        jobs=[insights_job],
        sensors=[insights_sensor()],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        cursor=cursor,
        resources={"registry": RegistryResource()},
        definitions=definitions,
    ) as context:
        return definitions.resolve_sensor_def(INSIGHTS_SENSOR).evaluate_tick(context)


def in_batch(engine: Engine, catalogue: Catalogue, batch_id: str) -> str:
    """A finished task of a batch."""
    task_id = finished(engine, catalogue)
    with engine.begin() as connection:
        if not any(batch.batch_id == batch_id for batch in registry.batches(connection)):
            connection.execute(
                registry.recall_batch.insert().values(batch_id=batch_id, state="done", created_at=datetime.now(UTC), attempt=1)
            )
        connection.execute(registry.recall_task.update().where(registry.recall_task.c.task_id == task_id).values(batch_id=batch_id))
    return task_id


def count(engine: Engine, batch_id: str, *task_ids: str, folder: str = "cases/x") -> StatisticsRecord:
    tasks = {task_id: CountedTask(folder, bit, None) for bit, task_id in enumerate(task_ids)}
    record = StatisticsRecord(batch_id, "insights/statistics/b/1", "cases/b/insights/1", tasks, datetime.now(UTC), 1.5, "run")
    with engine.begin() as connection:
        record_statistics(connection, record)
    return record


def test_a_batch_is_asked_for_once_for_the_cases_that_it_has(
    engine: Engine, sample_catalogue: Catalogue, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert tick(definitions, instance, None).skip_message == "every batch is counted"
    first, second = (in_batch(engine, sample_catalogue, "batch-1") for _ in range(2))
    in_batch(engine, sample_catalogue, "batch-2")
    asked = tick(definitions, instance, None)
    assert [request.partition_key for request in asked.run_requests or ()] == ["batch-1", "batch-2"]
    assert [list(request.partition_keys) for request in asked.dynamic_partitions_requests or ()] == [["batch-1", "batch-2"]]
    waits = tick(definitions, instance, asked.cursor)
    assert (waits.run_requests, waits.skip_message) == ([], "2 batches were asked for before")

    record = count(engine, "batch-1", first, second)
    with engine.connect() as connection:
        assert statistics_record(connection, "batch-1") == record
    assert tick(definitions, instance, waits.cursor).skip_message == "1 batches were asked for before"
    with engine.begin() as connection:  # a refill moves the cases
        connection.execute(
            registry.recall_task.update().where(registry.recall_task.c.task_id == second).values(cases_folder="cases/refilled")
        )
    again = tick(definitions, instance, waits.cursor)
    assert [request.partition_key for request in again.run_requests or ()] == ["batch-1"]
    assert again.run_requests[0].run_key not in {request.run_key for request in asked.run_requests}


def test_a_batch_whose_cases_are_gone_is_not_asked_for(
    engine: Engine, sample_catalogue: Catalogue, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    task_id = in_batch(engine, sample_catalogue, "batch-1")
    with engine.begin() as connection:
        connection.execute(registry.recall_task.update().where(registry.recall_task.c.task_id == task_id).values(cases_folder=None))
    assert not tick(definitions, instance, None).run_requests
