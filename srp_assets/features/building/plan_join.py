"""The point-in-time join in Spark: requests are brought to the buckets of each family, completed there, and put together again.

Partial sums and raw rows are never shuffled: a task reads those of its bucket from the files. What the tasks hand on lies in a scratch
folder (`exchange.py`); the caller deletes it when the result was read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.exchange import REQUEST, Exchange, given_columns
from srp_assets.features.building.files import PartialFiles, VersionFiles, Written
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.times import Clock

BLOCK_ROWS = 65_536
"""Requests that are put together at once: with 139 features some 70 MB."""

NAME, DAY = "impressions", "day"

SPARK_TYPES: dict[ValueType, str] = {"number": "double", "text": "string", "time": "timestamp", "texts": "array<string>"}

Batches = Iterator[pa.RecordBatch]


def features_of_requests(
    requests: DataFrame,
    files: PartialFiles,
    layout: Layout,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    scratch: str,
    clock: Clock = "as_arrived",
) -> DataFrame:
    """All features of requests: `event_id`, `as_of`, and a column for each feature. Everything but the derived ones is computed here.

    Args:
        requests: candidates with a unique `event_id`, `as_of`, and the columns that keys and derived features read.
        files: the builds of all days that windows reach.
        layout: of the definitions.
        versions: of the rows that attributes are taken from.
        buckets: of the builds.
        scratch: a folder of the files' storage; the caller deletes it when the frame was read.
        clock: which events count.
    """
    exchange = Exchange(files, layout, dict(versions), buckets, scratch, clock)
    blocks = _completed(requests, exchange)
    types: dict[str, ValueType] = {REQUEST: "text", "as_of": "time"}
    types |= {name: feature.value_type for name, feature in layout.definitions.features.items()}
    schema = ", ".join(f"`{name}` {SPARK_TYPES[type_]}" for name, type_ in types.items())
    return _numbers(requests.sparkSession, len(blocks)).mapInArrow(_gather(exchange, blocks), schema)


def write_features(
    requests: DataFrame,
    files: PartialFiles,
    layout: Layout,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    folder: str,
    clock: Clock = "as_arrived",
) -> dict[str, list[Written]]:
    """Writes all features of requests by the day of `as_of`, below `<folder>/day=2024-03-09`; returns the files of each day.

    The arguments are those of `features_of_requests`; scratch is in the folder and deleted.
    """
    exchange = Exchange(files, layout, dict(versions), buckets, f"{folder}/scratch", clock)
    try:
        blocks = _completed(requests, exchange)
        manifest = "day string, path string, rows bigint, bytes bigint"
        rows = _numbers(requests.sparkSession, len(blocks)).mapInArrow(_write(exchange, blocks, folder), manifest).toArrow().to_pylist()
    finally:
        files.storage.delete_tree(exchange.scratch)
    written: dict[str, list[Written]] = {}
    for row in sorted(rows, key=lambda row: row["path"]):
        written.setdefault(row.pop(DAY), []).append(Written(NAME, NAME, **row))
    return written


def _numbers(spark: SparkSession, count: int) -> DataFrame:
    """A task for each number."""
    return spark.range(0, count, 1, max(1, count))


def _completed(requests: DataFrame, exchange: Exchange) -> list[str]:
    """Scatters requests and completes them; the blocks that they are in."""
    types: dict[str, ValueType] = {REQUEST: "text", "as_of": "time"}
    types |= {name: exchange.definitions.request_columns[name] for name in given_columns(exchange.definitions)}
    typed = requests.select(*[F.col(f"`{name}`").cast(SPARK_TYPES[type_]).alias(name) for name, type_ in types.items()])
    blocks = sorted(typed.mapInArrow(_scatter(exchange), "block string").toArrow()["block"].to_pylist())
    units = list(product(range(len(exchange.layout.families)), range(exchange.buckets)))
    if blocks:
        _numbers(requests.sparkSession, len(units)).mapInArrow(_complete(exchange, units, blocks), "unit bigint").toArrow()
    return blocks


def _scatter(exchange: Exchange) -> Callable[[Batches], Batches]:
    def scatter(batches: Batches) -> Batches:
        standing = exchange.read_versions()
        for table in _blocks(batches):
            # A task that is tried again writes other blocks; those of the broken one are in no list.
            block = uuid4().hex
            exchange.scatter(table, standing, block)
            yield pa.RecordBatch.from_pydict({"block": [block]})

    return scatter


def _blocks(batches: Batches) -> Iterator[pa.Table]:
    """Batches as tables of about `BLOCK_ROWS`."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(held.num_rows for held in waiting) >= BLOCK_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if any(batch.num_rows for batch in waiting):
        yield pa.Table.from_batches(waiting)


def _complete(exchange: Exchange, units: Sequence[tuple[int, int]], blocks: Sequence[str]) -> Callable[[Batches], Batches]:
    def complete(batches: Batches) -> Batches:
        for batch in batches:
            for unit in batch.column(0).to_pylist():
                family, bucket = units[unit]
                exchange.complete(exchange.layout.families[family], bucket, blocks)
            yield pa.RecordBatch.from_arrays([batch.column(0)], names=["unit"])

    return complete


def _gather(exchange: Exchange, blocks: Sequence[str]) -> Callable[[Batches], Batches]:
    def gather(batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from exchange.gather(number, blocks[number]).combine_chunks().to_batches()

    return gather


def _write(exchange: Exchange, blocks: Sequence[str], folder: str) -> Callable[[Batches], Batches]:
    schema = pa.schema([(DAY, pa.string()), ("path", pa.string()), ("rows", pa.int64()), ("bytes", pa.int64())])

    def write(batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                rows = []
                for day, table in _by_day(exchange.gather(number, blocks[number])):
                    path = f"{folder}/{DAY}={day}/{blocks[number]}.parquet"
                    size = exchange.files.storage.write(path, table)
                    rows.append({DAY: day, "path": path, "rows": table.num_rows, "bytes": size})
                yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return write


def _by_day(features: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    days = pc.strftime(features["as_of"], "%Y-%m-%d")
    for day in sorted(pc.unique(days).to_pylist()):
        yield day, features.filter(pc.equal(days, day))
