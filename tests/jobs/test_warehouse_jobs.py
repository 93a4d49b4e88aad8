"""The sensor that asks for reopened periods: few ranges, none twice at a time, slower where it keeps failing."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.reopening import FIRST_TAG, LAST_TAG
from jobs.warehouse import BUILD_JOB, warehouse_jobs, warehouse_schedules, warehouse_sensors
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import warehouse_assets
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.reopening import LONGEST_WAIT, Asked, PeriodSpan, due, spans
from srp_assets.warehouse.storage import Storage
from support.landed import LandedByReference

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]


def key(place: int, entity: str = "post", product: str = "aurora") -> PeriodKey:
    """A period by its place."""
    return PeriodKey(entity, product, DAYS[place])


def test_spans_are_few() -> None:
    """Near periods of all products are one span; far ones are not; entities have their own; what cannot be built yet waits."""
    stale = [key(0), key(3, product="lotus"), key(3), key(200), key(5, entity="user"), PeriodKey("post", "aurora", "2099-01-01")]
    assert spans(stale, DAYS) == [
        PeriodSpan("post", DAYS[0], DAYS[3]),
        PeriodSpan("post", DAYS[200], DAYS[200]),
        PeriodSpan("user", DAYS[5], DAYS[5]),
    ]
    assert spans([], DAYS) == []


def test_due_waits_for_running_builds_and_slows_down() -> None:
    """A span waits for a run over any of its periods; asked again in vain it waits longer; a new landing starts afresh."""
    span, other = PeriodSpan("post", DAYS[0], DAYS[3]), PeriodSpan("post", DAYS[3], DAYS[9])
    assert due([span], [other], {}, 1, NOW) == ([], {})
    assert due([span], [PeriodSpan("user", DAYS[0], DAYS[3])], {}, 1, NOW)[0] == [span]
    memory: dict[str, Asked] = {}
    waits = []
    moment = NOW
    for _ in range(12):
        asked, memory = due([span], [], memory, 1, moment)
        assert asked == [span]
        waits.append(memory[span.name].again_at - moment)
        assert due([span], [], memory, 1, moment + waits[-1] - timedelta(seconds=1)) == ([], memory)
        moment += waits[-1]
    assert waits == sorted(waits)
    assert waits[0] < waits[3] < LONGEST_WAIT == waits[-1]
    asked, memory = due([span], [], memory, 2, moment - timedelta(seconds=1))
    assert asked == [span]
    assert memory[span.name].times == 1
    assert due([], [], memory, 2, moment) == ([], {})


@pytest.fixture
def landed(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> LandedByReference:
    """A comment in January and one in March."""
    world = LandedByReference(engine, storage, sample_catalogue)
    days = [datetime(2024, month, 5, tzinfo=UTC) for month in (1, 3)]
    rows = [
        ("comment", {"comment_id": number, "post_id": 7, "user_id": 1, "text": "a", "created_at": day, "updated_at": day})
        for number, day in enumerate(days)
    ]
    world.ingest("aurora", rows)
    return world


def definitions(settings: Settings, catalogue: Catalogue) -> dg.Definitions:
    """The warehouse alone."""
    return dg.Definitions(
        assets=warehouse_assets(settings, catalogue),
        jobs=warehouse_jobs(catalogue),
        sensors=warehouse_sensors(catalogue),
        schedules=warehouse_schedules(settings),
        resources={"registry": RegistryResource(), "spark": SparkResource()},
    )


def tick(defs: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One evaluation of the sensor."""
    (sensor,) = defs.sensors or []
    resources = {"registry": RegistryResource()}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources, definitions=defs) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_sensor_asks_once_for_a_range(settings: Settings, landed: LandedByReference) -> None:
    """Stale periods become one run over their range; not while such a run waits; again after it failed; never when all is built."""
    defs = definitions(settings, landed.catalogue)
    sensor = warehouse_sensors(landed.catalogue)[0]
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(defs, instance)
        (request,) = first.run_requests or []
        assert request.asset_selection == [dg.AssetKey(["warehouse", "comment"])]
        assert (request.tags[FIRST_TAG], request.tags[LAST_TAG]) == ("2024-01", "2024-03")
        assert request.run_config["ops"] == {"warehouse__comment": {"config": {"only_changed": True}}}
        # The request fits the job that it is for.
        job = defs.resolve_job_def(BUILD_JOB).get_subset(asset_selection=set(request.asset_selection))
        assert dg.validate_run_config(job, request.run_config)
        run = instance.create_run_for_job(job, tags=request.tags, asset_selection=frozenset(request.asset_selection))
        waiting = tick(defs, instance, first.cursor)
        assert not waiting.run_requests
        assert "built" in str(waiting.skip_reason)
        instance.report_run_failed(run)
        assert not tick(defs, instance, first.cursor).run_requests
        remembered = {name: [through, times, NOW.isoformat()] for name, (through, times, _) in json.loads(first.cursor or "").items()}
        assert len(tick(defs, instance, json.dumps(remembered)).run_requests or []) == 1


def test_sensor_skips_when_nothing_reopened(settings: Settings, engine: Engine, sample_catalogue: Catalogue) -> None:
    """Where nothing has landed the sensor says so."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(definitions(settings, sample_catalogue), instance)
    assert not result.run_requests
    assert "nothing is stale" in str(result.skip_reason)


def test_retention_job_runs(settings: Settings, engine: Engine, sample_catalogue: Catalogue) -> None:
    """The hourly job runs on an empty home."""
    defs = definitions(settings, sample_catalogue)
    with dg.DagsterInstance.ephemeral() as instance:
        assert defs.resolve_job_def("warehouse_retention").execute_in_process(instance=instance).success
