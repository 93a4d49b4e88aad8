"""The online store through the command and through Dagster: loaded, read on, asked, lost and loaded again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from sqlalchemy import Engine

from resources import redis as redis_server
from resources.redis import RedisResource
from resources.registry_database import RegistryResource
from srp_assets.definitions import build_definitions
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.assets import features_storage
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.days import identity_of, inputs_of, number_of
from srp_assets.features.building.files import write_day
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.registry import FeatureBuild, record_builds
from srp_assets.features.times import days_of
from srp_assets.logs.landing import logs_storage
from srp_assets.online.assets import online_checks
from srp_assets.online.registry import newest_load
from srp_assets.settings import Settings
from support.command_line import INCOMPLETE, srp
from support.feature_files import build_actions, day_of
from support.feature_logs import Row, events_table, random_logs
from support.feature_values import differences
from support.online_world import as_online

BUCKETS = 2


@pytest.fixture
def own_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """A home with the small document of features, whose attributes come from an entity that the catalogue has not, and a Redis."""
    written = (Path(__file__).parent.parent / "features" / "small.yaml").read_text(encoding="utf-8")
    path = tmp_path / "features.yaml"
    path.write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    monkeypatch.setenv("SRP_FEATURES", str(path))
    # The models of the sample learn from features that the small document has not.
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("SRP_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SRP_FEATURES_BUCKETS", str(BUCKETS))
    found = Settings()
    yield found
    redis_server.stop(found)


@pytest.fixture
def small(own_settings: Settings) -> Definitions:
    assert own_settings.feature_declarations is not None
    return load_definitions(own_settings.feature_declarations)


@pytest.fixture
def events(small: Definitions, engine: Engine, own_settings: Settings) -> list[Row]:
    """Events whose actions and partial sums are built, as the jobs would."""
    found = first_arrivals(random_logs(Random(4), 60, 1).events)
    days = sorted({day_of(event) for event in found})
    build_actions(engine, logs_storage(own_settings.warehouse_location), small, found, days, 1)
    storage, layout = features_storage(own_settings.warehouse_location), layout_of(small)
    table = with_attributes(small, events_table(small, found), "event_time", {})
    of_rows = days_of(integers(table["event_time"]))
    draft = FeatureBuild(0, "partials", identity_of("partials", layout, BUCKETS), "", "", 0, 0, "", {}, 0, datetime.now(UTC), None)
    builds = []
    with engine.begin() as connection:
        for day, inputs in inputs_of(connection, "partials", layout, BUCKETS).items():
            for family in layout.families:
                write_day(storage, small, family, table.filter(pa.array(of_rows == number_of(day))), f"partials/{day}", BUCKETS)
            builds.append(replace(draft, day=day, reads=inputs.reads, newest_read=inputs.newest, folder=f"partials/{day}"))
        record_builds(connection, builds)
    return found


def asked(definitions: Definitions, events: list[Row], at: datetime) -> None:
    """Asks for the features of a user as of a time; they must be those of the reference."""
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    found = srp("online", "request", "u1", "i1", "i2", "--at", text, "--set", "market=de", "--set", "device=phone", "--set", "price=2.5")
    assert found["defaulted"] == []
    for own in found["candidates"]:
        request = {"as_of": at, "user_id": "u1", "item_id": own["item_id"], "market": "de", "device": "phone", "price": 2.5}
        assert differences([own["features"]], [as_online(definitions, feature_values(definitions, events, request))]) == []


def test_the_command_loads_the_store_reads_on_and_answers(small: Definitions, events: list[Row]) -> None:
    assert srp("online", "status", code=INCOMPLETE) == {"running": False}
    noon = datetime(2024, 2, 2, 12, tzinfo=UTC)
    loaded = srp("online", "rebuild", "--day", "2024-02-02", "--until", "2024-02-02T12")
    assert loaded["keys"] > 0
    asked(small, events, noon)
    later = noon + timedelta(days=27)
    counted = srp("online", "consume", "--until", later.strftime("%Y-%m-%dT%H:%M:%S"))
    assert counted["events"] > 0
    assert counted["duplicates"] == 0
    assert srp("online", "consume", "--until", later.strftime("%Y-%m-%dT%H:%M:%S"))["events"] == 0
    asked(small, events, later)
    status = srp("online", "status", "--sizes")
    assert (status["day"], status["consumed_to"]) == ("2024-02-02", "2024-02-29T12:00:00Z")
    assert status["sizes"]["user_id"]["keys"] > 0
    assert status["sizes"]["portrait"]["bytes_a_key"] > 0
    assert srp("online", "down") == {"stopped": True}
    down = srp("online", "request", "u1", "i1", "--at", "2024-02-29T12", code=INCOMPLETE)
    assert "user_clicks_7d" in down["defaulted"]
    assert "does not answer" in down["problem"]


def test_the_asset_loads_a_day_and_its_loss_is_noticed(
    small: Definitions, events: list[Row], engine: Engine, own_settings: Settings
) -> None:
    definitions = build_definitions(settings=own_settings)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "nothing was ever loaded" in tick(definitions, instance).skip_message
        assert loads(definitions, instance, "2024-03-01")
        with engine.connect() as connection:
            load = newest_load(connection)
        assert load is not None
        assert load.replayed == sum(known_on(event, "2024-03-01") for event in events)
        asked(small, events, datetime(2024, 3, 1, 13, tzinfo=UTC))
        assert "holds what it should" in tick(definitions, instance).skip_message
        # A day before the one that it is at is not loaded by chance.
        assert not loads(definitions, instance, "2024-02-29")
        with redis_server.writing_client(own_settings) as client:
            client.flushall()
        assert not passes(own_settings)
        (request,) = tick(definitions, instance).run_requests
        assert loads(definitions, instance, str(request.partition_key))
        assert passes(own_settings)


def known_on(event: Row, day: str) -> bool:
    return str(max(event["event_time"], event["arrival_time"]).date()) == day


def loads(definitions: dg.Definitions, instance: dg.DagsterInstance, day: str) -> bool:
    job = definitions.resolve_job_def("load_online_store")
    return job.execute_in_process(instance=instance, partition_key=day, raise_on_error=False).success


def passes(settings: Settings) -> bool:
    """What the check says now."""
    assert settings.feature_declarations is not None
    (check,) = online_checks(settings.feature_declarations)
    return bool(check(registry=RegistryResource(), redis=RedisResource()).passed)


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    """What the sensor says now."""
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources={"registry": RegistryResource()}) as context:
        return definitions.resolve_sensor_def("lost_online_store").evaluate_tick(context)
