"""What is kept of a month in Spark: the newest actions of each user, by bucket, one file each.

Nearly all users did less in a month than is kept of it: their rows only go to their bucket, and nothing is sorted or collected. Only of
the few who did more a selection is made, by `max_by(.., k)`: each task keeps so many of its own rows, some tasks merge what several
kept, one merges these. So a user with millions of actions costs one pass over them, and no task ever holds more than a few portraits.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.sequences.building.computing import DROPPED
from srp_assets.warehouse.storage import Storage

USER, BUCKET = "user_id", "bucket"

MERGERS = 16
"""Tasks that merge what the tasks of one user kept before one merges theirs: with thousands of tasks, one alone would hold them all."""

MANIFEST = f"{BUCKET} int, path string, rows bigint, bytes bigint"

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class KeptMonth:
    """The files of a month.

    Args:
        paths: by bucket.
        rows: that are kept.
        dropped: that are not.
        bytes: of all files.
    """

    paths: dict[int, str]
    rows: int
    dropped: int
    bytes: int


def write_month(actions: DataFrame, storage: Storage, folder: str, keep: int, buckets: int) -> KeptMonth:
    """Writes the newest actions of each user.

    Args:
        actions: of a month or a part of it, with `user_id` (rows without are left out), `event_time`, `event_id` and what else is kept.
        storage: that is written to.
        folder: of the files.
        keep: how many of each user.
        buckets: how many files.
    """
    known = actions.where(F.col(USER).isNotNull())
    heavy = known.groupBy(USER).count().where(F.col("count") > keep).toArrow()
    dropped = sum(heavy["count"].to_pylist()) - keep * heavy.num_rows
    rows = known.withColumn(DROPPED, F.lit(0).cast("bigint"))
    if heavy.num_rows:
        few = F.broadcast(actions.sparkSession.createDataFrame(heavy))
        rows = rows.join(few.select(USER), USER, "left_anti").unionByName(newest(known.join(few, USER), keep))
    written = _write(rows, storage, folder, buckets)
    return KeptMonth(
        {row[BUCKET]: row["path"] for row in written}, sum(row["rows"] for row in written), dropped, sum(row["bytes"] for row in written)
    )


def newest(actions: DataFrame, keep: int) -> DataFrame:
    """The newest rows of each user, of users who have more, with how many are left out below the oldest of them (`dropped`).

    Args:
        actions: with `count`, how many the user has.
        keep: how many of each user.
    """
    names = [name for name in actions.columns if name not in (USER, "count")]
    row, order = F.struct(*names), F.struct("event_time", "event_id")
    tasks = actions.select(USER, "count", row.alias("row"), order.alias("order"), (F.spark_partition_id() % MERGERS).alias("merger"))
    first = tasks.groupBy(USER, "count", "merger").agg(F.expr(f"max_by(struct(row, order), order, {keep})").alias("rows"))
    merged = first.select(USER, "count", F.inline("rows")).groupBy(USER, "count").agg(F.expr(f"max_by(row, order, {keep})").alias("rows"))
    placed = merged.select(USER, "count", F.posexplode("rows").alias("place", "row"))
    is_last = F.col("place") == keep - 1
    return placed.select(USER, "row.*", F.when(is_last, F.col("count") - keep).otherwise(0).cast("bigint").alias(DROPPED))


def _write(rows: DataFrame, storage: Storage, folder: str, buckets: int) -> list[dict[str, Any]]:
    """Brings rows to their buckets and writes each as a file."""
    bucket = F.pmod(F.crc32(F.col(USER).cast("binary")), F.lit(buckets)).cast("int")
    by_bucket = rows.withColumn(BUCKET, bucket).repartition(buckets, BUCKET)
    written: list[dict[str, Any]] = by_bucket.mapInArrow(_writer(storage, folder), MANIFEST).toArrow().to_pylist()
    return written


def _writer(storage: Storage, folder: str) -> Callable[[Batches], Batches]:
    schema = pa.schema([(BUCKET, pa.int32()), ("path", pa.string()), ("rows", pa.int64()), ("bytes", pa.int64())])

    def write(batches: Batches) -> Batches:
        counts: dict[int, int] = {}
        with ExitStack() as open_files:
            writers = {}
            for batch in batches:
                table = pa.Table.from_batches([batch])
                for bucket in sorted(set(table[BUCKET].to_pylist())):
                    own = table.filter(pc.equal(table[BUCKET], bucket)).drop_columns([BUCKET])
                    if bucket not in writers:
                        writers[bucket] = open_files.enter_context(storage.parquet_writer(path_of(folder, bucket), own.schema))
                        counts[bucket] = 0
                    writers[bucket].write_table(own)
                    counts[bucket] += own.num_rows
        for bucket, rows in counts.items():
            path = path_of(folder, bucket)
            found = {BUCKET: bucket, "path": path, "rows": rows, "bytes": storage.sizes([path])[0]}
            yield pa.RecordBatch.from_pylist([found], schema=schema)

    return write


def path_of(folder: str, bucket: int) -> str:
    """The file of a bucket."""
    return f"{folder}/bucket={bucket}.parquet"


def read_actions(spark: SparkSession, logs: Storage, paths: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Built actions with the columns that sequences need; one without a time of arrival arrived when it happened."""
    frame = spark.read.parquet(*[logs.address(path) for path in paths])
    arrived = F.coalesce("arrival_time", "event_time").alias("arrival_time")
    return frame.select(*[arrived if name == "arrival_time" else F.col(f"`{name}`") for name in columns])
