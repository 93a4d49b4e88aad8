"""A look at a few thousand rows before a task is queued: would it return most of what there is?

No Spark: a few row groups are read in this process and evaluated by the scan's own kernel. What is looked at are the objects' own rules. Of
a strategy whose only ruled object is the recalled one the share of rows that fit is the share of cases, but for rows that join nothing.
Where several objects have rules, the product of their shares stands for it, as if they were independent: only a dry run knows the joins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from srp_assets.errors import Conflict
from srp_assets.recall.batch import TaskSpec, needed_cells
from srp_assets.recall.estimate.sample_design import SEED
from srp_assets.recall.registry_estimates import newest_estimate
from srp_assets.recall.scan.compile import BatchPlan, columns_of, plan_of
from srp_assets.recall.scan.logic_table import LogicTable, PackedBits
from srp_assets.recall.scan.rules import evaluate_rule, role_holds
from srp_assets.strategy.resolved import Node, Rule, rules_of
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, BuildFile
from srp_assets.warehouse.storage import Storage

PIECES = 12
"""Row groups that are looked into, at equal distances in all rows."""

PIECE_ROWS = 300
"""Rows that are read of each: 3,600 in all, in some tens of milliseconds."""

SKIPPED = 8
"""A piece begins so many pieces into its row group at most."""

ONE_SIDED_T = 1.796
"""The 95 % quantile of Student's t with `PIECES` - 1 degrees of freedom."""

FEW_ROWS = 1_000
"""A table with no more rows is not looked at: whoever gets all of them has them in one page of a sheet (arbitrary)."""


OUTGROWN = 1.5
"""An estimate says nothing of a table that has become so many times as large (arbitrary)."""


@dataclass(frozen=True)
class Look:
    """What was seen: the estimated share of the recalled object's rows, its lower bound with a confidence of 95 %, and the rows read."""

    share: float
    at_least: float
    rows: int


@dataclass(frozen=True)
class Piece:
    """Some rows of one object's table, and the product that they are of."""

    product: str
    rows: pa.RecordBatch


def quick_look(
    storage: Storage, catalogue: Catalogue, task: TaskSpec, builds: Mapping[str, Sequence[Build]], *, limit: float
) -> Look | None:
    """A bound for the share of the recalled object's rows that are cases.

    Args:
        storage: the warehouse.
        catalogue: the catalogue.
        task: the task.
        builds: the current builds of what it reads, by entity.
        limit: looking ends where the share is not known to be beyond this.

    Returns:
        None where there is nothing to look at (no data, little data), or where the lower bound is not beyond the limit.
    """
    plan = plan_of(catalogue, [task])
    if sum(file.rows for _, file in _files(plan, task.strategy.recall, builds)) <= FEW_ROWS:
        return None
    share, at_least, rows = 1.0, 1.0, 0
    for name in task.strategy.objects:
        node = plan.logic(task, name)
        if node is None and name != task.strategy.recall:
            continue
        pieces = _pieces(storage, plan, name, _files(plan, name, builds))
        mean, bound = _bound(_possible(plan, name, node, pieces))
        if at_least * bound <= limit:
            return None
        if any(rule.match == "matches" for rule in rules_of(node)):
            mean, bound = _bound(_fitting(plan, name, pieces))
        share, at_least, rows = share * mean, at_least * bound, rows + sum(piece.rows.num_rows for piece in pieces)
        if at_least <= limit:
            return None
    return Look(share, at_least, rows)


def require_bearable_share(
    connection: Connection, storage: Storage, catalogue: Catalogue, task: TaskSpec, builds: Mapping[str, Sequence[Build]], *, limit: float
) -> None:
    """Refuses a task that would return more than a share of the rows of the recalled object's table.

    The newest estimate of the same task decides where there is one, and the table has not outgrown it: it knows the joins. Otherwise a
    quick look does.

    Raises:
        Conflict: saying how many there would be, and what to do.
    """
    kept = newest_estimate(connection, task)
    rows = sum(file.rows for _, file in _files(plan_of(catalogue, [task]), task.strategy.recall, builds))
    if kept is not None and rows <= OUTGROWN * kept[1].recalled_rows:
        estimate = kept[1]
        if estimate.share_of_all(estimate.cases_low) > limit:
            share = f"{estimate.share_of_all(estimate.cases):.0%} of all {estimate.recalled_rows:,} rows of {task.strategy.recall}"
            raise Conflict(
                f"it was estimated to return {estimate.cases:,} cases, {share}, more than {limit:.0%}",
                where=task.strategy.id,
                remedy="narrow it, or submit it with --yes",
            )
        return
    look = quick_look(storage, catalogue, task, builds, limit=limit)
    if look is not None:
        share = f"about {look.share:.0%} of all rows of {task.strategy.recall}"
        raise Conflict(
            f"it would return {share}, more than {limit:.0%} ({look.rows:,} rows were looked at)",
            where=task.strategy.id,
            remedy="narrow it, see what --dry-run finds with all joins, or submit it with --yes",
        )


