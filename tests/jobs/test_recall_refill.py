"""The sensor that asks for refills of tasks that follow: each once, all of a tick in one run, again only after a failure and a while."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.recall_refill import REFILL_JOB, REFILL_OP, REFILL_SENSOR, refill_job, refill_sensor
from resources.dagster_home import prepare_dagster_home
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.finished import finished
from support.recall import built, land


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as opened:
        yield opened


@pytest.fixture
def definitions(settings: Settings, sample_catalogue: Catalogue) -> dg.Definitions:
    return dg.Definitions(
        jobs=[refill_job(settings, sample_catalogue)],
        sensors=[refill_sensor(settings, sample_catalogue)],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"registry": RegistryResource()}, definitions=definitions
    ) as context:
        return definitions.resolve_sensor_def(REFILL_SENSOR).evaluate_tick(context)


def asked(data: dg.SensorResult) -> list[list[str]]:
    return [sorted(request.run_config["ops"][REFILL_OP]["config"]["task_ids"]) for request in data.run_requests or ()]


def test_followers_are_asked_for_once_their_periods_are_built(
    engine: Engine, sample_catalogue: Catalogue, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
    followers = sorted(finished(engine, sample_catalogue, follow=True) for _ in range(3))
    finished(engine, sample_catalogue)
    first = tick(definitions, instance, None)
    assert (asked(first), first.skip_message) == ([], "nothing has reopened")
    assert tick(definitions, instance, first.cursor).skip_message == "nothing has changed for the tasks that follow"
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
    waits = tick(definitions, instance, first.cursor)
    assert (asked(waits), waits.skip_message) == ([], "0 tasks were asked for before, 3 wait for builds")
    with engine.begin() as connection:
        built(connection, "post", "2024-01")
    ready = tick(definitions, instance, waits.cursor)
    assert asked(ready) == [followers]  # one run for all of them
    (request,) = ready.run_requests
    assert asked(tick(definitions, instance, ready.cursor)) == []

    # While it runs, nothing is asked for; when it has failed, it is asked for again after a while, under another key.
    run = instance.create_run_for_job(definitions.resolve_job_def(REFILL_JOB), run_config=request.run_config)
    assert tick(definitions, instance, ready.cursor).skip_message == "a refill is under way"
    instance.report_run_failed(run)
    assert asked(tick(definitions, instance, ready.cursor)) == []
    again = tick(definitions, instance, as_if_asked_earlier(ready.cursor, timedelta(minutes=2)))
    assert asked(again) == [followers]
    assert again.run_requests[0].run_key != request.run_key
    assert tick(definitions, instance, waits.cursor).run_requests[0].run_key == request.run_key  # the same question has the same key


def test_more_followers_than_a_window_holds_are_asked_for_one_after_the_other(
    engine: Engine, settings: Settings, sample_catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    few = settings.model_copy(update={"recall_window_tasks": 2})
    definitions = dg.Definitions(
        jobs=[refill_job(few, sample_catalogue)],
        sensors=[refill_sensor(few, sample_catalogue)],
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
    followers = [finished(engine, sample_catalogue, follow=True) for _ in range(3)]
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
    first = tick(definitions, instance, None)
    second = tick(definitions, instance, first.cursor)
    assert [len(group) for group in asked(first) + asked(second)] == [2, 1]
    assert sorted(task_id for group in asked(first) + asked(second) for task_id in group) == sorted(followers)
    assert asked(tick(definitions, instance, second.cursor)) == []


def as_if_asked_earlier(cursor: str | None, time: timedelta) -> str:
    """The memory of a sensor that has asked before that time."""
    known = json.loads(cursor or "{}")
    for entry in known["asked"].values():
        entry[2] = (datetime.fromisoformat(entry[2]) - time).astimezone(UTC).isoformat()
    return json.dumps(known)
