"""Stitching in Spark: events of all logs become actions with their context, and impressions with what came of them.

The rules are those of `reference.py`. All that shares a trace is brought together once, and a kernel finds what belongs to what. Only steps
that know no trace are brought together a second time, by user and item, with the little that they may belong to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F

from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import LANDED_AT, ROLE_COLUMNS, Role
from srp_assets.logs.spans import DaySpan
from srp_assets.logs.stitching.trace_kernel import CLICK, IMPRESSION, REQUEST, STEP, Rules, TraceKernel
from srp_assets.warehouse.catalogue import Column as DeclaredColumn
from srp_assets.warehouse.plan_types import SPARK_TYPES, quoted
from srp_assets.warehouse.schema import ARROW_TYPES, TIMESTAMP
from srp_assets.warehouse.storage import Storage

MICROSECOND = timedelta(microseconds=1)

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
    declared = _declared(catalogue)
    columns = [
        (F.col(quoted(name)) if name in log.columns else F.lit(None)).cast(SPARK_TYPES[declared[name].value_type]).alias(name)
        for name in _shared_columns(catalogue)
    ]
    return frame.select(*columns, F.lit(log.name).alias("kind"), F.lit(RANKS[log.role]).alias("_rank"))


def _shared_columns(catalogue: LogCatalogue) -> tuple[str, ...]:
    return ("event_id", "event_time", "arrival_time", "trace_id", "item_id", *catalogue.context_columns, *OWN_COLUMNS)


def _declared(catalogue: LogCatalogue) -> dict[str, DeclaredColumn]:
    return {name: column for columns in ROLE_COLUMNS.values() for name, column in columns.items()} | catalogue.context_columns


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
    kernel = trace_kernel(catalogue)
    return events.mapInArrow(kernel.run, _ddl(kernel.schema))


def trace_kernel(catalogue: LogCatalogue) -> TraceKernel:
    """The kernel that finds what belongs to what along the traces of a catalogue's logs."""
    impression, click, has_requests = catalogue.of_role("impression"), catalogue.of_role("click"), catalogue.of_role("request") is not None
    rules = Rules(
        impression_window=impression.window // MICROSECOND if impression and has_requests else None,
        click_window=click.window // MICROSECOND if click else 0,
        steps={name: (catalogue.logs[name].window // MICROSECOND, catalogue.logs[name].after == "click") for name in catalogue.steps},
        context=tuple(catalogue.context_columns),
    )
    orphans = {name: f"without_{catalogue.logs[name].after}" for name in catalogue.steps}
    orphans |= {log.name: lacks for log, lacks in ((impression, "without_request"), (click, "without_impression")) if log}
    return TraceKernel(rules, orphans, _traced_schema(catalogue))


def _traced_schema(catalogue: LogCatalogue) -> pa.Schema:
    """What is known of an impression, click or step once it is stitched."""
    declared = _declared(catalogue)
    own = [pa.field(name, ARROW_TYPES[declared[name].value_type]) for name in _shared_columns(catalogue)]
    own += [pa.field("kind", pa.string()), pa.field("_rank", pa.int32()), pa.field("orphan", pa.string())]
    credit = [pa.field("impression_id", pa.string()), pa.field("impression_time", TIMESTAMP), pa.field("trace_id", pa.string())]
    credit += [pa.field(name, ARROW_TYPES[column.value_type]) for name, column in catalogue.context_columns.items()]
    credit += [pa.field("position", pa.int64()), pa.field("price", pa.float64())]
    return pa.schema([*own, pa.field("_credit", pa.struct(credit))])


def _ddl(schema: pa.Schema) -> str:
    """A schema as Spark writes it."""
    return ", ".join(f"{quoted(field.name)} {_spark_type(field.type)}" for field in schema)


def _spark_type(type_: pa.DataType) -> str:
    if pa.types.is_struct(type_):
        return f"struct<{', '.join(f'{quoted(field.name)}: {_spark_type(field.type)}' for field in type_)}>"
    return next(spark for name, spark in SPARK_TYPES.items() if ARROW_TYPES[name] == type_) if type_ != pa.int32() else "int"


def _untraced(catalogue: LogCatalogue, events: DataFrame, traced: DataFrame, partitions: int) -> DataFrame:
    """Steps without trace, credited by user and item to what `traced` shows them to have seen or clicked."""
    steps = events.where(F.col("trace_id").isNull() & _is(STEP)).withColumn("orphan", F.lit(None).cast("string"))
    touches = traced.where(_is(CLICK) & F.col("_credit").isNotNull())
    if any(catalogue.logs[step].after == "impression" for step in catalogue.steps):
        shown = traced.where(_is(IMPRESSION)).withColumn("_credit", _as_credit(catalogue))
        touches = touches.unionByName(shown)
    touches = touches.withColumn("user_id", F.col("_credit.user_id"))
    known = steps.where(F.col("user_id").isNotNull()).withColumn("_credit", _no_credit(catalogue))
    together = known.unionByName(touches.where(F.col("user_id").isNotNull())).repartition(partitions, "user_id", "item_id")
    of_item = _running("user_id", "item_id")
    together = together.withColumns(
        {
            "_shown": F.last(F.when(_is(IMPRESSION), F.col("_credit")), ignorenulls=True).over(of_item),
            "_clicked": F.last(F.when(_is(CLICK), F.col("_credit")), ignorenulls=True).over(of_item),
        }
    )
    found = _with_orphans(catalogue, together.where(_is(STEP)).withColumn("_credit", _step_credit(catalogue))).drop("_shown", "_clicked")
    keyless = steps.where(F.col("user_id").isNull()).withColumns({"orphan": F.lit("without_key"), "_credit": _no_credit(catalogue)})
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


def _no_credit(catalogue: LogCatalogue) -> Column:
    """A null of the type of `_as_credit` (asking Spark for the type would have it plan everything before)."""
    return F.lit(None).cast(_spark_type(_traced_schema(catalogue).field("_credit").type))


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


def outcomes(credited: DataFrame, days: DaySpan) -> DataFrame:
    """The impressions of some days, and beside them what is credited to them, with the `_day` of the impression and its trace.

    An impression has no `_impression_id`, anything else the id of its impression.
    """
    shown = credited.where(_is(IMPRESSION) & _happened_in(days)).withColumns(
        {
            "arrival_time": F.coalesce("arrival_time", "event_time"),
            "explored": F.coalesce("explored", F.lit(False)),
            "_impression_id": F.lit(None).cast("string"),
            "_day": F.to_date("event_time"),
        }
    )
    follows = credited.where(F.col("_credit").isNotNull()).withColumns(
        {
            "trace_id": F.col("_credit.trace_id"),
            "_impression_id": F.col("_credit.impression_id"),
            "_day": F.to_date("_credit.impression_time"),
        }
    )
    first, last = (F.lit(text).cast("date") for text in days.as_texts())
    return shown.unionByName(follows.where(F.col("_day").between(first, last))).drop("_credit", "orphan", "_rank", "quantity")


def _happened_in(days: DaySpan) -> Column:
    first, last = (F.lit(text).cast("date") for text in days.as_texts())
    return F.to_date("event_time").between(first, last)
