"""Stitching in Spark: events of all logs become actions with their context, and impressions with what came of them.

The rules are those of `reference.py`. All that shares a trace is brought together once and ordered in time; running windows then carry the
last request, the last impression and the last credited click along each trace, so nothing is joined row by row. Only steps that know no
trace are brought together a second time, by user and item.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F

from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import LANDED_AT, ROLE_COLUMNS, Role, outcomes_schema
from srp_assets.logs.spans import DaySpan
from srp_assets.warehouse.catalogue import Column as DeclaredColumn
from srp_assets.warehouse.plan_types import SPARK_TYPES, quoted
from srp_assets.warehouse.storage import Storage

REQUEST, IMPRESSION, CLICK, STEP = range(4)
"""What comes first of what happens at the same time."""

RANKS: Mapping[Role, int] = {"request": REQUEST, "impression": IMPRESSION, "click": CLICK, "step": STEP}

ROWS_PER_PARTITION = 500_000
"""Events of traces that one task orders: some hundred megabytes."""

SMALL_PARTITION, SMALL_PARTITIONS = 20_000, 8
"""Few events are spread over up to so many tasks: enough for the cores of a laptop, and no task without work."""

OWN_COLUMNS = ("position", "propensity", "explored", "price", "amount", "quantity", "dwell_seconds")
"""What some roles have, beside the columns of every event and the context."""


def read_log(spark: SparkSession, storage: Storage, log: Log, files: Iterable[LandedFiles]) -> DataFrame:
    """The events of a log that count, of some days: what landed for them without what was withdrawn."""
    days = list(files)
    columns = ", ".join(f"{quoted(name)} {SPARK_TYPES[column.value_type]}" for name, column in log.columns.items())
    schema = f"{columns}, {LANDED_AT.name} timestamp"
    rows = [storage.address(path) for day in days for path in day.rows]
    withdrawals = [storage.address(path) for day in days for path in day.withdrawals]
    if not rows:
        return spark.createDataFrame([], schema)
    frame = spark.read.schema(schema).parquet(*rows)
    if withdrawals:
        withdrawn = spark.read.schema(f"event_id string, {LANDED_AT.name} timestamp").parquet(*withdrawals)
        frame = frame.join(F.broadcast(withdrawn), ["event_id", LANDED_AT.name], "left_anti")
    return frame


def events_of_logs(catalogue: LogCatalogue, logs: Mapping[str, DataFrame]) -> DataFrame:
    """The events of all logs in one frame: what they share, what some have (null elsewhere), their `kind` and its `_rank`."""
    return reduce(DataFrame.unionByName, [_unified(catalogue, catalogue.logs[name], frame) for name, frame in logs.items()])


def _unified(catalogue: LogCatalogue, log: Log, frame: DataFrame) -> DataFrame:
    declared: dict[str, DeclaredColumn] = {name: column for columns in ROLE_COLUMNS.values() for name, column in columns.items()}
    declared |= catalogue.context_columns
    shared = ("event_id", "event_time", "arrival_time", "trace_id", "item_id", *catalogue.context_columns, *OWN_COLUMNS)
    columns = [
        (F.col(quoted(name)) if name in log.columns else F.lit(None)).cast(SPARK_TYPES[declared[name].value_type]).alias(name)
        for name in shared
    ]
    return frame.select(*columns, F.lit(log.name).alias("kind"), F.lit(RANKS[log.role]).alias("_rank"))


@dataclass(frozen=True)
class CreditedEvents:
    """Impressions, clicks and steps, each once; `release` lets go of what was kept of them in Spark."""

    frame: DataFrame
    kept: DataFrame

    def release(self) -> None:
        """Frees memory and disk; whoever reads the frame later works it out anew."""
        self.kept.unpersist()


def credited_events(catalogue: LogCatalogue, events: DataFrame, rows: int) -> CreditedEvents:
    """Impressions, clicks and steps, each once, with their `_credit` and `orphan`.

    An impression has the context of its request. `_credit` is the impression that a click or step belongs to: its id and time, its trace,
    context, position and price; null for orphans and for impressions themselves.

    Args:
        catalogue: the declaration.
        events: of `events_of_logs`.
        rows: about how many.
    """
    partitions = max(1, min(SMALL_PARTITIONS, rows // SMALL_PARTITION), rows // ROWS_PER_PARTITION)
    # Kept, since actions, outcomes and the second pass read it.
    traced = _by_trace(catalogue, events.where(F.col("trace_id").isNotNull()).repartition(partitions, "trace_id")).persist()
    frame = traced.unionByName(_untraced(catalogue, events, traced, partitions)) if catalogue.steps else traced
    return CreditedEvents(frame, traced)


def _by_trace(catalogue: LogCatalogue, events: DataFrame) -> DataFrame:
    context = list(catalogue.context_columns)
    of_trace = _running("trace_id")
    request = F.last(F.when(_is(REQUEST), F.struct("event_time", *context)), ignorenulls=True).over(of_trace)
    frame = events.withColumn("_request", request).where(F.col("_rank") != REQUEST)
    impression = catalogue.of_role("impression")
    frame = frame.withColumn("_has_request", _within("_request.event_time", impression.window if impression else timedelta(0)))
    shown_context = {
        name: F.when(_is(IMPRESSION), F.when(F.col("_has_request"), F.col(f"_request.{quoted(name)}"))).otherwise(F.col(quoted(name)))
        for name in context
    }
    orphan = F.when(_is(IMPRESSION) & ~F.col("_has_request"), F.lit("without_request"))
    if catalogue.of_role("request") is None:
        orphan = F.lit(None).cast("string")
    frame = frame.withColumns({**shown_context, "orphan": orphan}).drop("_request", "_has_request")

    of_item = _running("trace_id", "item_id")
    click = catalogue.of_role("click")
    shown = F.last(F.when(_is(IMPRESSION), _as_credit(catalogue)), ignorenulls=True).over(of_item)
    frame = frame.withColumn("_shown", shown)
    of_click = F.when(_is(CLICK) & _within("_shown.impression_time", click.window if click else timedelta(0)), F.col("_shown"))
    frame = frame.withColumn("_of_click", of_click)
    frame = frame.withColumn("_clicked", F.last("_of_click", ignorenulls=True).over(of_item))
    frame = frame.withColumn("_credit", F.coalesce(F.col("_of_click"), _step_credit(catalogue)))
    return _with_orphans(catalogue, frame).drop("_shown", "_of_click", "_clicked")


def _untraced(catalogue: LogCatalogue, events: DataFrame, traced: DataFrame, partitions: int) -> DataFrame:
    """Steps without trace, credited by user and item to what `traced` shows them to have seen or clicked."""
    steps = events.where(F.col("trace_id").isNull() & _is(STEP)).withColumn("orphan", F.lit(None).cast("string"))
    touches = traced.where(_is(CLICK) & F.col("_credit").isNotNull())
    if any(catalogue.logs[step].after == "impression" for step in catalogue.steps):
        shown = traced.where(_is(IMPRESSION)).withColumn("_credit", _as_credit(catalogue))
        touches = touches.unionByName(shown)
    touches = touches.withColumn("user_id", F.col("_credit.user_id"))
    known = steps.where(F.col("user_id").isNotNull()).withColumn("_credit", F.lit(None).cast(traced.schema["_credit"].dataType))
    together = known.unionByName(touches.where(F.col("user_id").isNotNull())).repartition(partitions, "user_id", "item_id")
    of_item = _running("user_id", "item_id")
    together = together.withColumns(
        {
            "_shown": F.last(F.when(_is(IMPRESSION), F.col("_credit")), ignorenulls=True).over(of_item),
            "_clicked": F.last(F.when(_is(CLICK), F.col("_credit")), ignorenulls=True).over(of_item),
        }
    )
    found = _with_orphans(catalogue, together.where(_is(STEP)).withColumn("_credit", _step_credit(catalogue))).drop("_shown", "_clicked")
    keyless = steps.where(F.col("user_id").isNull()).withColumns(
        {"orphan": F.lit("without_key"), "_credit": F.lit(None).cast(traced.schema["_credit"].dataType)}
    )
    return found.unionByName(keyless)


def _running(*key: str) -> WindowSpec:
    """All that happened with a key up to an event."""
    ordered = Window.partitionBy(*key).orderBy("event_time", "_rank", "event_id")
    return ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _is(rank: int) -> Column:
    return F.col("_rank") == rank


def _within(time: str, window: timedelta) -> Column:
    """Whether a time, which does not lie after the event, lies no longer before it than a window; false where there is none."""
    return F.coalesce(F.unix_micros("event_time") - F.unix_micros(time) <= window // timedelta(microseconds=1), F.lit(False))


def _as_credit(catalogue: LogCatalogue) -> Column:
    """An impression as what clicks and steps are credited to."""
    credit = [F.col("event_id").alias("impression_id"), F.col("event_time").alias("impression_time"), F.col("trace_id")]
    return F.struct(*credit, *[F.col(quoted(name)) for name in catalogue.context_columns], F.col("position"), F.col("price"))


def _step_credit(catalogue: LogCatalogue) -> Column:
    """What a step is credited to, of `_shown` and `_clicked`."""
    credit = F.lit(None)
    for name in catalogue.steps:
        log = catalogue.logs[name]
        source = "_clicked" if log.after == "click" else "_shown"
        found = F.when(_within(f"{source}.impression_time", log.window), F.col(source))
        credit = F.when(F.col("kind") == name, found).otherwise(credit)
    return credit


def _with_orphans(catalogue: LogCatalogue, frame: DataFrame) -> DataFrame:
    """Says of clicks and steps that belong nowhere what they lack."""
    lacks = F.lit("without_impression")
    for name in catalogue.steps:
        lacks = F.when(F.col("kind") == name, F.lit(f"without_{catalogue.logs[name].after}")).otherwise(lacks)
    belongs = _is(IMPRESSION) | F.col("_credit").isNotNull()
    return frame.withColumn("orphan", F.when(belongs, F.col("orphan")).otherwise(lacks))


def actions(catalogue: LogCatalogue, credited: DataFrame, days: DaySpan) -> DataFrame:
    """The rows of `logs/actions` of some days without their sessions, and `_arrival_known`."""
    taken = {name: F.coalesce(F.col(quoted(name)), F.col(f"_credit.{quoted(name)}")) for name in catalogue.context_columns}
    taken |= {name: F.coalesce(F.col(name), F.col(f"_credit.{name}")) for name in ("trace_id", "position", "price")}
    arrival = F.coalesce("arrival_time", "event_time")
    return (
        credited.where(_happened_in(days))
        .withColumns(taken)
        .withColumns(
            {
                "impression_id": F.when(_is(IMPRESSION), F.col("event_id")).otherwise(F.col("_credit.impression_id")),
                "_arrival_known": F.col("arrival_time").isNotNull(),
                "arrival_time": arrival,
                "event_day": F.to_date("event_time"),
                "arrival_day": F.to_date(arrival),
            }
        )
        .drop("_credit", "_rank", "propensity", "explored")
    )


def outcomes(catalogue: LogCatalogue, credited: DataFrame, days: DaySpan, final_days: Iterable[str]) -> DataFrame:
    """The rows of `logs/impression_outcomes` of some days.

    Args:
        catalogue: the declaration.
        credited: of `credited_events`.
        days: of the impressions.
        final_days: the days whose labels are final.
    """
    click = catalogue.of_role("click")
    kinds = {**({"click": click.name} if click else {}), **{step: step for step in catalogue.steps}}
    found = [
        F.min(F.when(F.col("kind") == log, F.struct("event_time", "event_id", "dwell_seconds"))).alias(f"_{label}")
        for label, log in kinds.items()
    ]
    found += [F.sum(F.when(F.col("kind") == step, F.col("amount"))).alias(f"_{step}_amount") for step in catalogue.steps]
    shown = credited.where(_is(IMPRESSION) & _happened_in(days)).withColumn("arrival_time", F.coalesce("arrival_time", "event_time"))
    shown = shown.withColumn("explored", F.coalesce("explored", F.lit(False))).drop("_credit", "amount", "quantity", "dwell_seconds")
    if found:
        of_impression = [F.col("_credit.trace_id").alias("trace_id"), F.col("_credit.impression_id").alias("event_id")]
        credits = credited.where(F.col("_credit").isNotNull()).groupBy(*of_impression).agg(*found)
        shown = shown.join(credits, ["trace_id", "event_id"], "left")
    labelled = shown.withColumns(
        {name: column for label in ("click", *catalogue.steps) for name, column in _label(label, label in kinds).items()}
    )
    state = F.when(F.to_date("event_time").cast("string").isin(list(final_days)), F.lit("final")).otherwise(F.lit("provisional"))
    return labelled.withColumn("label_state", state).select(*[F.col(quoted(name)) for name in outcomes_schema(catalogue).names])


def _label(label: str, is_logged: bool) -> dict[str, Column]:
    """What an outcome says of the click or of a step; nothing happened where there is no log of it."""
    first = F.col(f"_{label}") if is_logged else F.lit(None).cast("struct<event_time: timestamp, event_id: string, dwell_seconds: double>")
    time = first["event_time"]
    columns = {
        "clicked" if label == "click" else label: first.isNotNull(),
        f"{label}_time": time,
        f"{label}_delay_seconds": (F.unix_micros(time) - F.unix_micros("event_time")) / F.lit(1e6),
    }
    return columns | ({"dwell_seconds": first["dwell_seconds"]} if label == "click" else {f"{label}_amount": F.col(f"_{label}_amount")})


def _happened_in(days: DaySpan) -> Column:
    first, last = (F.lit(text).cast("date") for text in days.as_texts())
    return F.to_date("event_time").between(first, last)
