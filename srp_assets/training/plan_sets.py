"""Training sets in Spark: stitched impressions meet their features, and a kernel writes each day shuffled."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.features.declaration.columns import ValueType
from srp_assets.logs.catalogue import Log
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.stitching.day_files import place_kernel
from srp_assets.logs.stitching.plan_days import MANIFEST_DDL, collected
from srp_assets.logs.stitching.plan_stitching import read_log
from srp_assets.training.schema import TrainingSchema
from srp_assets.training.set_files import FOUND, SetFiles
from srp_assets.warehouse.plan_types import quoted
from srp_assets.warehouse.storage import Storage

SHUFFLE_SEED = 20_240_301
"""Another number would shuffle requests otherwise; any one will do."""


def read_outcomes(spark: SparkSession, logs: Storage, schema: TrainingSchema, paths: Sequence[str]) -> DataFrame:
    """Stitched impressions of some days, with the columns of a set that are no features and follow from nothing else."""
    made = {"weight", "examination"}
    names = [field.name for field in schema.own_fields if field.name not in made]
    return spark.read.parquet(*[logs.address(path) for path in paths]).select(*[F.col(quoted(name)) for name in names])


def recomputed_features(spark: SparkSession, features: Storage, schema: TrainingSchema, folders: Sequence[str]) -> DataFrame:
    """The features of impressions as they were built, by `event_id`."""
    # Folders are named day=..: read as files, or Spark would look for partitions in their names.
    found = spark.read.option("recursiveFileLookup", "true").parquet(*[features.address(folder) for folder in folders])
    return found.select("event_id", *[F.col(quoted(name)) for name in schema.features])


def served_features(
    spark: SparkSession, logs: Storage, schema: TrainingSchema, log: Log, files: Iterable[LandedFiles], versions: Sequence[str]
) -> DataFrame:
    """The features that were served under some versions of the definitions, by `trace_id` and `item_id`; of two answers the later one."""
    served = read_log(spark, logs, log, files).where(F.col("definition_version").isin(list(versions)))
    values = [_served_value(name, type_).alias(name) for name, type_ in schema.features.items()]
    newest = F.max_by(F.struct(*values), F.struct("event_time", "event_id")).alias("_served")
    of_candidate = served.groupBy("trace_id", "item_id").agg(newest)
    return of_candidate.select("trace_id", "item_id", *[F.col(f"_served.{quoted(name)}").alias(name) for name in schema.features])


def _served_value(name: str, type_: ValueType) -> Column:
    """A feature of a served row, as the landed log keeps it (`logs/schema.py`)."""
    key = F.lit(name)
    if type_ == "number":
        return F.col("values")[key]
    if type_ == "time":
        return F.timestamp_micros(F.col("values")[key].cast("bigint"))
    return F.col("texts")[key] if type_ == "text" else F.from_json(F.col("lists")[key], "array<string>")


def write_sets(outcomes: DataFrame, features: DataFrame, keys: Sequence[str], files: SetFiles, files_a_day: int) -> list[dict[str, Any]]:
    """Joins impressions with their features and writes the days; gives a manifest for each file.

    Args:
        outcomes: of `read_outcomes`.
        features: of the same impressions, each once.
        keys: the columns that both have.
        files: what is written.
        files_a_day: that a day is spread over; which one a row is in is up to chance.
    """
    # Shuffled by the request and nothing else: the same rows lie in the same order again, and a page stays together.
    order = F.xxhash64(F.col("trace_id"), F.lit(SHUFFLE_SEED))
    joined = outcomes.join(features.withColumn(FOUND, F.lit(True)), list(keys), "left").withColumns(
        {
            FOUND: F.coalesce(FOUND, F.lit(False)),
            "_day": F.to_date("event_time"),
            "_order": order,
            "_bucket": F.pmod(order, F.lit(files_a_day)).cast("int"),
        }
    )
    ordered = joined.repartition("_day", "_bucket").sortWithinPartitions("_day", "_bucket", "_order", "trace_id", "position", "event_id")
    return collected(ordered.mapInArrow(place_kernel(files.place), MANIFEST_DDL))
