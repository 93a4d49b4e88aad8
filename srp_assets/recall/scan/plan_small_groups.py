"""Joins groups with few candidates, each in the memory of one worker: all of them cost Spark one job, and one for each table they add.

Most tasks find little. Planning the joins of a group costs Spark more than a second whatever they join, so a batch of many differently
shaped tasks would spend its time there. Groups that join nothing are answered here however many candidates they have, piece by piece.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.recall.cases import AT_ONCE, CASE_SCHEMA
from srp_assets.recall.scan.candidates import CandidateSource, hold, read_candidates
from srp_assets.recall.scan.compile import Group, candidate_columns, edges_of, native_levels
from srp_assets.recall.scan.join import GroupJoin
from srp_assets.recall.scan.lone import lone_cases
from srp_assets.recall.scan.native_scan import NativeKernel, NativeOrder, NativePlace, Neighbour
from srp_assets.recall.scan.orders import GroupOrder, read_plan
from srp_assets.recall.scan.place_files import PLACE
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_group_orders import answers
from srp_assets.recall.scan.plan_reduction import FoundCandidates
from srp_assets.recall.scan.plan_scan import BatchMapper, Counted, counted_in, fill_slot
from srp_assets.warehouse.orders import read_order
from srp_assets.warehouse.scan_units import LEAST_SLOTS, ScanUnit, spread, unit_of
from srp_assets.warehouse.storage import Storage

ANSWER_SCHEMA = pa.schema([pa.field("task_id", pa.string()), pa.field("cases", pa.int64()), pa.field("hits", pa.int64())])


class SmallGroups:
    """The groups of a batch whose candidates one worker can hold.

    Args:
        attempt: the attempt at the batch.
        found: the candidates of objects with rules.
        worker_rows: so many candidates of an object a worker holds at most.

    `outgrown` are groups that turned out larger; `native_rows` are the rows counted in tables of objects without rules, by (entity,
    product, period, visible).
    """

    def __init__(self, attempt: Attempt, found: FoundCandidates, worker_rows: int) -> None:
        self._attempt = attempt
        self._plan = attempt.plan
        self._found = found
        self._worker_rows = worker_rows
        self._sources = {key: own.source for key, own in found.items()}
        self._rows: dict[int, int] = {}
        self.outgrown: list[Group] = []
        self.native_rows: dict[tuple[str, str, str, bool], int] = {}

    def are_small(self, group: Group) -> bool:
        """Whether the scans found few enough candidates of a group, or it joins nothing."""
        return len(group.objects) == 1 or all(self._found[group.index, name].rows <= self._worker_rows for name in group.ruled)

    def write_cases(self, groups: Sequence[Group]) -> tuple[dict[str, int], int]:
        """Writes the cases of groups, apart from those that outgrow a worker.

        Returns:
            The number of cases by task, where there are any, and of hits.
        """
        self._rows = {group.index: sum(self._found[group.index, name].rows for name in group.ruled) for group in groups}
        self._find_native(groups)
        kept = [group for group in groups if group not in self.outgrown]
        if not kept:
            return {}, 0
        orders, rows = zip(*(piece for group in kept for piece in self._pieces(group)), strict=True)
        told = answers(self._attempt, "join", orders, rows, _join, ANSWER_SCHEMA)
        counts: dict[str, int] = {}
        for row in told:
            counts[row["task_id"]] = counts.get(row["task_id"], 0) + row["cases"]
        return counts, sum(row["hits"] for row in told)

    def _find_native(self, groups: Sequence[Group]) -> None:
        """Finds the rows of objects without rules level by level: each level joins objects whose candidates are known."""
        levels = {group.index: native_levels(self._plan.catalogue, group) for group in groups}
        for level in range(max(map(len, levels.values()), default=0)):
            places: dict[str, list[NativePlace]] = {}
            for group in groups:
                if level < len(levels[group.index]) and group not in self.outgrown:
                    for name in levels[group.index][level]:
                        places.setdefault(self._plan.catalogue.objects[name].entity, []).append(self._native_place(group, name))
            for entity_name, of_entity in places.items():
                self._scan_native(f"native/{level}-{entity_name}", entity_name, of_entity)

    def _native_place(self, group: Group, name: str) -> NativePlace:
        edges = edges_of(self._plan.catalogue, group.objects, name)
        neighbours = tuple(
            Neighbour(relation=relation, source=self._sources[group.index, relation.right])
            for relation in edges
            if (group.index, relation.right) in self._sources
        )
        return NativePlace(group=group.index, object=name, neighbours=neighbours)

    def _scan_native(self, folder: str, entity_name: str, places: Sequence[NativePlace]) -> None:
        """One pass over an entity's table for all groups that join it without rules."""
        groups = [self._plan.groups[place.group] for place in places]
        products = {product for group in groups for task in group.tasks for product in self._plan.tasks[task].products}
        sees_hidden = any(self._plan.catalogue.objects[place.object].visibility == "all" for place in places)
        units = tuple(
            unit_of(build, file)
            for build in self._attempt.builds.get(entity_name, ())
            if build.product in products
            for file in build.files
            if file.visible or sees_hidden
        )
        if units:
            order = NativeOrder(entity=entity_name, places=tuple(places), units=units, slots=spread([unit.bytes for unit in units]))
            path = self._attempt.give_order(folder.replace("/", "-"), order)
            scanner = _native_scanner(self._attempt.storage, self._attempt.plan_path, path, f"{self._attempt.folder}/{folder}")
            counted = counted_in(self._attempt.spark, units, order.slots, scanner)
            self.native_rows.update(_rows_by_partition(entity_name, units, counted))
        for number, (place, group) in enumerate(zip(places, groups, strict=True)):
            self._sources[group.index, place.object] = CandidateSource(
                folder=f"{self._attempt.folder}/{folder}/{PLACE}={number}", ruled=False
            )
            found = sum(fits.get((number, 0), 0) for _, fits in counted.values()) if units else 0
            self._rows[group.index] += found
            if found > self._worker_rows and group not in self.outgrown:
                self.outgrown.append(group)

    def _pieces(self, group: Group) -> list[tuple[GroupOrder, int]]:
        """The orders of a group, each with about its rows.

        Where its candidates are many, there is one for each file of them if they join nothing, and else one for some of its tasks.
        """
        sources = {name: self._sources[group.index, name] for name in group.objects}
        folder, rows = f"{self._attempt.cases_folder}/group-{group.index}", self._rows[group.index]
        if rows <= AT_ONCE:
            return [(GroupOrder(group=group.index, sources=sources, target=f"{folder}/cases.parquet"), rows)]
        if len(group.objects) > 1:
            bits = np.array_split(self._plan.bits_in_order(group), min(len(group.tasks), LEAST_SLOTS))
            return [
                (
                    GroupOrder(
                        group=group.index, sources=sources, target=f"{folder}/cases-{number:05d}.parquet", tasks=tuple(some.tolist())
                    ),
                    rows // len(bits),
                )
                for number, some in enumerate(bits)
            ]
        files = self._attempt.storage.files(sources[group.recall].folder)
        whole = sum(bytes for _, bytes in files)
        return [
            (
                GroupOrder(
                    group=group.index,
                    sources={group.recall: CandidateSource(folder=path, ruled=True)},
                    target=f"{folder}/cases-{number:05d}.parquet",
                ),
                rows * bytes // whole,
            )
            for number, (path, bytes) in enumerate(files)
        ]


