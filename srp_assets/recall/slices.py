"""A long range of publish times as many tasks, one for each slice: a backfill that goes on where it stopped when it is asked for again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from srp_assets.errors import InvalidInput
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.registry_slices import tasks_of_version
from srp_assets.recall.submission import queue
from srp_assets.recall.tasks import TaskState, new_task_id
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import Unit, end_of, period_of, periods_between, start_of

UNITS: tuple[Unit, ...] = ("hour", "day", "month", "year")
"""From fine to coarse."""

MOST_SLICES = 1_000
"""So many tasks are queued at once at most (arbitrary: the most that one merged scan is measured with)."""


@dataclass(frozen=True)
class Slice:
    """One slice and its task, which was there before if it `existed`."""

    task_id: str
    published_from: datetime
    published_to: datetime
    state: TaskState
    existed: bool


def cut(
    catalogue: Catalogue, published_from: datetime | None, published_to: datetime | None, unit: Unit
) -> list[tuple[datetime, datetime]]:
    """The range cut at the boundaries of a unit, in order; the first and the last slice may be shorter.

    Raises:
        InvalidInput: if an end is open, the unit is finer than a partition, or there are too many slices.
    """
    if published_from is None or published_to is None:
        raise InvalidInput("slices need both ends of the range", where="--slice", remedy="give --from and --to")
    if UNITS.index(unit) < UNITS.index(catalogue.partition_unit):
        valid = ", ".join(UNITS[UNITS.index(catalogue.partition_unit) :])
        raise InvalidInput(
            f"a slice of one {unit} is finer than the tables, which have a partition for each {catalogue.partition_unit}",
            where="--slice",
            remedy=f"valid: {valid}",
        )
    ranges: list[tuple[datetime, datetime]] = []
    for period in periods_between(period_of(published_from, unit), period_of(published_to, unit), unit):
        start, end = max(start_of(period, unit), published_from), min(end_of(period, unit), published_to)
        if start < end:
            ranges.append((start, end))
        if len(ranges) > MOST_SLICES:
            raise InvalidInput(
                f"the range has more than {MOST_SLICES:,} slices", where="--slice", remedy="take a coarser unit or a shorter range"
            )
    return ranges


def queue_slices(
    connection: Connection,
    catalogue: Catalogue,
    task: TaskSpec,
    ranges: Sequence[tuple[datetime, datetime]],
    *,
    realtime: bool = False,
    follow: bool = False,
    urgent: bool = False,
    now: datetime,
) -> list[Slice]:
    """Queues a task for each slice that has none yet with the same pinned versions and products.

    A slice whose cases were removed after their retention is queued again; one that failed or was cancelled is found: it can be retried.

    Args:
        connection: the registry, in a transaction: all of it is queued or nothing.
        catalogue: the catalogue.
        task: the whole; its slices take its strategy and products.
        ranges: what `cut` gives.
        realtime: as in `queue`.
        follow: as in `queue`.
        urgent: as in `queue`.
        now: when they are submitted.
    """
    known = tasks_of_version(connection, task)
    slices: list[Slice] = []
    for start, end in ranges:
        found = known.get((start, end))
        if found is not None:
            slices.append(Slice(found[0], start, end, found[1], existed=True))
            continue
        part = task.model_copy(update={"task_id": new_task_id(), "published_from": start, "published_to": end})
        queue(connection, catalogue, part, realtime=realtime, follow=follow, urgent=urgent, now=now)
        slices.append(Slice(part.task_id, start, end, "submitted", existed=False))
    return slices
