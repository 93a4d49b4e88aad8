"""Partials built and joined in Spark against the reference, on one larger log."""

from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.building.files import PartialFiles, VersionFiles
from srp_assets.features.building.plan_join import features_of_requests
from srp_assets.features.building.plan_partials import DayOfEvents, build_partials
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.times import Clock, days_of
from srp_assets.warehouse.storage import Storage
from support.feature_logs import Logs, events_table, random_logs, requests_table, versions_tables
from support.feature_values import differences

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKETS = 3


def landed_days(storage: Storage, definitions: Definitions, generated: Logs) -> list[DayOfEvents]:
    """Writes the events as days of `logs/actions`, each in two files."""
    events = events_table(definitions, first_arrivals(generated.events))
    of_rows = days_of(integers(events["event_time"]))
    days = []
    for day in sorted(set(of_rows.tolist())):
        own = events.filter(pa.array(of_rows == day))
        half = own.num_rows // 2
        paths = (f"actions/{day}/0.parquet", f"actions/{day}/1.parquet")
        storage.write(paths[0], own.slice(0, half))
        storage.write(paths[1], own.slice(half))
        days.append(DayOfEvents(day, storage, paths, f"partials/day={day}/1"))
    return days


def test_the_join_in_spark_agrees_with_the_reference(small: Definitions, storage: Storage, spark: "SparkSession") -> None:
    # As it happened; `test_building.py` joins as it arrived.
    clock: Clock = "as_happened"
    generated = random_logs(Random(6), 300, 60)
    requests = [{**request, "event_id": f"r{number}"} for number, request in enumerate(generated.requests)]
    items = versions_tables(small, generated.versions)["item"].rename_columns(
        ["item_id", "changed_at", "category", "list_price", "published_at", "word_lists"]
    )
    storage.write("items.parquet", items)
    versions = {"item": VersionFiles(storage, ("items.parquet",), "changed_at")}
    layout = layout_of(small)
    days = landed_days(storage, small, generated)
    built = build_partials(spark, storage, layout, days, versions, BUCKETS)
    assert {day: sum(file.rows for file in files if file.table == "raw" and file.family == "device") for day, files in built.items()} == {
        day.day: sum(storage.rows(path) for path in day.paths) for day in days
    }
    files = PartialFiles(storage, small, {day.day: day.folder for day in days})
    asked = requests_table(requests).append_column("event_id", pa.array([request["event_id"] for request in requests]))
    frame = features_of_requests(spark.createDataFrame(asked).repartition(3), files, layout, versions, BUCKETS, "scratch", clock)
    found = {row.pop("event_id"): row for row in frame.drop("as_of").toArrow().to_pylist()}
    expected = {
        request["event_id"]: feature_values(small, generated.events, request, generated.versions, clock=clock) for request in requests
    }
    assert differences([found[name] for name in expected], list(expected.values())) == []
