"""Partial sums as builds in the registry: what is stale, what replaces what, and that late events change only their own day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict, InvalidInput, Unavailable
from srp_assets.features.aggregation.layout import Layout, layout_of
from srp_assets.features.building.days import Places, bring_up_to_date, delete_old_builds, partial_files, stale_days, version_files
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.features.registry import builds_of_run, current_builds, retired_builds
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.storage import Storage
from support.feature_files import build_actions, day_of, joined
from support.feature_join import point_in_time
from support.feature_logs import Logs, Row, events_table, random_logs, requests_table, versions_tables
from support.feature_values import differences
from support.landed import LandedByReference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKETS = 2

CATALOGUE = Catalogue.model_validate(
    {
        "name": "items",
        "products": ["shop"],
        "partition_unit": "month",
        "first_period": "2023-01",
        "entities": {
            "item": {
                "description": "What is shown.",
                "key": ["item_id"],
                "bucket_key": "item_id",
                "publish_time": "landed_on",
                "updated_at": "updated_at",
                "columns": {
                    "item_id": {"kind": "id", "type": "string", "required": True, "description": "identity"},
                    "category": {"kind": "enum", "description": "what it is"},
                    "list_price": {"kind": "metric", "type": "float64", "description": "its price"},
                    "published_at": {"kind": "time", "description": "since when it is there"},
                    "word_lists": {"kind": "array", "description": "word lists that its texts match"},
                    "landed_on": {"kind": "time", "required": True, "description": "where it is kept"},
                    "updated_at": {"kind": "time", "required": True, "description": "when it changed"},
                },
            }
        },
        "objects": {"item": {"entity": "item"}},
        "relations": [],
        "patterns": [{"objects": ["item"]}],
    }
)


@pytest.fixture
def places(storage: Storage) -> Places:
    return Places(Storage(f"{storage.location}/features"), Storage(f"{storage.location}/logs"), storage, CATALOGUE, BUCKETS)


@pytest.fixture
def layout(small: Definitions) -> Layout:
    return layout_of(small)


def land_items(engine: Engine, storage: Storage, versions: list[Row]) -> None:
    rows = [("item", {**version, "landed_on": version["updated_at"]}) for version in versions]
    LandedByReference(engine, storage, CATALOGUE).ingest("shop", rows)


def test_late_events_rebuild_their_own_days_alone(
    small: Definitions, layout: Layout, engine: Engine, places: Places, spark: "SparkSession"
) -> None:
    generated = random_logs(Random(11), 120, 12)
    land_items(engine, places.warehouse, generated.versions["item"])
    events = first_arrivals(generated.events)
    late = [event for event in events if event["event_time"].date() == events[0]["event_time"].date()][:1] + events[-1:]
    days = sorted({day_of(event) for event in events})
    build_actions(engine, places.logs, small, [event for event in events if event not in late], days, 1)
    with engine.connect() as connection:
        assert stale_days(connection, "partials", layout, BUCKETS) == days
        with pytest.raises(Conflict, match="are not built"):
            partial_files(connection, places, layout, days[0], days[-1])
    first = bring_up_to_date(spark, engine, places, "partials", layout, days, run_id="first")
    assert [build.day for build in first] == days
    changed = sorted({day_of(event) for event in late})
    build_actions(engine, places.logs, small, events, changed, 2)
    with engine.connect() as connection:
        assert stale_days(connection, "partials", layout, BUCKETS) == changed
    again = bring_up_to_date(spark, engine, places, "partials", layout, days, only_changed=True, run_id="second")
    assert [build.folder for build in again if build.day not in changed] == [build.folder for build in first if build.day not in changed]
    with engine.connect() as connection:
        assert list(builds_of_run(connection, "partials", "second")) == changed
        files = partial_files(connection, places, layout, days[0], days[-1])
        names = current_builds(connection, "partials", again[0].identity)
    assert {day: build.folder for day, build in names.items()} == {build.day: build.folder for build in again}
    requests, versions = requests_table(generated.requests), versions_tables(small, generated.versions)
    expected = point_in_time(small, requests, events_table(small, events), versions)
    own = [feature.name for feature in small.aggregated]
    assert differences(joined(files, requests, versions, BUCKETS), expected.select(own).to_pylist()) == []
    compare_impressions(small, layout, engine, places, spark, events, generated, days[1:3])
    compare_windows(small, layout, engine, places, spark, events, generated, days[2])
    replaced = [build.folder for build in first if build.day in changed]
    assert delete_old_builds(engine, places.features, datetime.now(UTC) + timedelta(seconds=1)) == len(changed)
    assert [places.features.exists(folder) for folder in replaced] == [False] * len(changed)
    assert all(places.features.exists(build.folder) for build in again)
    with engine.connect() as connection:
        assert retired_builds(connection, datetime.now(UTC) + timedelta(seconds=1)) == []


def compare_impressions(
    definitions: Definitions,
    layout: Layout,
    engine: Engine,
    places: Places,
    spark: "SparkSession",
    events: list[Row],
    generated: Logs,
    days: list[str],
) -> None:
    """Builds the features of impressions and compares them with those of requests at their times."""
    builds = bring_up_to_date(spark, engine, places, "impressions", layout, days)
    with engine.connect() as connection:
        assert set(days).isdisjoint(stale_days(connection, "impressions", layout, BUCKETS))
    shown = [event for event in events if event["kind"] == "impression" and day_of(event) in days]
    assert shown
    assert sum(sum(build.rows.values()) for build in builds) == len(shown)
    found = {row.pop("event_id"): row for build in builds for row in rows_below(places.features, build.folder)}
    requests = requests_table([{**event, "as_of": event["event_time"]} for event in shown])
    values = point_in_time(definitions, requests, events_table(definitions, events), versions_tables(definitions, generated.versions))
    expected = [{"as_of": event["event_time"], **row} for event, row in zip(shown, values.to_pylist(), strict=True)]
    assert differences([found[event["event_id"]] for event in shown], expected) == []


def compare_windows(
    definitions: Definitions,
    layout: Layout,
    engine: Engine,
    places: Places,
    spark: "SparkSession",
    events: list[Row],
    generated: Logs,
    day: str,
) -> None:
    """Builds the windowed features of a day and compares those of users with requests at its beginning."""
    (build,) = bring_up_to_date(spark, engine, places, "windows", layout, [day])
    rows = rows_below(places.features, f"{build.folder}/user")
    assert len(rows) == build.rows["user_id/user"] > 0
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    requests = requests_table([{"user_id": row["user_id"], "as_of": midnight} for row in rows])
    expected = point_in_time(definitions, requests, events_table(definitions, events), versions_tables(definitions, generated.versions))
    names = [name for name in rows[0] if name in definitions.features]
    assert differences([{name: row[name] for name in names} for row in rows], expected.select(names).to_pylist()) == []


def rows_below(storage: Storage, folder: str) -> list[Row]:
    rows: list[Row] = ds.dataset(storage.path(folder), format="parquet", filesystem=storage.filesystem).to_table().to_pylist()
    return rows


def test_the_landed_versions_of_an_entity_are_found(layout: Layout, engine: Engine, places: Places) -> None:
    at = datetime(2024, 2, 1, tzinfo=UTC)
    rows: list[Any] = [{"item_id": "i", "category": name, "updated_at": at + timedelta(days=number)} for number, name in enumerate("ab")]
    land_items(engine, places.warehouse, rows)
    with engine.connect() as connection:
        found = version_files(connection, places, layout, last_ingest(connection))
        assert version_files(connection, places, layout, 0)["item"].paths == ()
    assert sum(places.warehouse.rows(path) for path in found["item"].paths) == 2
    assert (found["item"].updated_at, found["item"].without) == ("updated_at", "moved_to")


def test_an_attribute_that_its_entity_has_not_is_refused(layout: Layout, engine: Engine, places: Places) -> None:
    item = CATALOGUE.entities["item"]
    columns = {name: column for name, column in item.columns.items() if name != "list_price"}
    smaller = CATALOGUE.model_copy(update={"entities": {"item": item.model_copy(update={"columns": columns})}})
    with engine.connect() as connection, pytest.raises(InvalidInput, match="entity 'item' has no column 'list_price'"):
        version_files(connection, replace(places, catalogue=smaller), layout, 0)


def test_days_whose_actions_are_not_built_are_refused(layout: Layout, engine: Engine, places: Places) -> None:
    spark: Any = None
    with pytest.raises(Conflict, match="the logs of 2 days \\(2024-02-01 to 2024-02-02\\) are not built"):
        bring_up_to_date(spark, engine, places, "partials", layout, ["2024-02-02", "2024-02-01"])
    assert bring_up_to_date(spark, engine, places, "partials", layout, ["2024-02-01"], only_changed=True) == []


def test_a_build_that_breaks_off_leaves_the_old_one(
    small: Definitions, layout: Layout, engine: Engine, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        places.features.write("partials/half/file.parquet", pa.table({"x": [1]}))
        raise Unavailable("the disk is full")

    events = first_arrivals(random_logs(Random(1), 5, 1).events)
    build_actions(engine, places.logs, small, events, [day_of(events[0])], 1)
    monkeypatch.setattr("srp_assets.features.building.days.build_partials", fail)
    monkeypatch.setattr("srp_assets.features.building.days.uuid4", lambda: type("Id", (), {"hex": "half"}))
    spark: Any = None
    with pytest.raises(Unavailable):
        bring_up_to_date(spark, engine, places, "partials", layout, [day_of(events[0])])
    assert not places.features.exists("partials/half")
    with engine.connect() as connection:
        assert stale_days(connection, "partials", layout, BUCKETS) == [day_of(events[0])]