def _files(plan: BatchPlan, name: str, builds: Mapping[str, Sequence[Build]]) -> list[tuple[Build, BuildFile]]:
    sees_hidden = plan.catalogue.objects[name].visibility == "all"
    cells = [build for object_name, build in needed_cells(plan.catalogue, plan.tasks[0], builds) if object_name == name]
    return [(build, file) for build in cells for file in build.files if file.rows and (file.visible or sees_hidden)]


def _pieces(storage: Storage, plan: BatchPlan, name: str, files: Sequence[tuple[Build, BuildFile]]) -> list[Piece]:
    """Rows at equal distances in all rows, in the order of products and periods; the same ones whenever the files are the same."""
    if not files:
        return []
    random = Random(SEED)
    object_ = plan.catalogue.objects[name]
    tested = [condition.column for condition in object_.where]
    columns = list(dict.fromkeys([*columns_of(plan, object_.entity), *tested]))
    ordered = sorted(files, key=lambda place: (place[0].product, place[0].period, place[1].path))
    ends = np.cumsum([file.rows for _, file in ordered])
    places = (np.arange(PIECES) + random.random()) * (ends[-1] / PIECES)
    drawn = [ordered[place] for place in np.searchsorted(ends, places, side="right")]
    return [Piece(build.product, _read(storage, file, columns, random)) for build, file in drawn]


def _read(storage: Storage, built: BuildFile, columns: list[str], random: Random) -> pa.RecordBatch:
    """Some rows near the beginning of a row group: whoever wants its end decodes all of it."""
    with storage.filesystem.open_input_file(storage.path(built.path)) as stream:
        file = pq.ParquetFile(stream)
        groups = [group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows]
        group = random.choice(groups)
        batches = -(-file.metadata.row_group(group).num_rows // PIECE_ROWS)
        skipped = random.randrange(min(batches, SKIPPED))
        return next(islice(file.iter_batches(PIECE_ROWS, row_groups=[group], columns=columns, use_threads=False), skipped, None))


def _possible(plan: BatchPlan, name: str, node: Node | None, pieces: Sequence[Piece]) -> list[float]:
    """The share of each piece that has an object's role and can fit its logic, as far as is known without a look for words."""
    table = LogicTable()
    number = None if node is None else table.add(node)
    shares = []
    for piece in pieces:

        def rule_bits(rule: Rule, rows: pa.RecordBatch = piece.rows) -> PackedBits | None:
            return None if rule.match == "matches" else np.packbits(evaluate_rule(rule, rows), bitorder="little")

        held = role_holds(plan.catalogue.objects[name].where, piece.rows)
        possible = None if number is None else table.limits(number, rule_bits, {}).possibly
        if possible is not None:
            held &= np.unpackbits(possible, count=piece.rows.num_rows, bitorder="little").view(bool)
        shares.append(float(held.mean()))
    return shares


def _fitting(plan: BatchPlan, name: str, pieces: Sequence[Piece]) -> list[float]:
    """The share of each piece that fits the object's logic, words included."""
    from srp_assets.recall.scan.kernel import EntityKernel, UnitCount  # brings numba: half a second that few submissions should cost

    kernel = EntityKernel(plan, plan.catalogue.objects[name].entity)
    place = plan.place(plan.groups[0], name)
    shares = []
    for piece in pieces:
        count = UnitCount()
        for _ in kernel.scan(piece.rows.select(list(kernel.columns)), piece.product, [(place, (0,))], count):
            pass
        shares.append(count.matched.get((place.index, 0), 0) / count.scanned)
    return shares


def _bound(shares: Sequence[float]) -> tuple[float, float]:
    """The mean of the pieces' shares, and the lower bound of what it estimates.

    Rows of one piece are alike, so pieces count, not rows. The variance is that of a systematic sample by successive differences (Wolter,
    "Introduction to Variance Estimation", 1985, chapter 7): products that differ, or a trend over time, do not widen the bound.
    """
    if not shares:
        return 0.0, 0.0
    values = np.array(shares)
    variance = float((np.diff(values) ** 2).sum()) / (2 * (len(values) - 1)) / len(values)
    return float(values.mean()), max(0.0, float(values.mean()) - ONE_SIDED_T * variance**0.5)
