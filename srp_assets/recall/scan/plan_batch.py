"""Runs a batch: one scan of each table, then the joins of its groups, cases written once, and the ledger of cells.

Everything is written below the attempt's own folder; it counts only when the registry names it, so an attempt that dies leaves nothing.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType

from pyspark.sql import SparkSession

from srp_assets.progress import Progress
from srp_assets.recall.batch import BatchResult, Cell, TaskSpec, entities_of
from srp_assets.recall.scan.compile import plan_of
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_large_groups import LargeGroups
from srp_assets.recall.scan.plan_reduction import Found, reduced_candidates, scanned_candidates
from srp_assets.recall.scan.plan_scan import Counted, PointLookup, cells_of, order_scan, point_lookups, run_scan
from srp_assets.recall.scan.plan_small_groups import SmallGroups
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits

STEPS = 2


class BatchRun:
    """One attempt at a batch.

    Args:
        attempt: what to answer, on what, and where to write.
        broadcast_rows: join keys up to this number are broadcast.
        worker_rows: groups whose objects have up to so many candidates are joined in the memory of one worker.
        only_buckets: of these entities, rows with rules lie in these buckets alone.
        progress: told about each step.

    `entities` are those that are scanned: some object with rules is of them.
    """

    def __init__(
        self,
        attempt: Attempt,
        *,
        broadcast_rows: int,
        worker_rows: int,
        only_buckets: Mapping[str, frozenset[int]] = MappingProxyType({}),
        progress: Progress | None = None,
    ) -> None:
        self._attempt = attempt
        self._plan = attempt.plan
        self._broadcast_rows = broadcast_rows
        self._worker_rows = worker_rows
        self._only_buckets = only_buckets
        self._progress = progress
        self._lookups: dict[tuple[int, int], PointLookup] = {}
        self._counted: dict[str, Counted] = {}
        self._timings: dict[str, float] = {}
        self.entities = [name for name in entities_of(self._plan.catalogue, self._plan.tasks) if self._plan.places_of(name)]
        self._done = 0

    def run(self) -> BatchResult:
        """Scans, joins, writes the cases and accounts for every row that was looked at."""
        self._attempt.give_order("plan", self._plan)
        with self._step("scan"), ThreadPoolExecutor(max(1, len(self.entities))) as pool:
            list(pool.map(self.scan, self.entities))
        with self._step("join and write cases"):
            found = reduced_candidates(self._attempt, self.found(), self._worker_rows)
            small = SmallGroups(self._attempt, found, self._worker_rows)
            case_counts, hits = small.write_cases([group for group in self._plan.groups if small.are_small(group)])
            large = LargeGroups(self._attempt, found, self._broadcast_rows)
            rest = [group for group in self._plan.groups if group in small.outgrown or not small.are_small(group)]
            more_counts, more_hits = large.write_cases(rest)
            native_rows = small.native_rows | large.native_rows(rest)
        cells = cells_of(self._plan, self._attempt.builds, self._counted, native_rows, self._lookups)
        rows = sum(scanned for counted in self._counted.values() for scanned, _ in counted.values()) + sum(native_rows.values())
        counts = {task.task_id: 0 for task in self._plan.tasks} | case_counts | more_counts
        return BatchResult(self._attempt.cases_folder, counts, cells, self._timings, rows, hits + more_hits)

    def count(self) -> list[Cell]:
        """Scans without joining anything: the ledger alone. Rows of objects without rules are counted by their files."""
        self._attempt.give_order("plan", self._plan)
        with self._step("scan"), ThreadPoolExecutor(max(1, len(self.entities))) as pool:
            list(pool.map(self.scan, self.entities))
        rows = Counter[tuple[str, str, str, bool]]()
        for entity_name in {
            self._plan.catalogue.objects[name].entity for group in self._plan.groups for name in group.objects if name not in group.ruled
        }:
            for build in self._attempt.builds.get(entity_name, ()):
                for file in build.files:
                    rows[entity_name, build.product, build.period, file.visible] += self._attempt.storage.rows(file.path)
        return cells_of(self._plan, self._attempt.builds, self._counted, rows, self._lookups)

    def scan(self, entity_name: str) -> None:
        """Scans one entity for all places and keeps what it found in the attempt's folder."""
        attempt = self._attempt
        lookups = point_lookups(attempt.spark, self._plan, entity_name, self._only_buckets.get(entity_name))
        self._lookups.update(lookups)
        order = order_scan(self._plan, entity_name, attempt.builds.get(entity_name, ()), lookups, attempt.hits)
        counted: Counted = {}
        if order.units:
            path = attempt.give_order(f"scan-{entity_name}", order)
            counted = run_scan(attempt.spark, attempt.storage, attempt.plan_path, path, order, attempt.scan_folder(entity_name))
        self._counted[entity_name] = counted

    def found(self) -> dict[tuple[int, str], Found]:
        """The candidates of objects with rules, as the scans left them."""
        return scanned_candidates(self._attempt, self._matched_rows())

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        if self._progress:
            self._progress(name, self._done, STEPS)
        yield
        self._timings[name] = round(time.monotonic() - started, 3)
        self._done += 1
        if self._progress:
            self._progress(name, self._done, STEPS)

    def _matched_rows(self) -> list[int]:
        """For each place an upper bound of its rows: in each file what its tasks matched together, and never more than was scanned."""
        answers = [answer for counted in self._counted.values() for answer in counted.values()]
        bounds = [0] * len(self._plan.places)
        for scanned, fits in answers:
            of_place: dict[int, int] = {}
            for (place, _), rows in fits.items():
                of_place[place] = of_place.get(place, 0) + rows
            for place, rows in of_place.items():
                bounds[place] += min(scanned, rows)
        return bounds


def run_batch(
    spark: SparkSession,
    storage: Storage,
    catalogue: Catalogue,
    tasks: Sequence[TaskSpec],
    builds: Mapping[str, Sequence[Build]],
    folder: str,
    *,
    broadcast_rows: int,
    worker_rows: int,
    hits: Mapping[int, StandingHits] | None = None,
    only_buckets: Mapping[str, frozenset[int]] = MappingProxyType({}),
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
        worker_rows: groups of tasks whose objects have up to so many candidates are joined in the memory of one worker.
        hits: the hits of standing lists that are kept with these builds, by build: what they answer is not looked for again.
        only_buckets: of these entities, rows with rules are read from these buckets alone: for samples.
        progress: called with the step, steps done and steps in all.
    """
    attempt = Attempt(spark, storage, plan_of(catalogue, tasks), builds, folder, hits or {})
    run = BatchRun(attempt, broadcast_rows=broadcast_rows, worker_rows=worker_rows, only_buckets=only_buckets, progress=progress)
    return run.run()
