"""Days of sequences built in Spark from a home's logs: against the reference, once, and anew where what they read was replaced."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.schema import log_schema
from srp_assets.sequences.assets import is_complete, stage_rows
from srp_assets.sequences.building.days import bring_up_to_date, delete_old_builds, stale_days
from srp_assets.sequences.landing import land_stages, read_served
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import current_builds, served_files
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.drawn_sequences import CANDIDATE_IDS, asked, drawn_document, drawn_vectors, expected_rows, found_rows
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
        months = current_builds(connection, "months", places.identity("months"))
    last = home.days[-1]
    build_actions(engine, places.features.logs, definitions, first_arrivals(home.generated.events), [last], 2)
    with engine.connect() as connection:
        assert stale_days(connection, places) == [day for day in home.days if day >= last]
    assert len(bring_up_to_date(spark, engine, places, home.days, only_changed=True)) == len(home.days)
    with engine.connect() as connection:
        assert current_builds(connection, "months", places.identity("months")) == months
        again = current_builds(connection, "stages", places.identity("stages"))
    assert [day for day in home.days if again[day].build_id != builds[home.days.index(day)].build_id] == [last]
    assert delete_old_builds(engine, places.sequences, again[last].built_at.replace(year=2999)) == 1


def test_a_day_without_logs_is_refused(home: Home, spark: "SparkSession") -> None:
    with pytest.raises(Conflict, match="the logs of 2030-01-01 are not built"):
        bring_up_to_date(spark, home.engine, home.places, ["2030-01-01"])


def test_served_traces_land_once_and_reopen_their_day(home: Home, spark: "SparkSession") -> None:
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
