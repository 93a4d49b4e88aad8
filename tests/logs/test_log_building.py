"""Builds of days on Spark against the reference: the same rows, whatever was built when, and whatever landed in between."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.reference import label_state
from srp_assets.logs.registry import landed_files
from srp_assets.logs.registry_builds import current_builds, landed_span, log_ledger, stale_days
from srp_assets.logs.schema import TABLES, Table, table_schema
from srp_assets.logs.stitching import building, plan_stitching
from srp_assets.logs.stitching.building import bring_up_to_date
from srp_assets.logs.tables import built_days
from srp_assets.settings import Settings
from support.log_events import CATALOGUE, EventMaker, LandedLogs, only

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def landed(engine: Engine, settings: Settings) -> LandedLogs:
    return LandedLogs(engine, logs_storage(settings.warehouse_location), CATALOGUE)


def build(spark: "SparkSession", landed: LandedLogs, days: list[str] | None = None) -> list[str]:
    """Builds days, or all that are stale; returns which."""
    with landed.engine.connect() as connection:
        stale = stale_days(connection, landed.catalogue)
    built = bring_up_to_date(spark, landed.engine, landed.storage, landed.catalogue, days or stale)
    return [day.day for day in built]


def table_rows(landed: LandedLogs, table: Table) -> list[dict[str, Any]]:
    schema = table_schema(landed.catalogue, table)
    with landed.engine.connect() as connection:
        days = built_days(connection, table)
    rows = []
    for day, built in days.items():
        of_day = [row for path in built.paths for row in landed.storage.read(path).cast(schema).to_pylist()]
        assert len(of_day) == built.rows
        time = {"sessions": "start"}.get(table, "event_time")
        assert {row[time].date().isoformat() for row in of_day} <= {day}
        rows += of_day
    return rows


def assert_as_the_reference(landed: LandedLogs) -> None:
    """The current builds of all days hold what the reference makes of all that landed."""
    with landed.engine.connect() as connection:
        assert stale_days(connection, landed.catalogue) == []
        span = landed_span(connection, landed.catalogue)
        builds = current_builds(connection)
        ledger = log_ledger(connection, landed.catalogue)
    assert span is not None
    expected = landed.expected()
    for row in expected["impression_outcomes"]:
        row["label_state"] = label_state(landed.catalogue, row["event_time"].date(), span.last)
    for table in TABLES:
        columns = table_schema(landed.catalogue, table).names
        assert only(columns, table_rows(landed, table)) == only(columns, expected[table]), table
    assert all(row.balanced and row.built for row in ledger)
    orphans = Counter(f"{row['kind']} {row['orphan']}" for row in expected["actions"] if row["orphan"])
    assert sum((Counter(found.counts.orphans) for found in builds.values()), Counter()) == orphans
    missing = {name: {row["event_id"] for row in rows if row["arrival_time"] is None} for name, rows in landed.events().items()}
    assumed = Counter(row["kind"] for row in expected["actions"] if row["event_id"] in missing[row["kind"]])
    assert sum((Counter(found.counts.without_arrival_time) for found in builds.values()), Counter()) == assumed


def test_the_made_events_hold_every_case(landed: LandedLogs) -> None:
    landed.land(EventMaker(11).events(traces=150))
    expected = landed.expected()
    outcomes, actions, sessions = (expected[table] for table in ("impression_outcomes", "actions", "sessions"))
    assert {row["orphan"] for row in actions} == {
        None,
        "without_request",
        "without_impression",
        "without_click",
        "without_key",
    }
    delays = {(kind, row[f"{kind}_delay_seconds"]) for row in outcomes for kind in ("click", "cart", "order")}
    assert {("click", 0.0), ("click", 1800.0), ("cart", 86400.0), ("order", 3 * 86400.0)} <= delays
    assert any(row["order_amount"] is not None and row["order_amount"] > 10 for row in outcomes)
    assert any(row["start"].date() < row["end"].date() for row in sessions)
    assert any((row["end"] - row["start"]).days >= 2 for row in sessions)
    gaps = {later["event_time"] - earlier["event_time"] for earlier, later in zip(actions, actions[1:], strict=False)}
    assert timedelta(0) in gaps


def test_days_in_any_order_are_the_references(spark: "SparkSession", landed: LandedLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    # As many tasks, and as many files of a day apart, as many events would have.
    monkeypatch.setattr(plan_stitching, "SMALL_TASK", 200)
    monkeypatch.setattr(building, "ROWS_OF_A_TASK", 20)
    for events in EventMaker(12).ingests(traces=150, count=3):
        landed.land(events)
    with landed.engine.connect() as connection:
        everything = stale_days(connection, CATALOGUE)
    middle = everything[len(everything) // 2 :][:2]
    assert build(spark, landed, middle) == middle
    assert build(spark, landed) == [day for day in everything if day not in middle]
    assert_as_the_reference(landed)


def test_late_rows_reopen_what_they_change(spark: "SparkSession", landed: LandedLogs) -> None:
    first, second = EventMaker(13, days=6).ingests(traces=80, count=2)
    landed.land(first)
    build(spark, landed)
    newest = max(landed.events()["impression"], key=lambda row: row["event_time"])
    late = {"event_id": "late", "trace_id": newest["trace_id"], "item_id": newest["item_id"], "dwell_seconds": 1.0}
    landed.land([*second, ("click", {**late, "event_time": newest["event_time"] + timedelta(minutes=1), "arrival_time": None})])
    assert newest["event_time"].date().isoformat() in build(spark, landed)
    assert_as_the_reference(landed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20, 26))
def test_landing_and_building_by_turns_is_building_at_the_end(spark: "SparkSession", landed: LandedLogs, seed: int) -> None:
    for events in EventMaker(seed).ingests(traces=150, count=4):
        landed.land(events)
        assert build(spark, landed)
        assert_as_the_reference(landed)


def test_a_build_that_lost_rows_never_becomes_current(spark: "SparkSession", landed: LandedLogs) -> None:
    landed.land(EventMaker(14, days=2).events(traces=10))
    with landed.engine.connect() as connection:
        span = landed_span(connection, CATALOGUE)
        assert span is not None
        files = landed_files(connection, "impression", *span.as_texts(), 1)
    path = next(iter(files.values())).rows[0]
    landed.storage.write(path, landed.storage.read(path).slice(1))
    with pytest.raises(Conflict, match="the build has"):
        build(spark, landed)
    with landed.engine.connect() as connection:
        assert current_builds(connection) == {}
    assert landed.storage.folders("builds") == []