def _rows_by_partition(entity_name: str, units: Sequence[ScanUnit], counted: Counted) -> dict[tuple[str, str, str, bool], int]:
    rows: dict[tuple[str, str, str, bool], int] = {}
    for unit in units:
        if unit.path in counted:
            key = (entity_name, unit.product, unit.period, unit.visible)
            rows[key] = rows.get(key, 0) + counted[unit.path][0]
    return rows


@lru_cache(maxsize=4)
def _native_kernel(storage_location: str, plan_path: str, path: str) -> NativeKernel:
    storage = Storage(storage_location)
    return NativeKernel(storage, read_plan(storage_location, plan_path), read_order(NativeOrder, storage_location, path))


def _native_scanner(storage: Storage, plan_path: str, path: str, folder: str) -> BatchMapper:
    def scan_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kernel = _native_kernel(storage.location, plan_path, path)
            for slot in batch.column(0).to_pylist():
                yield from fill_slot(storage, folder, slot, kernel.order.slots[slot], kernel.scan)

    return scan_slots


def _join(storage: Storage, plan_path: str, order: GroupOrder) -> pa.RecordBatch:
    """Joins one group, or a piece of one, and writes its cases; a second try writes the same file again."""
    plan = read_plan(storage.location, plan_path)
    group = plan.groups[order.group]
    if len(group.objects) == 1:
        entity, columns = plan.catalogue.entity_of(group.recall), candidate_columns(plan, group, group.recall)
        cases = lone_cases(plan, group, read_candidates(storage, order.sources[group.recall], entity, columns))
    else:
        held = {name: hold(storage, plan, group, name, source) for name, source in order.sources.items()}
        cases = GroupJoin(plan, group, held, order.tasks).cases()
    counts = []
    with storage.parquet_writer(order.target, CASE_SCHEMA) as writer:
        for batch in cases:
            writer.write_batch(batch)
            counts.append(pa.table({"task_id": batch.column("task_id"), "hits": pc.list_value_length(batch.column("hits"))}))
    if not counts:
        return pa.RecordBatch.from_pylist([], schema=ANSWER_SCHEMA)
    found = pa.concat_tables(counts).group_by("task_id").aggregate([("task_id", "count"), ("hits", "sum")])
    answer = pa.table([found["task_id"], found["task_id_count"], found["hits_sum"]], names=ANSWER_SCHEMA.names).cast(ANSWER_SCHEMA)
    return answer.combine_chunks().to_batches()[0]
