"""Runs a batch: one scan of each table, one join for each group, cases written once, and the ledger of cells.

Everything is written below the attempt's own folder; it counts only when the registry names it, so an attempt that dies leaves nothing.
"""

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.batch import BatchResult, TaskSpec, entities_of
from srp_assets.recall.cases import CASE_SCHEMA, CaseAssembler
from srp_assets.recall.compile import BatchPlan, Group, carried_columns, edges_of, native_columns, plan_of
from srp_assets.recall.kernel import scan_schema
from srp_assets.recall.plan_join import (
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
from srp_assets.recall.plan_scan import (
    PointLookup,
    ScanOrder,
    cells_of,
    counts_by_path,
    order_scan,
    point_lookups,
    read_order,
    scan_frame,
    write_order,
)
from srp_assets.warehouse.catalogue import Catalogue, Relation
from srp_assets.warehouse.plan_tables import snapshot_table
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.storage import Storage

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, of how much."""

GROUPS_AT_ONCE = 4
"""Groups that are joined side by side: planning one overlaps with the work of others (arbitrary: twice the cores of a small machine)."""

Counted = dict[str, tuple[int, dict[tuple[int, int], int]]]


class BatchRun:
    """One attempt at a batch.

    Args:
        spark: the session.
        storage: the warehouse.
        plan: what to answer.
        builds: the builds that the batch is pinned to, by entity.
        folder: the attempt's own folder, relative to the warehouse.
        broadcast_rows: join keys up to this number are broadcast.
        progress: told about each step.

    `entities` are those that are scanned: some object with rules is of them.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: Storage,
        plan: BatchPlan,
        builds: Mapping[str, Sequence[Build]],
        folder: str,
        broadcast_rows: int,
        progress: Progress | None = None,
    ) -> None:
        self._spark = spark
        self._storage = storage
        self._plan = plan
        self._builds = builds
        self._folder = folder
        self._broadcast_rows = broadcast_rows
        self._progress = progress
        self._scans: dict[str, DataFrame] = {}
        self._lookups: dict[tuple[int, int], PointLookup] = {}
        self._counted: dict[str, Counted] = {}
        self._timings: dict[str, float] = {}
        self.entities = [name for name in entities_of(plan.catalogue, plan.tasks) if plan.places_of(name)]
        self._steps = len(self.entities) + 2
        self._done = 0

    def run(self) -> BatchResult:
        """Scans, joins, writes the cases and accounts for every row that was looked at."""
        for entity_name in self.entities:
            with self._step(f"scan {entity_name}"):
                self.scan(entity_name)
        cases_folder = f"{self._folder}/cases"
        with self._step("join and write cases"), ThreadPoolExecutor(GROUPS_AT_ONCE) as pool:
            # One job for each group: Spark plans a union of all groups again after each of its stages.
            list(pool.map(lambda group: self._write_cases(group, f"{cases_folder}/group-{group.index}"), self._plan.groups))
        with self._step("account"):
            case_counts, hits = self._count_cases(cases_folder)
            native_rows = self._native_rows()
            cells = cells_of(self._plan, self._builds, self._counted, native_rows, self._lookups)
        rows = sum(scanned for counted in self._counted.values() for scanned, _ in counted.values()) + sum(native_rows.values())
        return BatchResult(cases_folder, case_counts, cells, self._timings, rows, hits)

    def scan(self, entity_name: str) -> None:
        """Scans one entity for all places and keeps what it found in the attempt's folder."""
        lookups = point_lookups(self._spark, self._plan, entity_name)
        self._lookups.update(lookups)
        order = order_scan(self._plan, entity_name, self._builds.get(entity_name, ()), lookups)
        schema = from_arrow_schema(scan_schema(self._plan, entity_name))
        if not order.units:
            self._scans[entity_name] = self._spark.createDataFrame([], schema)
            self._counted[entity_name] = {}
            return
        order_path = self._order_path(entity_name)
        write_order(self._storage, order_path, order)
        found = scan_frame(self._spark, self._storage, order_path, order)
        address = self._storage.address(f"{self._folder}/scan/{entity_name}")
        found.write.partitionBy("_place").mode("overwrite").parquet(address)
        self._scans[entity_name] = self._spark.read.schema(schema).parquet(address)
        self._counted[entity_name] = counts_by_path(self._scans[entity_name], order)

    def _write_cases(self, group: Group, folder: str) -> None:
        cases = self.group_cases(group).repartition("task_id").sortWithinPartitions("task_id", "product", "key_order")
        self._write(cases, folder)

    def group_cases(self, group: Group) -> DataFrame:
        """The cases of one group's tasks."""
        catalogue = self._plan.catalogue
        kept: dict[str, Candidates] = {}
        reduced(catalogue, group, self.candidates(group), group.recall, None, kept)
        entity = catalogue.entity_of(group.recall)
        columns = self._columns(group, group.recall)
        rows = case_rows(kept[group.recall], group, entity.key, columns)
        others: dict[str, DataFrame] = {}
        joined_rows(catalogue, group, kept, rows, group.recall, None, others)
        for name, frame in others.items():
            payload = ["_hits", *self._columns(group, name)] if name in group.ruled else []
            summary = joined_summary(frame, catalogue.entity_of(name).key, payload).withColumnRenamed("_joined", f"_joined_{name}")
            rows = rows.join(summary, ["_task", "_product", "_case"])
        shown = [f"_joined_{name}" for name in others]
        rows = rows.select("_task", "_product", "_hits", *columns, *shown)
        return rows.mapInArrow(_assembler(self._storage, self._plan_path(), group.index), from_arrow_schema(CASE_SCHEMA))

    def candidates(self, group: Group) -> dict[str, Candidates]:
        """The rows of each object that may take part: from the scans, or from tables reduced by them."""
        found = self.ruled(group)
        for name in self.native_order(group):
            found[name] = self.reduced_table(group, name, found)
        return found

    def ruled(self, group: Group) -> dict[str, Candidates]:
        """The rows that the scans found, by object."""
        found = {}
        for name in sorted(group.ruled):
            place = self._plan.place(group, name)
            scan = self._scans[self._plan.catalogue.objects[name].entity]
            frame = ruled_candidates(scan, place.index, group.words, self._columns(group, name))
            found[name] = candidates_of(frame, self._matched_rows(place.index))
        return found

    def native_order(self, group: Group) -> list[str]:
        """The objects without rules, each after one that it joins: a pattern is connected and some object has rules."""
        known, order = set(group.ruled), []
        while len(known) < len(group.objects):
            name = next(name for name in group.objects if name not in known and self.known_edges(group, name, known))
            known.add(name)
            order.append(name)
        return order

    def native_frame(self, group: Group, name: str, found: Mapping[str, Candidates]) -> DataFrame:
        """An object without rules, reduced by its neighbours that are known: no unfiltered row is exchanged here."""
        catalogue = self._plan.catalogue
        object_ = catalogue.objects[name]
        entity = catalogue.entity_of(name)
        table = snapshot_table(self._spark, self._storage, object_.entity, entity, self._builds.get(object_.entity, ()))
        products = sorted({product for position in group.tasks for product in self._plan.tasks[position].products})
        frame = native_candidates(table, entity, object_, products, self._columns(group, name), group.words)
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
        folder = f"{self._folder}/native/{group.index}-{name}"
        frame = self.native_frame(group, name, found)
        self._write(frame, folder)
        kept = self._spark.read.schema(frame.schema).parquet(self._storage.address(folder))
        return candidates_of(kept, kept.count())

    def known_edges(self, group: Group, name: str, found: Container[str]) -> list[Relation]:
        """The relations, seen from an object, to objects that are known already."""
        return [relation for relation in edges_of(self._plan.catalogue, group.objects, name) if relation.right in found]

    def _columns(self, group: Group, name: str) -> tuple[str, ...]:
        if name in group.ruled:
            return carried_columns(self._plan, self._plan.catalogue.objects[name].entity)
        return native_columns(self._plan, group, name)

    def _matched_rows(self, place: int) -> int:
        """An upper bound of the rows at a place: in each file what its tasks matched together, and never more than was scanned."""
        files = [answer for counted in self._counted.values() for answer in counted.values()]
        return sum(min(scanned, sum(rows for (where, _), rows in fits.items() if where == place)) for scanned, fits in files)

    def _native_rows(self) -> dict[tuple[str, str, str, bool], int]:
        """Rows of the tables that some object without rules read, counted by partition in the tables themselves."""
        catalogue = self._plan.catalogue
        entities = {catalogue.objects[name].entity for group in self._plan.groups for name in group.objects if name not in group.ruled}
        counted = {}
        for entity_name in sorted(entities):
            builds = self._builds.get(entity_name, ())
            table = snapshot_table(self._spark, self._storage, entity_name, catalogue.entities[entity_name], builds)
            for row in table.groupBy("product", "period", "visible").count().collect():
                counted[entity_name, row["product"], row["period"], row["visible"]] = row["count"]
        return counted

    def _count_cases(self, cases_folder: str) -> tuple[dict[str, int], int]:
        folders = [self._storage.address(f"{cases_folder}/group-{group.index}") for group in self._plan.groups]
        cases = self._spark.read.schema(from_arrow_schema(CASE_SCHEMA)).parquet(*folders)
        rows = cases.groupBy("task_id").agg(F.count(F.lit(1)).alias("cases"), F.sum(F.size("hits")).alias("hits")).collect()
        counts = {task.task_id: 0 for task in self._plan.tasks} | {row["task_id"]: row["cases"] for row in rows}
        return counts, sum(row["hits"] for row in rows)

    def _write(self, frame: DataFrame, folder: str) -> None:
        frame.write.mode("overwrite").parquet(self._storage.address(folder))

    def _order_path(self, entity_name: str) -> str:
        return f"{self._folder}/orders/{entity_name}.json"

    def _plan_path(self) -> str:
        return f"{self._folder}/orders/plan.json"

    def write_plan(self) -> None:
        """Writes the plan where the workers that assemble cases read it."""
        write_order(self._storage, self._plan_path(), ScanOrder(plan=self._plan, entity="", units=(), slots=()))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        if self._progress:
            self._progress(name, self._done, self._steps)
        yield
        self._timings[name] = round(time.monotonic() - started, 3)
        self._done += 1
        if self._progress:
            self._progress(name, self._done, self._steps)


def run_batch(
    spark: SparkSession,
    storage: Storage,
    catalogue: Catalogue,
    tasks: Sequence[TaskSpec],
    builds: Mapping[str, Sequence[Build]],
    folder: str,
    *,
    broadcast_rows: int,
    progress: Progress | None = None,
) -> BatchResult:
    """Answers all tasks together; writes only below `folder`.

    Args:
        spark: the session.
        storage: the warehouse.
        catalogue: the catalogue that the tasks were resolved against.
        tasks: at least one task.
        builds: for each entity that the tasks read, all builds that they are pinned to.
        folder: the attempt's own folder, relative to the warehouse.
        broadcast_rows: join keys up to this number are broadcast; more go through the bucketed join.
        progress: called with the step, steps done and steps in all.
    """
    run = BatchRun(spark, storage, plan_of(catalogue, tasks), builds, folder, broadcast_rows, progress)
    run.write_plan()
    return run.run()


def _assembler(storage: Storage, plan_path: str, group_index: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def assemble(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = read_order(storage.location, plan_path).plan
        assembler = CaseAssembler(plan, plan.groups[group_index])
        for batch in batches:
            yield assembler.assemble(batch)

    return assemble
