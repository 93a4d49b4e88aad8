"""Months kept and stages computed in Spark against the reference, with so little kept that most requests need raw actions."""

from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from srp_assets.embeddings.vectors import write_vectors
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.sequences.building.actions import DROPPED, ActionFiles, kept_schema
from srp_assets.sequences.building.plan_months import KeptMonth, Month, write_month
from srp_assets.sequences.building.plan_stages import write_stages
from srp_assets.sequences.building.stage_job import Job
from srp_assets.warehouse.storage import Storage
from support.drawn_sequences import asked, asked_table, drawn_document, drawn_vectors, expected_rows, found_rows, kept_months
from support.feature_logs import Logs, events_table, random_logs, versions_tables
from support.online_home import version_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKETS = 2


def landed_months(storage: Storage, definitions: Definitions, generated: Logs) -> dict[str, str]:
    """The actions of each month as a file."""
    events = events_table(definitions, first_arrivals(generated.events))
    months = integers(events["event_time"]).astype("datetime64[us]").astype("datetime64[M]").astype(str)
    for month in sorted(set(months.tolist())):
        storage.write(f"actions/{month}.parquet", events.filter(pa.array(months == month)))
    return {month: f"actions/{month}.parquet" for month in sorted(set(months.tolist()))}


def kept_rows(storage: Storage, months: list[KeptMonth]) -> list[dict[str, Any]]:
    tables = [storage.read(path) for month in months for path in month.paths.values()]
    return sorted((row for table in tables for row in table.to_pylist()), key=lambda row: row["event_id"])


@pytest.mark.parametrize(("keep", "falls_back"), [(1_000, False), (7, True)])
def test_stages_in_spark_agree_with_the_reference(
    small: Definitions, storage: Storage, spark: "SparkSession", monkeypatch: pytest.MonkeyPatch, keep: int, falls_back: bool
) -> None:
    # So few that the raw actions of a user go to several tasks.
    monkeypatch.setattr("srp_assets.sequences.building.plan_stages.MOST_ACTIONS", 30)
    generated = random_logs(Random(6), 300, 40)
    random = Random(4)
    document, vectors, requests = drawn_document(random), drawn_vectors(random), asked(generated)
    paths = landed_months(storage, small, generated)
    schema = kept_schema(document, small)
    kept = [
        write_month(spark, ActionFiles(storage, (path,), schema), Month(storage, f"months/{month}", keep, BUCKETS))
        for month, path in paths.items()
    ]
    expected = kept_months(small, generated.events, keep)
    columns = expected.select([*schema.names, DROPPED])
    assert kept_rows(storage, kept) == sorted(columns.to_pylist(), key=lambda row: row["event_id"])
    assert sum(month.dropped for month in kept) == sum(expected[DROPPED].to_pylist())

    write_vectors(storage, "vectors.parquet", vectors)
    versions = version_files(storage, versions_tables(small, generated.versions))
    months = [f"months/{month}" for month in paths]
    job = Job(document, small, versions, storage, months, "stages", BUCKETS, split_rows=7, vectors=(storage, "vectors.parquet"))
    raw = ActionFiles(storage, tuple(paths.values()), schema)
    written = write_stages(spark.createDataFrame(asked_table(requests)), raw, job)
    assert bool(written.short) == falls_back
    files = [path for own in written.files.values() for path in own]
    found = found_rows(pa.concat_tables([storage.read(path) for path in files]))
    assert found == expected_rows(document, small, generated, requests, vectors)
    assert sum(written.requests.values()) == len(requests)
    assert not storage.exists("stages/scratch")
