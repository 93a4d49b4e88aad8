"""Refills: brings finished tasks up to date with what landed and was built since, in one merged scan for all of them.

Where few join keys are touched (`touched.py`), only these are evaluated again, and only the reopened cells are counted anew; otherwise the
whole task is. Either way it then has the cases and the cells of the task run anew on the same builds. A refill writes into a folder of its
own, and counts from the one transaction on that records it: one that dies leaves the task as it was.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Connection

from srp_assets.errors import Conflict, NotFound
from srp_assets.progress import Progress
from srp_assets.recall import registry
from srp_assets.recall.batch import BatchResult, Cell, TaskSpec, needed_cells
from srp_assets.recall.completeness import judge
from srp_assets.recall.pins import Pins, current_pins
from srp_assets.recall.refill.reopened import Ledger, ledgers
from srp_assets.recall.refill.touched import Roots, TooMany, limited_to, touched_roots
from srp_assets.recall.registry_refills import CellKey, Refill, record_refill, refill, refills
from srp_assets.recall.service import BATCHES_FOLDER, Workshop
from srp_assets.warehouse.registry_builds import Build, builds_by_id
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from srp_assets.recall.refill.refilled_cases import Case, Changes


@dataclass(frozen=True)
class _Order:
    """One task of a refill. `roots` are evaluated again; None is the whole task. `renewed` are the cells that are counted anew."""

    ledger: Ledger
    number: int
    before: Refill | None
    roots: Roots | None
    renewed: frozenset[CellKey]

    @property
    def spec(self) -> TaskSpec:
        """The task."""
        return self.ledger.spec


def refill_tasks(
    workshop: Workshop, task_ids: Sequence[str], *, run_id: str | None = None, progress: Progress | None = None
) -> dict[str, Refill | None]:
    """Refills finished tasks; one that nothing has reopened is left as it is.

    Returns:
        What was recorded, by task; None where nothing had reopened.

    Raises:
        NotFound: if there is no such task.
        Conflict: if a task is not done, its cases are gone, or a reopened period is not built; or if another refill came first.
    """
    with workshop.engine.connect() as connection:
        tasks = [registry.task(connection, task_id) for task_id in dict.fromkeys(task_ids)]
        for task in tasks:
            require_refillable(task)
        reopened = [ledger for ledger in ledgers(connection, workshop.catalogue, tasks) if ledger.reopened]
        for ledger in reopened:
            _require_builds(ledger)
        pins = current_pins(connection, workshop.catalogue, [ledger.spec for ledger in reopened])
        _require_pins(reopened, pins)
        replaced = _replaced_builds(connection, workshop.storage, reopened)
        before = {ledger.task.task_id: refill(connection, ledger.task) for ledger in reopened}
    found: dict[str, Refill | None] = dict.fromkeys([task.task_id for task in tasks])
    if reopened:
        scratch = f"{BATCHES_FOLDER}/{reopened[0].task.batch_id}/refills/{uuid4().hex}"
        try:
            run = _Run(workshop, pins, replaced, scratch, run_id, progress)
            found |= run.refill([run.order(ledger, before[ledger.task.task_id]) for ledger in reopened])
        finally:
            workshop.storage.delete_tree(scratch)
    return found


def require_refillable(task: registry.Task) -> registry.Task:
    """The task, if it is done and its cases are kept.

    Raises:
        Conflict: if it is not done.
        NotFound: if its cases are gone.
    """
    if task.state != "done":
        raise Conflict(f"the task is {task.state}: only one that is done can be refilled", where=task.task_id)
    if task.cases_folder is None:
        raise NotFound(task.note or "its cases are no longer kept", where=task.task_id, remedy="submit it again")
    return task


def _require_builds(ledger: Ledger) -> None:
    if ledger.unbuilt:
        first, more = ledger.unbuilt[0], len(ledger.unbuilt) - 1
        others = f" and {more} more periods" if more else ""
        raise Conflict(
            f"what landed since is not built: {first.entity} of {first.product} in {first.period}{others}",
            where=ledger.task.task_id,
            remedy="run `srp build`",
        )


def _require_pins(reopened: Sequence[Ledger], pins: Pins) -> None:
    """PostgreSQL shows each query what was committed before it: between two of them a build may have come."""
    pinned = {build.build_id for builds in pins.builds.values() for build in builds}
    for ledger in reopened:
        if not {cell.build_id for cell in ledger.reopened} <= pinned:
            raise Conflict("a period was built again at this moment", where=ledger.task.task_id, remedy="refill it again")


def _replaced_builds(connection: Connection, storage: Storage, reopened: Sequence[Ledger]) -> dict[int, Build]:
    """The builds in which reopened cells were scanned, as far as their files are still there."""
    ids = {cell.scanned.build_id for ledger in reopened for cell in ledger.reopened if cell.scanned is not None}
    kept = {}
    for build in builds_by_id(connection, ids):
        with suppress(NotFound):
            storage.sizes([file.path for file in build.files])
            kept[build.build_id] = build
    return kept


class _Run:
    """One refill of some tasks.

    Args:
        workshop: what it works with.
        pins: the builds that the tasks are brought up to.
        replaced: builds from before, by id.
        scratch: a folder of its own, relative to the warehouse.
        run_id: recorded with it.
        progress: told what is being done.
    """

    def __init__(
        self,
        workshop: Workshop,
        pins: Pins,
        replaced: Mapping[int, Build],
        scratch: str,
        run_id: str | None,
        progress: Progress | None,
    ) -> None:
        from srp_assets.recall.refill.plan_refill import BuiltRows  # brings pyspark: half a second that only a scan should cost

        self._workshop = workshop
        self._pins = pins
        self._scratch = scratch
        self._run_id = run_id
        self._progress = progress
        self._started_at = datetime.now(UTC)
        self._session: SparkSession = workshop.session()
        self._limit = workshop.settings.recall_refill_roots
        self._rows = BuiltRows(self._session, workshop.storage, workshop.catalogue, pins.builds, replaced, self._limit)

    def order(self, ledger: Ledger, before: Refill | None) -> _Order:
        """What is to be done for one task."""
        roots: Roots | None
        try:
            roots = touched_roots(self._workshop.catalogue, ledger, self._rows) if self._limit else None
        except TooMany:
            roots = None
        known = {CellKey(cell.object, cell.product, cell.period) for cell in ledger.cells}
        # A period that was built without ever having had a row has no cell yet, and has not reopened.
        needed = {CellKey(name, build.product, build.period) for name, build in self._needed(ledger.spec)}
        renewed = frozenset(cell.key for cell in ledger.reopened) | (needed - known)
        whole = roots is None or len(roots) > self._limit
        return _Order(ledger, ledger.task.refills + 1, before, None if whole else roots, renewed)

    def refill(self, orders: Sequence[_Order]) -> dict[str, Refill]:
        """Evaluates what is to be evaluated again, all tasks together, and records each task."""
        result = self._evaluate(orders)
        counted = self._count([order for order in orders if order.roots is not None])
        return {order.spec.task_id: self._record(order, result, counted) for order in orders}

    def _needed(self, spec: TaskSpec) -> list[tuple[str, Build]]:
        return needed_cells(self._workshop.catalogue, spec, self._pins.builds)

    def _evaluate(self, orders: Sequence[_Order]) -> BatchResult | None:
        """The cases of whole tasks, and of touched roots; None where no row of any root changed."""
        from srp_assets.recall.scan.plan_batch import run_batch

        catalogue, settings = self._workshop.catalogue, self._workshop.settings
        specs = [
            order.spec if order.roots is None else limited_to(catalogue, order.spec, order.roots)
            for order in orders
            if order.roots is None or order.roots
        ]
        if not specs:
            return None
        result = run_batch(
            self._session,
            self._workshop.storage,
            catalogue,
            specs,
            self._pins.builds,
            f"{self._scratch}/run",
            broadcast_rows=settings.broadcast_rows,
            worker_rows=settings.worker_rows,
            hits=self._pins.hits,
            progress=self._progress,
        )
        for spec in specs:
            outcome = judge(catalogue, spec, self._pins.builds, result.cells, result.case_counts[spec.task_id])
            if not outcome.complete:
                raise Conflict(f"the refill is {outcome.note}", where=spec.task_id, remedy="run `srp build`, then refill again")
        return result

    def _count(self, orders: Sequence[_Order]) -> list[Cell]:
        """The reopened cells of tasks of which only some roots were evaluated."""
        from srp_assets.recall.refill.plan_refill import count_cells

        wanted = {(order.spec.task_id, key) for order in orders for key in order.renewed}
        if not wanted:
            return []
        periods = {
            build.key
            for order in orders
            for name, build in self._needed(order.spec)
            if CellKey(name, build.product, build.period) in order.renewed
        }
        builds = {entity: [build for build in found if build.key in periods] for entity, found in self._pins.builds.items()}
        cells = count_cells(
            self._session,
            self._workshop.storage,
            self._workshop.catalogue,
            [order.spec for order in orders],
            builds,
            f"{self._scratch}/count",
            self._pins.hits,
        )
        return [cell for cell in cells if (cell.task_id, CellKey(cell.object, cell.product, cell.period)) in wanted]

    def _record(self, order: _Order, result: BatchResult | None, counted: Sequence[Cell]) -> Refill:
        from srp_assets.recall.refill.refilled_cases import cases_folder  # brings numba: seconds that only a refill should cost

        task = order.ledger.task
        if self._progress:
            self._progress(f"writing the cases of {task.task_id}", 0, 0)
        source = result.cells if order.roots is None and result is not None else counted
        cells = [cell for cell in source if cell.task_id == task.task_id]
        folder = f"{BATCHES_FOLDER}/{task.batch_id}/refills/{task.task_id}-{order.number}-{uuid4().hex}"
        try:
            now = datetime.now(UTC)
            changes = self._write(order, folder, result.cases_folder if result is not None else None, now)
            renewed = {CellKey(cell.object, cell.product, cell.period) for cell in cells}
            kept = [cell for cell in order.ledger.cells if CellKey(cell.object, cell.product, cell.period) not in renewed]
            outcome = judge(self._workshop.catalogue, order.spec, self._pins.builds, [*kept, *cells], changes.cases)
            done = Refill(
                task_id=task.task_id,
                number=order.number,
                folder=folder,
                added=changes.added,
                changed=changes.changed,
                withdrawn=changes.withdrawn,
                withdrawn_in_all=changes.withdrawn_in_all,
                cells=len(cells),
                roots=None if order.roots is None else len(order.roots),
                started_at=self._started_at,
                finished_at=now,
                run_id=self._run_id,
            )
            with self._workshop.engine.begin() as connection:
                record_refill(connection, done, outcome, cases_folder=cases_folder(folder), cells=cells)
        except Exception:
            self._delete_unless_recorded(task.task_id, folder)
            raise
        self._delete_outdated(done)
        return done

    def _write(self, order: _Order, folder: str, new: str | None, now: datetime) -> "Changes":
        from srp_assets.recall.refill.refilled_cases import withdrawn_file, write_refilled

        roots = None if order.roots is None else {str(root): builds for root, builds in order.roots.items()}
        return write_refilled(
            self._workshop.storage,
            order.spec.task_id,
            folder,
            old=order.ledger.task.cases_folder or "",
            new=new,
            withdrawn=None if order.before is None else withdrawn_file(order.before.folder),
            is_replaced=lambda case: roots is None or case["root"] in roots,
            builds_of=self._causes(order, roots),
            now=now,
        )

    def _causes(self, order: _Order, roots: Mapping[str, set[int]] | None) -> "Callable[[Case], list[Build]]":
        """The builds that touched a case's root; where roots are not known, all of its product that reopened a cell."""
        ids = {cell.build_id for cell in order.ledger.reopened}
        reopened = [build for found in self._pins.builds.values() for build in found if build.build_id in ids]

        def causes(case: "Case") -> list[Build]:
            touched = ids if roots is None else roots.get(case["root"], set())
            return [build for build in reopened if build.product == case["product"] and build.build_id in touched]

        return causes

    def _delete_unless_recorded(self, task_id: str, folder: str) -> None:
        """Where the answer of a commit was lost, the registry may name the folder."""
        with self._workshop.engine.connect() as connection:
            recorded = {done.folder for done in refills(connection, task_id)}
        if folder not in recorded:
            self._workshop.storage.delete_tree(folder)

    def _delete_outdated(self, done: Refill) -> None:
        """Deletes the cases of refills before the one before: whoever reads them began two refills ago."""
        with self._workshop.engine.connect() as connection:
            outdated = [earlier.folder for earlier in refills(connection, done.task_id) if earlier.number < done.number - 1]
        for folder in outdated:
            self._workshop.storage.delete_tree(folder)
