"""Days of sequences built in Spark from a home's logs: against the reference, once, and anew where what they read was replaced."""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import Engine

from jobs.reopening import FIRST_TAG, LAST_TAG
from jobs.sequences import sequences_jobs, sequences_sensors
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.errors import Conflict
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.schema import log_schema
from srp_assets.sequences.assets import is_complete, sequences_assets, stage_rows
from srp_assets.sequences.building.computing import Inputs
from srp_assets.sequences.building.days import bring_up_to_date, delete_old_builds, stale_days
from srp_assets.sequences.building.logged import stages_of_portraits
from srp_assets.sequences.landing import land_stages, read_served
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import current_builds, served_files, served_table
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.stages import LISTS, STAGE_SCHEMA
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.drawn_sequences import CANDIDATE_IDS, asked, asked_table, drawn_document, drawn_vectors, expected_rows, found_rows
from support.feature_files import build_actions, day_of
from support.feature_logs import Logs, Row, random_logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOGS = LogCatalogue.model_validate(
    {
        "name": "sequences",
        "first_day": "2024-01-01",
        "logs": {
            "request": {"role": "request", "description": "A user asks."},
            "served_features": {"role": "served_features", "description": "What the online side answered with."},
        },
    }
)


@dataclass(frozen=True)
class Home:
    """A home whose logs are built: what happened, who asked, and where sequences are built."""

    engine: Engine
    places: SequencePlaces
    generated: Logs
    requests: list[Row]
    days: list[str]

    def land(self, log: str, rows: list[Row]) -> None:
        schema = log_schema(LOGS.logs[log])
        columns = {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema}
        batch = pa.RecordBatch.from_pydict(columns, schema)
        summary = land_log_batches(self.engine, self.places.features.logs, LOGS, batches=[(log, batch)], source=log, reader="test")
        assert summary.rejected == {}

    def rows(self, days: list[str]) -> pa.Table:
        with self.engine.connect() as connection:
            builds = current_builds(connection, "stages", self.places.identity("stages"))
        return stage_rows(self.places.sequences, [path for day in days for path in builds[day].files])


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    """The small document, whose attributes come from an entity that the catalogue has not: they are null."""
    path = tmp_path_factory.mktemp("declared") / "features.yaml"
    written = (Path(__file__).parents[1] / "features" / "small.yaml").read_text(encoding="utf-8")
    path.write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    return load_definitions(path)


@pytest.fixture
def home(engine: Engine, storage: Storage, sample_catalogue: Catalogue, definitions: Definitions) -> Home:
    generated = random_logs(Random(6), 200, 30)
    generated = Logs(generated.events, generated.requests, {})
    requests = asked(generated)
    days = sorted({*map(day_of, generated.events), *(str(row["as_of"].date()) for row in requests)})
    at = storage.location
    features = Places(Storage(f"{at}/features"), Storage(f"{at}/logs"), storage, sample_catalogue, 2)
    places = SequencePlaces(
        Storage(f"{at}/sequences"),
        Storage(f"{at}/embeddings"),
        features,
        LOGS,
        layout_of(definitions),
        drawn_document(Random(4)),
        2,
        1.25,
        9,
    )
    build_actions(engine, features.logs, definitions, first_arrivals(generated.events), days, 1)
    found = Home(engine, places, generated, requests, days)
    found.land(
        "request", [{**row, "event_time": row["as_of"], "arrival_time": row["as_of"], "event_id": row["trace_id"]} for row in requests]
    )
    nothing: Row = {"definition_version": "x", "values": [], "texts": [], "lists": [], "defaulted": []}
    # An item without an id is none that a log can name.
    pairs = [(row, item) for row in requests for item in CANDIDATE_IDS if item]
    served = [
        {**row, **nothing, "event_time": row["as_of"], "item_id": item, "event_id": f"{row['trace_id']}/{item}"} for row, item in pairs
    ]
    found.land("served_features", served)
    return found


def test_days_are_built_once_and_anew_where_logs_were_replaced(home: Home, definitions: Definitions, spark: "SparkSession") -> None:
    engine, places = home.engine, home.places
    with engine.connect() as connection:
        assert stale_days(connection, places) == home.days
    assert {day for first, last in reopened(places) for day in home.days if first <= day <= last} == set(home.days)
    builds = bring_up_to_date(spark, engine, places, home.days)
    assert [build.period for build in builds] == home.days
    assert all(is_complete(places, build) for build in builds)
    assert sum(build.figures["requests"] for build in builds) == len(home.requests)
    assert sum(build.figures["short"] for build in builds) > 0
    # Without vectors a soft search finds nothing.
    vectors = drawn_vectors(Random(1))
    empty = type(vectors)("none", vectors.ids.slice(0, 0), vectors.vectors[:0])
    found = found_rows(home.rows(home.days))
    expected = expected_rows(places.document, definitions, home.generated, home.requests, empty)
    assert found == {key: lists for key, lists in expected.items() if key[3] != ""}

    with engine.connect() as connection:
        assert stale_days(connection, places) == []
    assert reopened(places) == []
    with engine.connect() as connection:
        months = current_builds(connection, "months", places.identity("months"))
    last = home.days[-1]
    build_actions(engine, places.features.logs, definitions, first_arrivals(home.generated.events), [last], 2)
    with engine.connect() as connection:
        assert stale_days(connection, places) == [day for day in home.days if day >= last]
    assert reopened(places) == [(last, last)]
    assert len(bring_up_to_date(spark, engine, places, home.days, only_changed=True)) == len(home.days)
    with engine.connect() as connection:
        assert current_builds(connection, "months", places.identity("months")) == months
        again = current_builds(connection, "stages", places.identity("stages"))
    assert [day for day in home.days if again[day].build_id != builds[home.days.index(day)].build_id] == [last]
    assert delete_old_builds(engine, places.sequences, again[last].built_at.replace(year=2999)) == 1


