"""Joins groups with many candidates in Spark: messages between bucketed tables, cases assembled where the rows are."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.recall.scan.assembly import CaseAssembler
from srp_assets.recall.scan.compile import Group, candidate_columns, edges_of, native_levels
from srp_assets.recall.scan.orders import read_plan
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_join import (
    Buckets,
    Candidates,
    candidates_of,
    case_rows,
    joined_rows,
    joined_summary,
    native_candidates,
    receive,
    reduced,
    ruled_candidates,
)
from srp_assets.recall.scan.plan_reduction import FoundCandidates, candidate_frame
from srp_assets.warehouse.catalogue import Relation
from srp_assets.warehouse.storage import Storage

GROUPS_AT_ONCE = 4
"""Groups that are joined side by side: planning one overlaps with the work of others (arbitrary: twice the cores of a small machine)."""

CONSTRAINTS = "spark.sql.constraintPropagation.enabled"
"""Spark's name for inferring filters of filters."""


class LargeGroups:
    """The groups of a batch that Spark joins.

    Args:
        attempt: the attempt at the batch.
        found: the candidates of objects with rules.
        broadcast_rows: join keys up to this number are broadcast.
    """

    def __init__(self, attempt: Attempt, found: FoundCandidates, broadcast_rows: int) -> None:
        self._attempt = attempt
        self._plan = attempt.plan
        self._found = found
        self._broadcast_rows = broadcast_rows

    def write_cases(self, groups: Sequence[Group]) -> tuple[dict[str, int], int]:
        """Writes the cases of groups, one job for each: Spark plans a union of all again after each of its stages.

        Returns:
            The number of cases by task, where there are any, and of hits.
        """
        if not groups:
            return {}, 0
        with without_constraints(self._attempt.spark), ThreadPoolExecutor(GROUPS_AT_ONCE) as pool:
            list(pool.map(self._write_cases, groups))
        storage = self._attempt.storage
        folders = [storage.address(f"{self._attempt.cases_folder}/group-{group.index}") for group in groups]
        cases = self._attempt.spark.read.schema(from_arrow_schema(CASE_SCHEMA)).parquet(*folders)
        rows = cases.groupBy("task_id").agg(F.count(F.lit(1)).alias("cases"), F.sum(F.size("hits")).alias("hits")).collect()
        return {row["task_id"]: row["cases"] for row in rows}, sum(row["hits"] for row in rows)

    def _write_cases(self, group: Group) -> None:
        cases = self.group_cases(group).repartition("task_id").sortWithinPartitions("task_id", "product", "key_order")
        self._attempt.write(cases, f"cases/group-{group.index}")

    def group_cases(self, group: Group) -> DataFrame:
        """The cases of one group's tasks."""
        catalogue = self._plan.catalogue
        kept: dict[str, Candidates] = {}
        reduced(catalogue, group, self.candidates(group), group.recall, None, kept)
        entity = catalogue.entity_of(group.recall)
        columns = candidate_columns(self._plan, group, group.recall)
        rows = case_rows(kept[group.recall], group, entity.key, columns)
        others: dict[str, DataFrame] = {}
        joined_rows(catalogue, group, kept, rows, group.recall, None, others)
        for name, frame in others.items():
            payload = ["_hits", *candidate_columns(self._plan, group, name)] if name in group.ruled else []
            summary = joined_summary(frame, catalogue.entity_of(name).key, payload).withColumnRenamed("_joined", f"_joined_{name}")
            rows = rows.join(summary, ["_task", "_product", "_case"])
        shown = [f"_joined_{name}" for name in others]
        rows = rows.select("_task", "_product", "_hits", *columns, *shown)
        return rows.mapInArrow(_assembler(self._attempt.storage, self._attempt.plan_path, group.index), from_arrow_schema(CASE_SCHEMA))

    def candidates(self, group: Group) -> dict[str, Candidates]:
        """The rows of each object that may take part: from the scans, or from tables reduced by them."""
        found = self.ruled(group)
        for level in native_levels(self._plan.catalogue, group):
            for name in level:
                found[name] = self.reduced_table(group, name, found)
        return found

    def ruled(self, group: Group) -> dict[str, Candidates]:
        """The rows that the scans found, by object."""
        found = {}
        for name in sorted(group.ruled):
            own = self._found[group.index, name]
            frame = ruled_candidates(candidate_frame(self._attempt, name, own), group.words, candidate_columns(self._plan, group, name))
            found[name] = candidates_of(frame, own.rows)
        return found

    def native_frame(self, group: Group, name: str, found: Mapping[str, Candidates]) -> DataFrame:
        """An object without rules, reduced by its neighbours that are known: no unfiltered row is exchanged here."""
        catalogue = self._plan.catalogue
        object_ = catalogue.objects[name]
        entity = catalogue.entity_of(name)
        products = sorted({product for position in group.tasks for product in self._plan.tasks[position].products})
        columns = candidate_columns(self._plan, group, name)
        frame = native_candidates(self._attempt.table(object_.entity), entity, object_, products, columns, group.words)
        for relation in self.known_edges(group, name, found):
            sender = found[relation.right]
            if sender.rows <= self._broadcast_rows:
                frame = receive(frame, sender.frame, relation, group.words, strategy="broadcast")
            else:
                buckets = Buckets(entity.bucket_key, entity.buckets)
                frame = receive(frame, sender.frame, relation, group.words, buckets=buckets)
        return frame

    def reduced_table(self, group: Group, name: str, found: Mapping[str, Candidates]) -> Candidates:
        """An object without rules as `native_frame` leaves it, written once: several joins read it."""
        kept = self._attempt.write(self.native_frame(group, name, found), f"reduced/{group.index}-{name}")
        return candidates_of(kept, kept.count())

    def known_edges(self, group: Group, name: str, found: Container[str]) -> list[Relation]:
        """The relations, seen from an object, to objects that are known already."""
        return [relation for relation in edges_of(self._plan.catalogue, group.objects, name) if relation.right in found]

    def native_rows(self, groups: Sequence[Group]) -> dict[tuple[str, str, str, bool], int]:
        """Rows of the tables of objects without rules, counted in the tables, by (entity, product, period, visible)."""
        entities = {self._plan.catalogue.objects[name].entity for group in groups for name in group.objects if name not in group.ruled}
        return {
            (entity_name, row["product"], row["period"], row["visible"]): row["count"]
            for entity_name in sorted(entities)
            for row in self._attempt.table(entity_name).groupBy("product", "period", "visible").count().collect()
        }


@contextmanager
def without_constraints(spark: SparkSession) -> Iterator[None]:
    """Keeps Spark from inferring filters of filters while it plans.

    It would write the filter "some task is left" anew for every choice of a word of the bitmap and an alias of it: of 16 words, a thousand
    tasks, 65,536 filters, each compared with each other one.
    """
    before = spark.conf.get(CONSTRAINTS)
    spark.conf.set(CONSTRAINTS, "false")
    try:
        yield
    finally:
        spark.conf.set(CONSTRAINTS, before)


def _assembler(storage: Storage, plan_path: str, group_index: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def assemble(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = read_plan(storage.location, plan_path)
        assembler = CaseAssembler(plan, plan.groups[group_index])
        for batch in batches:
            yield assembler.assemble(batch)

    return assemble
