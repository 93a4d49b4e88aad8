"""Reading landed logs in Spark, and the steps of a pass: who does what of `tasks.py`, and on which files."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.logs.catalogue import Log
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import LANDED_AT
from srp_assets.logs.stitching.tasks import Handed, LandedEvents, Pass
from srp_assets.warehouse.plan_tasks import done
from srp_assets.warehouse.plan_types import SPARK_TYPES, quoted
from srp_assets.warehouse.storage import Storage

ROWS_OF_A_TASK = 400_000
"""Events that one task orders: some hundred megabytes."""

SMALL_TASK, SMALL_TASKS = 20_000, 8
"""Few events are spread over up to so many tasks: enough for the cores of a laptop, and no task without work."""


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


def task_count(rows: int) -> int:
    """How many tasks share some events."""
    return max(1, min(SMALL_TASKS, rows // SMALL_TASK), rows // ROWS_OF_A_TASK)


def run_pass(spark: SparkSession, pass_: Pass, landed: Sequence[LandedEvents]) -> list[dict[str, Any]]:
    """Runs the steps of a pass; gives the manifests of what it wrote.

    Args:
        spark: the session.
        pass_: what is done.
        landed: all that is read.

    Raises:
        Unavailable: if Spark or the disk fails.
    """
    handed = done(spark, pass_.scatter, landed, pass_.partitions)
    events, untraced = (_by_log(handed, kind) for kind in ("events", "untraced"))
    parts = range(pass_.partitions)
    handed += done(spark, partial(pass_.stitch, events=events, with_touches=bool(untraced)), parts)
    if untraced:
        handed += done(spark, partial(pass_.credit, steps=untraced, touches=_paths(handed, "touches")), parts)
    kinds: tuple[Handed, ...] = ("stitched", "followers")
    files = {kind: _paths(handed, kind) for kind in kinds}
    return done(spark, partial(pass_.write, files=files), _ranges(pass_.units, pass_.partitions * 2))


def _ranges(count: int, pieces: int) -> list[range]:
    """Numbers below a count, cut into pieces of about the same size."""
    pieces = min(count, pieces)
    borders = [count * piece // pieces for piece in range(pieces + 1)]
    return [range(start, end) for start, end in zip(borders, borders[1:], strict=False)]


def _paths(handed: Iterable[Mapping[str, Any]], kind: Handed) -> tuple[str, ...]:
    return tuple(sorted(row["path"] for row in handed if row["table"] == kind))


def _by_log(handed: Sequence[Mapping[str, Any]], kind: Handed) -> dict[str, tuple[str, ...]]:
    logs = sorted({row["log"] for row in handed if row["table"] == kind})
    return {log: _paths((row for row in handed if row["table"] == kind and row["log"] == log), kind) for log in logs}
