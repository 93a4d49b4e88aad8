"""Statistics of a batch in Spark: one pass over its cases for the counts, one over their keys for what tasks have in common.

Everything is written below a folder of the caller's. What exemptions silence takes a merged scan of its own (`exemptions.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.insights.statistics.case_files import CaseSource, CountOrder, count_order, tallied
from srp_assets.insights.statistics.exemptions import EXEMPTIONS_OF, Variant
from srp_assets.insights.statistics.overlaps import KeyedTask, mask_names, masks
from srp_assets.insights.statistics.tallies import TALLY_SCHEMA
from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.orders import read_order, write_order
from srp_assets.warehouse.storage import Storage

KEPT_PAIRS = 1_000
"""Pairs of words that are kept of a task, the most frequent first: what people look at, and what a year of batches can be added from."""

SAMPLED = 20
"""Silenced cases that are kept of a list, chosen by a hash of their keys: the same each time, and no likelier to be old than new."""

BatchMapper = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def count_cases(spark: SparkSession, storage: Storage, catalogue: Catalogue, sources: Sequence[CaseSource], folder: str) -> pa.Table:
    """The tallies of tasks, from their kept cases.

    Args:
        spark: the session.
        storage: the warehouse.
        catalogue: that the tasks were resolved against.
        sources: where their cases lie.
        folder: where the workers' order is written, relative to the warehouse.

    Returns:
        Rows of `TALLY_SCHEMA`, each (task, statistic, key) once; of pairs of words the most frequent.
    """
    order = count_order(storage, catalogue, sources)
    if not order.units:
        return TALLY_SCHEMA.empty_table()
    path = f"{folder}/count.json"
    write_order(storage, path, order)
    parts = spark.range(0, len(order.slots), 1, len(order.slots)).mapInArrow(_counter(storage, path), from_arrow_schema(TALLY_SCHEMA))
    summed = parts.groupBy("task_id", "statistic", "key").agg(F.sum("cases").alias("cases"), F.sum("hits").alias("hits"))
    by_frequency = Window.partitionBy("task_id", "statistic").orderBy(F.desc("cases"), "key")
    ranked = summed.withColumn("_rank", F.when(F.col("statistic") == "word_pair", F.row_number().over(by_frequency)).otherwise(0))
    found: pa.Table = ranked.filter(F.col("_rank") <= KEPT_PAIRS).drop("_rank").toArrow()
    return found.cast(TALLY_SCHEMA)


def write_keys(spark: SparkSession, storage: Storage, sources: Sequence[CaseSource], tasks: Sequence[KeyedTask], folder: str) -> pa.Table:
    """Writes which rows are cases of which tasks, and counts them by the tasks that they are cases of.

    Args:
        spark: the session.
        storage: the warehouse.
        sources: where the cases lie.
        tasks: in the order of their bits.
        folder: where the keys are written, relative to the warehouse: (entity, product, id, and a bitmap of the tasks).

    Returns:
        One row for each entity and set of tasks that some row is a case of, with `rows`, the number of such rows.
    """
    at_bits = spark.createDataFrame(
        [(task.task_id, task.entity, *masks(bit, len(tasks))) for bit, task in enumerate(tasks)],
        ", ".join(["task_id string", "entity string", *(f"{name} bigint" for name in mask_names(len(tasks)))]),
    )
    words = mask_names(len(tasks))
    cases = _cases(spark, storage, sources).select("task_id", "product", "id").join(F.broadcast(at_bits), "task_id")
    keys = cases.groupBy("entity", "product", "id").agg(*(F.bit_or(name).alias(name) for name in words))
    address = storage.address(folder)
    keys.write.mode("overwrite").parquet(address)
    written = spark.read.schema(keys.schema).parquet(address)
    counted: pa.Table = written.groupBy("entity", *words).agg(F.count("*").alias("rows")).toArrow()
    return counted


@dataclass(frozen=True)
class Silenced:
    """What exemptions silence.

    `counts` has (task_id, list_id, word, cases): the cases silenced by an exemption, and in all where the word is null. `samples` are some
    of them, with `list_id`, as they were kept.
    """

    counts: pa.Table
    samples: pa.Table


def find_silenced(
    spark: SparkSession,
    storage: Storage,
    variants: Sequence[Variant],
    variants_folder: str,
    sources: Sequence[CaseSource],
    folder: str,
) -> Silenced:
    """The cases of variants that are no cases of their tasks.

    Args:
        spark: the session.
        storage: the warehouse.
        variants: what was run.
        variants_folder: where their cases lie, relative to the warehouse.
        sources: where the cases of their tasks lie.
        folder: where intermediate rows are written, relative to the warehouse.
    """
    names = spark.createDataFrame(
        [(variant.spec.task_id, variant.task_id, variant.list_id) for variant in variants],
        "variant string, task_id string, list_id string",
    )
    found = _read(spark, storage, variants_folder).withColumnRenamed("task_id", "variant").join(F.broadcast(names), "variant")
    own = _cases(spark, storage, sources).select("task_id", "product", "key_order")
    added = found.join(own, ["task_id", "product", "key_order"], "left_anti")
    case = F.struct(*(F.col(name) for name in CASE_SCHEMA.names))
    by_exemption = F.transform(F.filter("hits", _is_exemption), lambda hit: hit["word"])
    once = added.groupBy("task_id", "list_id", "product", "key_order").agg(
        F.array_distinct(F.flatten(F.collect_list(by_exemption))).alias("words"),
        F.min_by(case, "variant").alias("case"),
    )
    address = storage.address(f"{folder}/silenced")
    once.write.mode("overwrite").parquet(address)
    written = spark.read.schema(once.schema).parquet(address)
    lines = written.select("task_id", "list_id", F.explode(F.concat(F.array(F.lit(None).cast("string")), "words")).alias("word"))
    counts = lines.groupBy("task_id", "list_id", "word").agg(F.count("*").alias("cases"))
    by_hash = Window.partitionBy("task_id", "list_id").orderBy(F.xxhash64("product", "key_order"), "product", "key_order")
    chosen = written.withColumn("_rank", F.row_number().over(by_hash)).filter(F.col("_rank") <= SAMPLED)
    samples = chosen.select("list_id", F.col("_rank").alias("rank"), "case.*")
    return Silenced(counts.toArrow(), samples.toArrow())


def _is_exemption(hit: Column) -> Column:
    return hit["list"].startswith(EXEMPTIONS_OF)


def _cases(spark: SparkSession, storage: Storage, sources: Sequence[CaseSource]) -> DataFrame:
    """The cases of tasks as they lie in their files."""
    frames = [
        _read(spark, storage, source.folder).filter(F.col("task_id").isin(list(source.task_ids)))
        for source in sources
        if storage.exists(source.folder)  # a batch without any case writes nothing
    ]
    if not frames:
        return spark.createDataFrame([], from_arrow_schema(CASE_SCHEMA))
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame)
    return whole


def _read(spark: SparkSession, storage: Storage, folder: str) -> DataFrame:
    if not storage.exists(folder):
        return spark.createDataFrame([], from_arrow_schema(CASE_SCHEMA))
    # Cases of each group of tasks lie in a folder of their own.
    reader = spark.read.schema(from_arrow_schema(CASE_SCHEMA)).option("recursiveFileLookup", "true")
    return reader.parquet(storage.address(folder))


def _counter(storage: Storage, path: str) -> BatchMapper:
    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            order = read_order(CountOrder, storage.location, path)
            for slot in batch.column(0).to_pylist():
                yield from tallied(storage, order, slot)

    return count
