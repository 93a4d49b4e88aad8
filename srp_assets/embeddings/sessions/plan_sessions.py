"""Sequences from stitched logs in Spark: the actions of a day's sessions come together, and a kernel applies the rules."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.embeddings.declaration.model import SessionRules
from srp_assets.embeddings.sessions.session_files import USER_PREFIX, SequenceFiles
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.plan_tables import built_table
from srp_assets.logs.tables import BuiltDay
from srp_assets.warehouse.manifests import MANIFEST_DDL
from srp_assets.warehouse.plan_tasks import collected
from srp_assets.warehouse.plan_types import quoted
from srp_assets.warehouse.storage import Storage


def write_sequences(
    spark: SparkSession,
    logs: Storage,
    catalogue: LogCatalogue,
    sessions: BuiltDay,
    actions: Iterable[BuiltDay],
    outcomes: Iterable[BuiltDay],
    files: SequenceFiles,
) -> list[dict[str, Any]]:
    """Writes the sequences of one day; gives a manifest for each file.

    Args:
        spark: the session.
        logs: the storage of the built logs.
        catalogue: the declared logs.
        sessions: of the day.
        actions: of all days into which these sessions reach.
        outcomes: impressions of the same days, with what came of them.
        files: how they are written.
    """
    of_day = built_table(spark, logs, catalogue, "sessions", [sessions]).select("session_id", "user_id", "start", "events")
    # What rules drop for its size alone is not brought together at all: one robot's day may be larger than a task.
    small = of_day.where(F.col("events") <= files.rules.most_events)
    happened = _with_bookings(
        built_table(spark, logs, catalogue, "actions", actions),
        built_table(spark, logs, catalogue, "impression_outcomes", outcomes),
        catalogue,
        files.rules,
    )
    rows = grouped_sessions(happened, small, files.rules, files.user_columns)
    manifests = collected(rows.mapInArrow(files.kernel(), MANIFEST_DDL))
    busy = of_day.where(F.col("events") > files.rules.most_events).count()
    without = {"sessions": busy, "too_many_events": busy}
    return [*manifests, {"path": None, "rows": 0, "bytes": 0, "counts": without}]


def grouped_sessions(actions: DataFrame, sessions: DataFrame, rules: SessionRules, user_columns: Sequence[str]) -> DataFrame:
    """A row for each session, with its actions of the kinds that rules speak of; sessions without such are there with none.

    Args:
        actions: of `logs/actions`, with `booked_time`.
        sessions: `session_id`, `user_id`, `start`.
        rules: which kinds are asked for.
        user_columns: of the context; a session has the first value that is not null.
    """
    kinds = F.col("kind").isin(sorted({*rules.clicks, *rules.bookings, *rules.rejections})) | F.col("booked_time").isNotNull()
    fields = ["kind", "item_id", "dwell_seconds", "booked_time"]
    action = F.struct(F.col("event_time").alias("time"), "event_id", *fields)
    own = actions.where(kinds & F.col("session_id").isNotNull())
    context = [F.first(F.col(quoted(name)), ignorenulls=True).cast("string").alias(f"{USER_PREFIX}{name}") for name in user_columns]
    together = own.groupBy("session_id").agg(F.sort_array(F.collect_list(action)).alias("actions"), *context)
    known = sessions.select("session_id", "user_id", "start").join(together, "session_id", "left")
    return known.withColumn("actions", F.coalesce("actions", F.array().cast(together.schema["actions"].dataType)))


def _with_bookings(actions: DataFrame, outcomes: DataFrame, catalogue: LogCatalogue, rules: SessionRules) -> DataFrame:
    """Actions with the time of the first booking that is credited to them, where they are impressions."""
    impression = catalogue.of_role("impression")
    if impression is None or not rules.bookings:
        return actions.withColumn("booked_time", F.lit(None).cast("timestamp"))
    times = [F.col(quoted(f"{step}_time")) for step in rules.bookings]
    credited = outcomes.select("event_id", (F.least(*times) if len(times) > 1 else times[0]).alias("booked_time"))
    credited = credited.where(F.col("booked_time").isNotNull()).withColumn("kind", F.lit(impression.name))
    kinds = {*rules.clicks, *rules.bookings, *rules.rejections, impression.name}
    return actions.where(F.col("kind").isin(sorted(kinds))).join(credited, ["event_id", "kind"], "left")