def reopened(places: SequencePlaces) -> list[tuple[str, str]]:
    """The ranges of days that the sensor asks for now."""
    resources: dict[str, Any] = {"registry": RegistryResource(), "spark": SparkResource()}
    assets, jobs, sensors = sequences_assets(places), sequences_jobs(), sequences_sensors(places)
    definitions = dg.Definitions(assets=assets, jobs=jobs, sensors=sensors, resources=resources)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, definitions=definitions, resources={"registry": RegistryResource()}) as context,
    ):
        requests = definitions.resolve_sensor_def("reopened_sequences").evaluate_tick(context).run_requests or ()
    return [(request.tags[FIRST_TAG], request.tags[LAST_TAG]) for request in requests]


def test_a_day_without_logs_is_refused(home: Home, spark: "SparkSession") -> None:
    with pytest.raises(Conflict, match="the logs of 2030-01-01 are not built"):
        bring_up_to_date(spark, home.engine, home.places, ["2030-01-01"])


def test_served_traces_land_once_reopen_their_day_and_lend_their_portraits(home: Home, spark: "SparkSession") -> None:
    day = str(home.requests[0]["as_of"].date())
    bring_up_to_date(spark, home.engine, home.places, [day])
    rows = home.rows([day])
    traces = len(set(rows["trace_id"].to_pylist()))
    first = land_stages(home.engine, home.places.sequences, pa.concat_tables([rows, rows.slice(0, 3)]), "test")
    assert (first.rows, first.traces, first.duplicates) == (rows.num_rows, traces, 3)
    again = land_stages(home.engine, home.places.sequences, rows, "test")
    assert (again.rows, again.traces, again.duplicates) == (0, 0, rows.num_rows)
    with home.engine.connect() as connection:
        landed = served_files(connection)
        assert day in stale_days(connection, home.places)
    assert found_rows(read_served(home.places.sequences, landed[day])) == found_rows(rows)

    mode = replace(home.places, portraits="logged")
    trace, logged = lost_newest(rows)
    with home.engine.begin() as connection:
        connection.execute(served_table.delete())
    land_stages(home.engine, home.places.sequences, logged, "lossy")
    (build,) = bring_up_to_date(spark, home.engine, mode, [day])
    assert build.figures["logged"] == 1
    found = stage_rows(home.places.sequences, build.files)
    is_own = pc.equal(found["trace_id"], trace)
    # Where a portrait was logged, everything follows from it; where none was, from the logs.
    assert found_rows(found.filter(pc.invert(is_own))) == found_rows(rows.filter(pc.not_equal(rows["trace_id"], trace)))
    request = asked_table([row for row in home.requests if row["trace_id"] == trace])
    inputs = Inputs(home.places.document, AttributeIndex(home.places.layout.definitions, {}), None)
    expected = found_rows(pa.concat_tables(stages_of_portraits(inputs, logged, request)))
    assert found_rows(found.filter(is_own)) == {key: lists for key, lists in expected.items() if key[3] != ""}
    assert found_rows(found.filter(is_own))[trace, None, "portrait", None] == found_rows(logged)[trace, None, "portrait", None]
    # Both ways stand beside each other.
    assert found_rows(home.rows([day])) == found_rows(rows)


def lost_newest(rows: pa.Table) -> tuple[str, pa.Table]:
    """The longest portrait without its newest action, and whose it is."""
    portraits = [row for row in rows.to_pylist() if row["stage"] == "portrait"]
    longest = max(portraits, key=lambda row: len(row["event_id"]))
    assert len(longest["event_id"]) > 1
    return longest["trace_id"], pa.Table.from_pylist([longest | {name: longest[name][1:] for name in LISTS}], STAGE_SCHEMA)


def test_a_day_without_requests_is_built_empty(home: Home, spark: "SparkSession") -> None:
    asking = {str(row["as_of"].date()) for row in home.requests}
    quiet = next(day for day in home.days if day not in asking)
    (build,) = bring_up_to_date(spark, home.engine, home.places, [quiet])
    assert (build.rows, build.files, build.figures["requests"]) == (0, (), 0)
    assert bring_up_to_date(spark, home.engine, home.places, [quiet], only_changed=True) == [build]
