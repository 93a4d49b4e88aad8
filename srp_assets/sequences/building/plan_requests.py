"""The requests of days in Spark: who asked when, in which context, and with which candidates."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sqlalchemy import Connection

from srp_assets.features.building.days import days_before
from srp_assets.logs.stitching.plan_stitching import read_log
from srp_assets.logs.tables import built_days, landed_log_files
from srp_assets.sequences.building.columns import context_columns
from srp_assets.sequences.building.computing import CANDIDATES
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import served_files

TRACE = "trace_id"


def requests_with_candidates(requests: DataFrame, candidates: DataFrame, context: Sequence[str], first: str, last: str) -> DataFrame:
    """Each trace once: by its first request, with the items that any log names for it, in their order.

    Args:
        requests: `trace_id`, `event_id`, `event_time` and the context.
        candidates: `trace_id` and `item_id`, any pair as often as it comes.
        context: columns of the requests that are kept; what they do not have is null.
        first: day of the earliest requests that are kept, as 2024-03-09.
        last: day of the latest, included.
    """
    columns = [F.col(f"`{name}`").cast("string") if name in requests.columns else F.lit(None).cast("string") for name in context]
    named = F.struct(F.col("event_time").alias("as_of"), *[column.alias(name) for column, name in zip(columns, context, strict=True)])
    order = F.struct("event_time", F.coalesce("event_id", TRACE))
    asked = requests.where(F.col(TRACE).isNotNull()).groupBy(TRACE).agg(F.min_by(named, order).alias("request")).select(TRACE, "request.*")
    day = F.to_date("as_of")
    own = asked.where((day >= F.lit(first).cast("date")) & (day <= F.lit(last).cast("date")))
    pairs = candidates.where(F.col(TRACE).isNotNull() & F.col("item_id").isNotNull())
    sets = pairs.groupBy(TRACE).agg(F.sort_array(F.collect_set("item_id")).alias(CANDIDATES))
    nothing = F.array().cast("array<string>")
    return own.join(sets, TRACE, "left").withColumn(CANDIDATES, F.coalesce(CANDIDATES, nothing))


def pairs_of(spark: SparkSession, frames: Sequence[DataFrame]) -> DataFrame:
    """The traces and items of some frames together."""
    found = spark.createDataFrame([], "trace_id string, item_id string")
    for frame in frames:
        found = found.unionByName(frame)
    return found


def requests_of(spark: SparkSession, connection: Connection, places: SequencePlaces, span: Sequence[str]) -> DataFrame:
    """The requests of days of a month, of all traces that the log of requests names; without such a log, of those that impressions name.

    Args:
        spark: the session.
        connection: to the registry.
        places: where logs are, and what is declared.
        span: days in order, as 2024-03-09.
    """
    logs, storage, first, last = places.logs, places.features.logs, span[0], span[-1]
    shown = built_days(connection, "impression_outcomes", first, days_before(last, -1))
    outcomes = [storage.address(path) for day in shown.values() for path in day.paths]
    context = context_columns(places.layout.definitions)
    schema = ", ".join([*(f"`{name}` string" for name in (TRACE, "item_id", "event_id", *context)), "event_time timestamp"])
    impressions = spark.read.schema(schema).parquet(*outcomes) if outcomes else None
    pairs = [impressions.select("trace_id", "item_id")] if impressions is not None else []
    served_log = logs.of_role("served_features")
    if served_log is not None:
        files = landed_log_files(connection, served_log.name, first, last)
        pairs.append(read_log(spark, storage, served_log, files.values()).select("trace_id", "item_id"))
    served = [places.sequences.address(file.path) for files in served_files(connection, first, last).values() for file in files]
    if served:
        finals = spark.read.parquet(*served).where(F.col("stage") == "final")
        pairs.append(finals.select("trace_id", F.col("candidate_id").alias("item_id")))
    log = logs.of_role("request")
    if log is not None:
        asked = read_log(spark, storage, log, landed_log_files(connection, log.name, first, last).values())
    elif impressions is not None:
        asked = impressions
    else:
        asked = spark.createDataFrame([], "trace_id string, event_id string, event_time timestamp")
    wanted = requests_with_candidates(asked, pairs_of(spark, pairs), context, first, last)
    return wanted.where(F.date_format("as_of", "yyyy-MM-dd").isin(list(span)))
