"""Work that Spark only hands out: orders go to tasks, which read and write files themselves; the driver gets manifests."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import grpc
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from srp_assets.errors import Unavailable
from srp_assets.warehouse.manifests import MANIFEST_DDL, manifests
from srp_assets.warehouse.plan_build import cause_of

Order = TypeVar("Order")


def done(
    spark: SparkSession, work: Callable[[Order], Iterable[dict[str, Any]]], orders: Sequence[Order], tasks: int | None = None
) -> list[dict[str, Any]]:
    """Has orders done and gives the manifests of all.

    Args:
        spark: the session.
        work: what a task does with an order.
        orders: neighbours go to one task.
        tasks: how many there are, one for each order unless said otherwise.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    orders = tuple(orders)
    if not orders:
        return []

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from manifests(work(orders[number]))

    return collected(spark.range(0, len(orders), 1, min(tasks or len(orders), len(orders))).mapInArrow(run, MANIFEST_DDL))


def collected(written: DataFrame) -> list[dict[str, Any]]:
    """Runs the writing of files and gives their manifests.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    return [json.loads(text) for text in rows_of(written).column("manifest").to_pylist()]


def rows_of(frame: DataFrame) -> pa.Table:
    """The rows of a frame, which are few.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    try:
        return frame.toArrow()
    except (PySparkException, grpc.RpcError) as error:
        raise Unavailable(
            f"Spark could not build: {cause_of(str(error))}", remedy="build again once that is corrected; the old build stays"
        ) from error
