"""Training sets in Spark: stitched impressions meet their features, and a kernel writes each day shuffled."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.features.declaration.columns import ValueType
from srp_assets.logs.catalogue import Log
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.stitching.day_files import place_kernel
from srp_assets.logs.stitching.plan_stitching import read_log
from srp_assets.sequences.arrays import lists_of
from srp_assets.sequences.stages import TEXT_LISTS, TIME_LISTS
from srp_assets.training.schema import TrainingSchema
from srp_assets.training.set_files import FOUND, SetFiles, raw_column
from srp_assets.training.set_sequences import SetSequence
from srp_assets.warehouse.manifests import MANIFEST_DDL
from srp_assets.warehouse.plan_tasks import collected
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


def final_sequence(spark: SparkSession, sequences: Storage, sequence: SetSequence, paths: Sequence[str]) -> DataFrame:
    """What a sequence found for each `trace_id` and `item_id`: a struct of `as_of` and the lists that its arrays are made of.

    A request that is in the stages of two days, since it was repeated after midnight, counts by its first time, as in each of them.
    """
    names = lists_of(sequence.declared)
    types = {name: f"array<{_list_type(name)}>" for name in names} | {"as_of": "timestamp"}
    keys = "trace_id string, sequence string, stage string, candidate_id string"
    # Paths name their day: the schema says that this is no column.
    schema = ", ".join([keys, *(f"{name} {type_}" for name, type_ in types.items())])
    rows = spark.read.schema(schema).parquet(*[sequences.address(path) for path in paths]) if paths else spark.createDataFrame([], schema)
    own = rows.where((F.col("stage") == "final") & (F.col("sequence") == sequence.declared.name))
    first = F.min_by(F.struct("as_of", *names), "as_of").alias(raw_column(sequence.declared.name))
    return own.groupBy("trace_id", F.col("candidate_id").alias("item_id")).agg(first)


def _list_type(name: str) -> str:
    if name in TEXT_LISTS:
        return "string"
    if name in TIME_LISTS:
        return "timestamp"
    return "bigint" if name == "bucket" else "double"


def write_sets(
    outcomes: DataFrame,
    features: DataFrame,
    keys: Sequence[str],
    sequences: Mapping[str, DataFrame],
    files: SetFiles,
    files_a_day: int,
) -> list[dict[str, Any]]:
    """Joins impressions with their features and sequences and writes the days; gives a manifest for each file.

    Args:
        outcomes: of `read_outcomes`.
        features: of the same impressions, each once.
        keys: the columns that both have.
        sequences: what each one found, by its name (`final_sequence`).
        files: what is written.
        files_a_day: that a day is spread over; which one a row is in is up to chance.
    """
    # Shuffled by the request and nothing else: the same rows lie in the same order again, and a page stays together.
    order = F.xxhash64(F.col("trace_id"), F.lit(SHUFFLE_SEED))
    joined = outcomes.join(features.withColumn(FOUND, F.lit(True)), list(keys), "left")
    for found in sequences.values():
        joined = joined.join(found, ["trace_id", "item_id"], "left")
    placed = joined.withColumns(
        {
            FOUND: F.coalesce(FOUND, F.lit(False)),
            "_day": F.to_date("event_time"),
            "_order": order,
            "_bucket": F.pmod(order, F.lit(files_a_day)).cast("int"),
        }
    )
    ordered = placed.repartition("_day", "_bucket").sortWithinPartitions("_day", "_bucket", "_order", "trace_id", "position", "event_id")
    return collected(ordered.mapInArrow(place_kernel(files.place), MANIFEST_DDL))
