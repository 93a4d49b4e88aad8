"""Writing built days in Spark: rows go to the task of their day and bucket, and a kernel writes them; the driver gets manifests."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.errors import Unavailable
from srp_assets.logs.stitching.day_files import manifests, place_kernel
from srp_assets.logs.stitching.day_sessions import ActionFiles
from srp_assets.logs.stitching.outcome_place import OutcomeFiles
from srp_assets.logs.stitching.session_chains import ChainJoiner, ChainOrder
from srp_assets.warehouse.plan_build import cause_of

MANIFEST_DDL = "manifest string"


def write_actions(actions: DataFrame, files: ActionFiles, buckets: int) -> DataFrame:
    """Writes actions, ordered by user and time, into a file for each day and bucket of users, when the frame is collected."""
    placed = actions.withColumns({"_day": F.col("event_day"), "_bucket": bucket_of("user_id", buckets)})
    ordered = placed.repartition("_day", "_bucket").sortWithinPartitions("_day", "_bucket", "user_id", "event_time", "event_id")
    return ordered.mapInArrow(place_kernel(files.place), MANIFEST_DDL)


def write_outcomes(outcomes: DataFrame, files: OutcomeFiles, buckets: int) -> DataFrame:
    """Writes labelled impressions in the order of their events, into a file for each day and bucket of traces, when it is collected."""
    placed = outcomes.withColumn("_bucket", bucket_of("trace_id", buckets))
    ordered = placed.repartition("_day", "_bucket").sortWithinPartitions("_day", "_bucket", "event_time", "event_id")
    return ordered.mapInArrow(place_kernel(files.place), MANIFEST_DDL)


def bucket_of(column: str, buckets: int) -> F.Column:
    """The bucket of a value, of null too."""
    return F.pmod(F.hash(column), F.lit(buckets))


def complete_sessions(spark: SparkSession, joiner: ChainJoiner, orders: Sequence[ChainOrder]) -> DataFrame:
    """Completes sessions over midnight, one task for each bucket, when the frame is collected."""
    orders = tuple(orders)

    def complete(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from manifests(joiner.complete(orders[number]))

    return spark.range(0, len(orders), 1, len(orders)).mapInArrow(complete, MANIFEST_DDL)


def collected(written: DataFrame) -> list[dict[str, Any]]:
    """Runs the writing of files and gives their manifests.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    try:
        return [json.loads(text) for text in written.toArrow().column("manifest").to_pylist()]
    except (PySparkException, grpc.RpcError) as error:
        raise Unavailable(
            f"Spark could not build: {cause_of(str(error))}", remedy="build again once that is corrected; the old build stays"
        ) from error
