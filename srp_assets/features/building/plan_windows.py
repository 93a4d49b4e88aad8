"""Writes the windowed features of days in Spark: a task for each family and bucket of a day, which reads partial sums and writes a file."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pyarrow as pa
from pyspark.sql import SparkSession

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.day_windows import day_windows, entities_of
from srp_assets.features.building.files import PartialFiles, Written
from srp_assets.features.building.plan_partials import MANIFEST, MANIFEST_SCHEMA, task_count
from srp_assets.features.times import Clock


def write_windows(
    spark: SparkSession, files: PartialFiles, layout: Layout, days: Sequence[tuple[int, str]], buckets: int, clock: Clock = "as_arrived"
) -> dict[int, list[Written]]:
    """Writes the features of every entity as of the beginning of days; returns the files of each day.

    Args:
        spark: the session.
        files: the builds of all days that windows reach; written to its storage.
        layout: of the definitions.
        days: days since 1970, each with the folder that its files go to.
        buckets: of the builds.
        clock: which events count.
    """
    units = list(product(range(len(days)), range(len(layout.families)), range(buckets)))
    write = _writer(files, layout, tuple(days), units, clock)
    written: dict[int, list[Written]] = {day: [] for day, _ in days}
    for row in spark.range(0, len(units), 1, task_count(len(units))).mapInArrow(write, MANIFEST).toArrow().to_pylist():
        written[days[row.pop("number")][0]].append(Written(**row))
    return written


def _writer(
    files: PartialFiles, layout: Layout, days: Sequence[tuple[int, str]], units: Sequence[tuple[int, int, int]], clock: Clock
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for unit in batch.column(0).to_pylist():
                number, family_number, bucket = units[unit]
                day, folder = days[number]
                family = layout.families[family_number]
                rows = []
                for entity in entities_of(family):
                    found = day_windows(files, family, entity, bucket, day, clock)
                    path = f"{folder}/{entity}/{bucket}.parquet"
                    written = Written(family.key, entity, path, found.num_rows, files.storage.write(path, found))
                    rows.append({"number": number, **vars(written)})
                yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST_SCHEMA)

    return write
