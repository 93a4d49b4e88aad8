"""Joins along a pattern's edges, for all tasks of a group at once, without ever multiplying rows.

What travels along an edge is a *message*: for each join key the OR of the task bitmaps of the rows that have it. A row keeps the tasks
that its own bitmap and all its neighbours' messages share. From the leaves to the recalled object this answers exactly which tasks each of
its rows is a case of, since a pattern is a tree (the semi-join program of Yannakakis, "Algorithms for acyclic database schemes", VLDB 1981,
with a bitmap of tasks in the place of one query's yes or no). A post with a million comments sends one message.

Objects without rules never pass through Python: their rows are first reduced by the messages of the objects that have rules, joined on
the table's buckets or by a broadcast of the message, so that no unfiltered row is exchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from srp_assets.recall.scan.compile import WORD_BITS, Group, edges_of
from srp_assets.strategy.reference import SHOWN_KEYS
from srp_assets.warehouse.catalogue import Catalogue, Entity, FilteredObject, Relation
from srp_assets.warehouse.plan_types import condition_holds


@dataclass(frozen=True)
class Candidates:
    """The rows of one object that may take part, with the tasks of the group that they may take part in.

    `frame` has `_product`, the bitmap words `_word0`, `_word1`, ..., the object's columns, and `_hits` where the object has rules. `rows`
    is at least the number of its rows.
    """

    frame: DataFrame
    rows: int


ONE_PARTITION_ROWS = 100_000
"""Up to so many rows an object's candidates are one partition: joins and groupings of such need no shuffle, each of which costs Spark more
than the work itself."""


def candidates_of(frame: DataFrame, rows: int) -> Candidates:
    """Candidates in as few partitions as their number of rows wants."""
    return Candidates(frame.coalesce(1) if rows <= ONE_PARTITION_ROWS else frame, rows)


def word_names(words: int) -> list[str]:
    """The columns of a bitmap."""
    return [f"_word{index}" for index in range(words)]


def ruled_candidates(found: DataFrame, words: int, columns: Sequence[str]) -> DataFrame:
    """The rows that a scan found for an object with rules, as joins take them."""
    bitmap = [F.get("_bits", F.lit(index)).alias(name) for index, name in enumerate(word_names(words))]
    return found.select("_product", *bitmap, "_hits", *columns)


def native_candidates(
    table: DataFrame, entity: Entity, object_: FilteredObject, products: Sequence[str], columns: Sequence[str], words: int
) -> DataFrame:
    """The rows of an object without rules: of every task until messages reduce them."""
    rows = table.filter(F.col("product").isin(list(products)))
    if object_.visibility == "visible":
        rows = rows.filter(F.col("visible"))
    for condition in object_.where:
        rows = rows.filter(condition_holds(condition, entity))
    every_task = [F.lit(-1).cast("bigint").alias(name) for name in word_names(words)]
    return rows.select(F.col("product").alias("_product"), *every_task, *columns)


class Buckets(NamedTuple):
    """How a table is bucketed."""

    column: str
    number: int


def receive(
    frame: DataFrame, sender: DataFrame, relation: Relation, words: int, *, strategy: str | None = None, buckets: Buckets | None = None
) -> DataFrame:
    """The rows that keep some task after the message of one neighbour.

    Args:
        frame: rows of the left side of `relation`, with their bitmaps.
        sender: rows of the right side, with theirs.
        relation: how the two join.
        words: words of a bitmap.
        strategy: the join strategy that Spark is told to use for the message; it chooses itself if None.
        buckets: how `frame` is bucketed: the message is then brought to the buckets, where Spark might rather shuffle the table.
    """
    names = word_names(words)
    received: list[list[Column]] = []
    alone = len(relation.any_of) == 1
    for number, pairs in enumerate(relation.any_of):
        keys = [F.col(right).alias(f"_key{number}_{index}") for index, (_, right) in enumerate(pairs)]
        key_names = [f"_key{number}_{index}" for index in range(len(pairs))]
        sent = sender.select(F.col("_product").alias(f"_from{number}"), *keys, *names).dropna(subset=key_names)
        for (left, _), key in zip(pairs, key_names, strict=True):
            if buckets is not None and left == buckets.column:
                sent = sent.repartition(buckets.number, key)
        merged = [F.bit_or(name).alias(f"_message{number}_{index}") for index, name in enumerate(names)]
        message = sent.groupBy(f"_from{number}", *key_names).agg(*merged)
        condition = F.col("_product") == F.col(f"_from{number}")
        for (left, _), key in zip(pairs, key_names, strict=True):
            condition = condition & (F.col(left) == F.col(key))
        frame = frame.join(message.hint(strategy) if strategy else message, condition, "inner" if alone else "left")
        received.append([F.coalesce(F.col(f"_message{number}_{index}"), F.lit(0).cast("bigint")) for index in range(words)])
    kept = [c for c in frame.columns if not c.startswith(("_key", "_from", "_message")) and c not in names]
    shared = [
        F.col(name).bitwiseAND(balanced([alternative[index] for alternative in received], Column.bitwiseOR)).alias(name)
        for index, name in enumerate(names)
    ]
    return frame.select(*kept, *shared).filter(any_task(words))


def any_task(words: int) -> Column:
    """Whether a bitmap has some task."""
    return balanced([F.col(name) != 0 for name in word_names(words)], Column.__or__)


def balanced(conditions: Sequence[Column], combine: Callable[[Column, Column], Column]) -> Column:
    """Folds conditions as a balanced tree: Spark Connect cannot decode deep ones."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return combine(balanced(conditions[:half], combine), balanced(conditions[half:], combine))


