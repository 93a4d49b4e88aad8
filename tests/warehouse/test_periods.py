"""Periods of every unit: their arithmetic, Dagster's partitions of them, and tables that are built by them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from srp_assets.partitions import period_partitions
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.periods import Unit, end_of, period_of, periods_between, start_of
from srp_assets.warehouse.plan_tables import snapshot_table
from srp_assets.warehouse.plan_types import published_period
from srp_assets.warehouse.registry_builds import ledger, stale_periods
from srp_assets.warehouse.schema import entity_schema
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

UNITS: tuple[Unit, ...] = get_args(Unit)
FIRST: dict[Unit, str] = {"hour": "2024-11-01T00", "day": "2024-02-27", "month": "2023-11", "year": "1999"}

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
units = st.sampled_from(UNITS)


def noted(unit: Unit) -> Catalogue:
    """A catalogue of notes, by this unit."""
    columns = {
        "note_id": {"kind": "id", "required": True, "description": "which"},
        "created_at": {"kind": "time", "required": True, "description": "when"},
    }
    note = {"description": "a note", "key": ["note_id"], "bucket_key": "note_id", "publish_time": "created_at", "columns": columns}
    return Catalogue.model_validate(
        {
            "name": "notes",
            "products": ["desk"],
            "partition_unit": unit,
            "first_period": FIRST[unit],
            "entities": {"note": note},
            "objects": {"note": {"entity": "note"}},
            "patterns": [{"objects": ["note"]}],
        }
    )


@given(unit=units, moment=moments, offset=st.integers(-14, 14))
def test_a_period_holds_its_moments_whatever_their_zone(unit: Unit, moment: datetime, offset: int) -> None:
    period = period_of(moment, unit)
    assert start_of(period, unit) <= moment < end_of(period, unit)
    assert period_of(start_of(period, unit), unit) == period
    assert period_of(end_of(period, unit), unit) > period
    shifted = (moment.replace(tzinfo=None) + timedelta(hours=offset)).isoformat() + f"{offset:+03d}:00"
    assert period_of(datetime.fromisoformat(shifted), unit) == period


@given(unit=units, moment=moments, count=st.integers(0, 40))
def test_periods_follow_each_other_without_gap_in_the_order_of_their_texts(unit: Unit, moment: datetime, count: int) -> None:
    first = last = period_of(moment, unit)
    for _ in range(count):
        last = period_of(end_of(last, unit), unit)
    found = list(periods_between(first, last, unit))
    assert len(found) == count + 1
    assert found == sorted(found)
    assert all(end_of(one, unit) == start_of(following, unit) for one, following in pairwise(found))


@pytest.mark.parametrize(("unit", "text"), [("hour", "2024-01-01"), ("day", "2024-1-1"), ("month", "2024-13"), ("year", "24")])
def test_what_is_no_period_of_a_unit_is_refused(unit: Unit, text: str) -> None:
    with pytest.raises(ValueError, match="does not match|is not written as|unconverted data"):
        start_of(text, unit)


@pytest.mark.parametrize("unit", UNITS)
def test_partitions_are_the_periods_up_to_the_one_that_is_not_over(unit: Unit) -> None:
    now = datetime(2024, 11, 22, 12, 30, tzinfo=UTC)
    partitions = period_partitions(noted(unit))
    keys = list(partitions.get_partition_keys(current_time=now))
    assert keys == list(periods_between(FIRST[unit], keys[-1], unit))
    assert period_of(now, unit) in keys
    # A row may be published up to a day after it lands.
    assert period_of(now + timedelta(days=1), unit) in keys
    window = partitions.time_window_for_partition_key(keys[3])
    assert (window.start, window.end) == (start_of(keys[3], unit), end_of(keys[3], unit))


@pytest.mark.parametrize("unit", UNITS)
def test_tables_are_built_by_every_unit(spark: "SparkSession", engine: Engine, storage: Storage, unit: Unit) -> None:
    catalogue = noted(unit)
    entity = catalogue.entities["note"]
    start = start_of(FIRST[unit], unit)
    times = [start, end_of(FIRST[unit], unit) - timedelta(microseconds=1), end_of(FIRST[unit], unit), start + timedelta(days=40)]
    rows = [{"note_id": str(number), "created_at": time} for number, time in enumerate(times)]
    batch = pa.RecordBatch.from_pylist(rows, schema=entity_schema(entity))
    land_batches(engine, storage, catalogue, product="desk", batches=[("note", batch)], source="test", reader="test")
    with engine.connect() as connection:
        stale = stale_periods(connection)
    expected = sorted({period_of(row["created_at"], unit) for row in rows})
    assert [key.period for key in stale] == expected
    builds = build_periods(spark, engine, storage, catalogue, stale)
    table = snapshot_table(spark, storage, "note", entity, builds)
    found = table.withColumn("published", published_period(entity, unit)).toArrow().to_pylist()
    assert {row["note_id"]: (row["period"], row["published"]) for row in found} == {
        row["note_id"]: (period_of(row["created_at"], unit),) * 2 for row in rows
    }
    with engine.connect() as connection:
        assert all(row.balanced and row.built for row in ledger(connection))
