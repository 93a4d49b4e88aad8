"""Runs that lose their batch while Spark works: they are interrupted, record nothing, and leave what others need."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.recall import PRIORITY_TAG, URGENT_PRIORITY, recall_job, recall_sensor, release_batches_of_ended_runs, requests_for_claimed
from resources.dagster_home import prepare_dagster_home
from resources.registry_database import RegistryResource
from resources.spark import SparkResource, open_session
from srp_assets.errors import Conflict
from srp_assets.recall import leases, registry
from srp_assets.recall.assets import RECALL_POOL, recall_assets
from srp_assets.recall.claims import claim_window
from srp_assets.recall.registry_batches import begin_attempt
from srp_assets.recall.registry_tasks import cancel_task
from srp_assets.recall.scan import plan_batch
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.worker import this_process
from support.recall import add_task, later
from support.world import build_all, land_rows, post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ELSEWHERE = "elsewhere.example:1:0.00"


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as opened:
        yield opened


def test_a_run_ends_as_soon_as_all_of_its_tasks_are_cancelled(
    settings_with_spark: Settings,
    engine: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    spark: "SparkSession",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "LONGEST_PAUSE_SECONDS", 0.2)
    land_rows(engine, storage, sample_catalogue, {"post": [post(1, likes=20)]})
    build_all(spark, engine, storage, sample_catalogue)
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue)
        (batch_id,) = claim_window(connection, settings_with_spark, now=datetime.now(UTC), at_once=True).batches
    begun = threading.Event()

    def endless(self: Any, entity_name: str) -> None:
        """A scan that Spark would be busy with for hours."""
        begun.set()
        open_session(settings_with_spark).range(10**9).crossJoin(spark.range(10**6)).selectExpr("sum(hash(*))").collect()

    monkeypatch.setattr(plan_batch.BatchRun, "scan", endless)
    raised: list[BaseException] = []
    workshop = Workshop(engine, storage, sample_catalogue, settings_with_spark, lambda: open_session(settings_with_spark))

    def run() -> None:
        try:
            run_batch_now(workshop, batch_id, run_id="run")
        except Conflict as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(120)
    with engine.begin() as connection:
        cancel_task(connection, task_id, now=datetime.now(UTC))
    thread.join(120)
    assert not thread.is_alive()
    assert [str(error) for error in raised] == [f"batch {batch_id}: every task of the batch was cancelled"]
    with engine.connect() as connection:
        assert registry.batch(connection, batch_id).state == "cancelled"
        task = registry.task(connection, task_id)
    assert (task.state, task.attempts, task.error, task.cases) == ("cancelled", 1, None, None)


def test_a_run_that_was_cancelled_gives_back_its_place_in_the_pool(
    settings: Settings, engine: Engine, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    definitions = dg.Definitions(
        assets=recall_assets(settings, sample_catalogue),
        jobs=[recall_job],
        sensors=[recall_sensor(settings)],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )
    with engine.begin() as connection:
        add_task(connection, sample_catalogue)
        (batch_id,) = claim_window(connection, settings, now=datetime.now(UTC), at_once=True).batches
    (request,) = requests_for_claimed(engine, settings, instance)
    run = instance.create_run_for_job(definitions.resolve_job_def("recall"), tags=dict(request.tags))
    pools = instance.event_log_storage
    pools.initialize_concurrency_limit_to_default(RECALL_POOL)
    assert pools.claim_concurrency_slot(RECALL_POOL, run.run_id, "recall__cases").is_claimed
    with engine.begin() as connection:
        begin_attempt(connection, batch_id, run_id=run.run_id, worker=ELSEWHERE, now=later(0), lease_until=datetime.max.replace(tzinfo=UTC))
    assert release_batches_of_ended_runs(engine, settings, instance) == []
    assert pools.get_concurrency_info(RECALL_POOL).claimed_slots

    instance.report_run_canceled(run)
    assert release_batches_of_ended_runs(engine, settings, instance) == [batch_id]
    assert pools.get_concurrency_info(RECALL_POOL).claimed_slots == []
    (again,) = requests_for_claimed(engine, settings, instance)
    assert again.run_key == f"{batch_id}/2"


def test_a_claim_is_left_to_its_process_while_its_lease_lasts(
    settings: Settings, engine: Engine, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        add_task(connection, sample_catalogue, urgent=True)
        (batch_id,) = claim_window(connection, settings, now=datetime.now(UTC)).batches

    def claimed_by(worker: str, lease_until: datetime) -> list[str | None]:
        claims = registry.recall_batch.update().values(worker=worker, lease_until=lease_until)
        with engine.begin() as connection:
            connection.execute(claims)
        return [request.partition_key for request in requests_for_claimed(engine, settings, instance)]

    future, past = datetime(2100, 1, 1, tzinfo=UTC), later(0)
    gone = this_process().rsplit(":", 1)[0] + ":1.00"  # this process id, but of another process long ago
    assert claimed_by(this_process(), future) == [batch_id]
    assert claimed_by(ELSEWHERE, future) == []
    assert claimed_by(ELSEWHERE, past) == [batch_id]
    assert claimed_by(gone, future) == [batch_id]
    (request,) = requests_for_claimed(engine, settings, instance)
    assert request.tags[PRIORITY_TAG] == URGENT_PRIORITY


def test_the_sensor_asks_for_a_run_of_each_batch(
    settings: Settings, engine: Engine, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        for realtime in (False, True):
            add_task(connection, sample_catalogue, realtime=realtime)
    definitions = dg.Definitions(
        assets=recall_assets(settings, sample_catalogue),
        jobs=[recall_job],
        sensors=[recall_sensor(settings)],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )
    with dg.build_sensor_context(
        instance=instance, instance_ref=instance.get_ref(), resources={"registry": RegistryResource()}, definitions=definitions
    ) as context:
        data = definitions.resolve_sensor_def("recall_window").evaluate_tick(context)
    keys = {request.partition_key for request in data.run_requests}
    assert len(keys) == 2
    assert {key for added in data.dynamic_partitions_requests for key in added.partition_keys} == keys