def reduced(
    catalogue: Catalogue,
    group: Group,
    candidates: Mapping[str, Candidates],
    object_name: str,
    parent: str | None,
    into: dict[str, Candidates],
) -> None:
    """Reduces an object by all that hangs below it, seen from the recalled object; fills `into` for it and for all below."""
    frame, rows = candidates[object_name].frame, candidates[object_name].rows
    for relation in edges_of(catalogue, group.objects, object_name):
        if relation.right != parent:
            reduced(catalogue, group, candidates, relation.right, object_name, into)
            strategy = _strategy(rows, into[relation.right].rows)
            frame = receive(frame, into[relation.right].frame, relation, group.words, strategy=strategy)
    into[object_name] = Candidates(frame, rows)


def case_rows(recalled: Candidates, group: Group, key: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """One row for each case: `_task` (the task's bit), `_product`, `_case` (the recalled row's key), its columns and its hits."""
    # Asking the frame for its columns would have Spark analyze all joins before it.
    hits = F.col("_hits") if group.recall in group.ruled else F.array().cast("array<bigint>")
    return recalled.frame.select(
        F.explode(_tasks(len(group.tasks))).alias("_task"), "_product", F.struct(*key).alias("_case"), hits.alias("_hits"), *columns
    )


def joined_rows(
    catalogue: Catalogue,
    group: Group,
    candidates: Mapping[str, Candidates],
    cases: DataFrame,
    object_name: str,
    parent: str | None,
    into: dict[str, DataFrame],
) -> None:
    """Walks from the cases outward: for each other object the distinct rows that a case joins, as (`_task`, `_product`, `_case`, row)."""
    for relation in edges_of(catalogue, group.objects, object_name):
        child = relation.right
        if child == parent:
            continue
        key = catalogue.entity_of(child).key
        found: DataFrame | None = None
        for pairs in relation.any_of:
            near = cases.select(
                "_task", "_product", "_case", *[F.col(left).alias(f"_near{index}") for index, (left, _) in enumerate(pairs)]
            )
            far = candidates[child].frame.withColumnRenamed("_product", "_far")
            condition = (F.col("_product") == F.col("_far")) & _has_task(group.words)
            for index, (_, right) in enumerate(pairs):
                condition = condition & (F.col(f"_near{index}") == F.col(right))
            near_names = [f"_near{index}" for index in range(len(pairs))]
            strategy = _strategy(candidates[object_name].rows, candidates[child].rows)
            rows = near.join(far.hint(strategy) if strategy else far, condition).drop("_far", *near_names, *word_names(group.words))
            found = rows if found is None else found.unionByName(rows)
        if found is None:
            raise ValueError(f"relation {relation.left}-{relation.right} joins by nothing")
        into[child] = found.dropDuplicates(["_task", "_product", "_case", *key])
        joined_rows(catalogue, group, candidates, into[child], child, object_name, into)


def joined_summary(rows: DataFrame, key: Sequence[str], payload: Sequence[str]) -> DataFrame:
    """For each case: how many rows of an object it joins, the first three keys in order, and the columns of the first row.

    Adds `_joined`: struct(rows, keys: array of key structs, first: struct of `payload`, left out where that is empty).
    """
    order = F.struct(*key)
    parts = [F.count(F.lit(1)).alias("rows"), F.min_by(order, order, SHOWN_KEYS).alias("keys")]
    if payload:
        parts.append(F.min_by(F.struct(*payload), order).alias("first"))
    return rows.groupBy("_task", "_product", "_case").agg(F.struct(*parts).alias("_joined"))


def _strategy(*rows: int) -> str | None:
    """Two sides of one partition each are hashed where they are; a broadcast would be a job of its own."""
    return "shuffle_hash" if max(rows) <= ONE_PARTITION_ROWS else None


def _tasks(count: int) -> Column:
    words = F.array(*word_names(-(-count // WORD_BITS)))
    return F.filter(F.sequence(F.lit(0), F.lit(count - 1)), lambda task: _bit(words, task))


def _has_task(words: int) -> Column:
    return _bit(F.array(*word_names(words)), F.col("_task"))


def _bit(words: Column, task: Column) -> Column:
    return F.getbit(F.get(words, F.floor(task / WORD_BITS).cast("int")), task % WORD_BITS) == 1
