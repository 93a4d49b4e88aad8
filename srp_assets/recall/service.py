"""Recall as a service: run a claimed batch and record what it found, release batches whose run died, forget old ones.

Needs no framework: the Dagster asset and the sensor call these functions. Tasks come in through `submission.py`, are taken by `claims.py`;
the scan itself is `plan_batch.py`.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from srp_assets.errors import Conflict, SrpError
from srp_assets.progress import Progress
from srp_assets.recall import registry, registry_batches
from srp_assets.recall.completeness import judge
from srp_assets.recall.leases import AttemptLease
from srp_assets.recall.pins import current_pins
from srp_assets.recall.realtime import REALTIME_FOLDER, unbuilt_rows, with_unbuilt
from srp_assets.recall.registry_refills import refilled_since
from srp_assets.recall.tasks import ENDED_BATCHES, BatchState
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.worker import is_dead, this_process

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BATCHES_FOLDER = "cases"
"""Folder of the warehouse that holds a folder for each batch, and in it one for each attempt."""


@dataclass(frozen=True)
class Workshop:
    """What running a batch works with. `session` is called when Spark is needed, so that a server that cannot start fails the attempt."""

    engine: Engine
    storage: Storage
    catalogue: Catalogue
    settings: Settings
    session: Callable[[], "SparkSession"]


def run_batch_now(workshop: Workshop, batch_id: str, *, run_id: str | None = None, progress: Progress | None = None) -> registry.Batch:
    """Tries a claimed batch once: scans, judges completeness and records all of it in one transaction.

    A batch that is done already is left as it is. Whatever goes wrong is recorded and raised: the batch waits for its next try then, or
    has failed if this was the last.

    Raises:
        Conflict: if another run tries the batch, or this one lost it: to another run after it was silent for too long, or because all of
            its tasks were cancelled.
    """
    engine, seconds = workshop.engine, workshop.settings.recall_lease_seconds
    with engine.begin() as connection:
        current = registry.batch(connection, batch_id)
        if current.state == "done":
            return current
        attempt = registry_batches.begin_attempt(
            connection, batch_id, run_id=run_id, worker=this_process(), now=_now(), lease_until=_now() + timedelta(seconds=seconds)
        )
    try:
        with AttemptLease(engine, attempt, seconds=seconds) as lease:
            _scan_and_record(workshop, attempt, lease, progress)
    except BaseException as error:
        # Interrupts too: whoever stops a run by hand must not leave its tasks running for ever.
        given_back = give_back(engine, attempt, _describe(error), workshop.settings)
        if given_back is None and isinstance(error, Exception):
            raise _lost(engine, attempt) from error
        raise
    with engine.connect() as connection:
        return registry.batch(connection, batch_id)


def _scan_and_record(workshop: Workshop, attempt: registry.Batch, lease: AttemptLease, progress: Progress | None) -> None:
    from srp_assets.recall.scan.plan_batch import run_batch  # brings pyspark: half a second that only a scan should cost

    def session() -> "SparkSession":
        spark = workshop.session()
        lease.interrupt = spark.interruptAll
        return spark

    catalogue = workshop.catalogue
    with workshop.engine.connect() as connection:
        tasks = registry.tasks(connection, batch_id=attempt.batch_id, state="running")
        specs = registry.task_specs(connection, [task.task_id for task in tasks])
        pins = current_pins(connection, catalogue, specs)
        unbuilt = unbuilt_rows(connection, [task for task in tasks if task.realtime])
    folder = f"{BATCHES_FOLDER}/{attempt.batch_id}/attempt-{attempt.attempt}"
    if unbuilt.periods:
        pins = with_unbuilt(
            session, workshop.engine, workshop.storage, catalogue, pins, unbuilt, f"{folder}/{REALTIME_FOLDER}", progress=progress
        )
    builds, hits = pins
    result = run_batch(
        session(),
        workshop.storage,
        catalogue,
        specs,
        builds,
        folder,
        broadcast_rows=workshop.settings.broadcast_rows,
        worker_rows=workshop.settings.worker_rows,
        hits=hits,
        progress=progress,
    )
    outcomes = [judge(catalogue, spec, builds, result.cells, result.case_counts.get(spec.task_id, 0)) for spec in specs]
    summary = {
        "tasks": len(specs),
        "rows_scanned": result.rows_scanned,
        "hits": result.hits,
        "cases": sum(outcome.cases for outcome in outcomes),
        "cells": len(result.cells),
        "complete": sum(outcome.complete for outcome in outcomes),
        "timings": result.timings,
    }
    with workshop.engine.begin() as connection:
        registry_batches.finish_attempt(
            connection, attempt, folder=result.cases_folder, summary=summary, outcomes=outcomes, cells=result.cells, now=_now()
        )
    workshop.storage.delete_tree(f"{folder}/{REALTIME_FOLDER}")


def give_back(engine: Engine, attempt: registry.Batch, error: dict[str, Any], settings: Settings) -> BatchState | None:
    """Records that an attempt failed; returns the state in which the batch is now, or None if it is no longer at this attempt."""
    try:
        with engine.begin() as connection:
            return registry_batches.fail_attempt(connection, attempt, error, attempts=settings.recall_attempts, now=_now())
    except Conflict:
        return None


def _lost(engine: Engine, attempt: registry.Batch) -> Conflict:
    with engine.connect() as connection:
        current = registry.batch(connection, attempt.batch_id)
    if current.state == "cancelled":
        return Conflict("every task of the batch was cancelled", where=f"batch {attempt.batch_id}")
    return Conflict(
        f"the run lost its batch, which is {current.state} at attempt {current.attempt}; it recorded nothing",
        where=f"batch {attempt.batch_id}, attempt {attempt.attempt}",
    )


def release_dead(engine: Engine, settings: Settings, *, has_ended: Callable[[str], bool]) -> list[str]:
    """Releases batches whose run died without saying so; returns their ids.

    That a process of this machine is gone is seen at once. `has_ended` is asked about the runs of the others; of one that ended in no way
    that anybody noticed (its machine is gone), the lease runs out.
    """
    now = _now()
    with engine.connect() as connection:
        running = registry.batches(connection, state="running")
    released = []
    for attempt in running:
        if is_dead(attempt.worker) or (attempt.run_id is not None and has_ended(attempt.run_id)):
            message = "the run ended without a result"
        elif attempt.lease_until is not None and attempt.lease_until < now:
            message = f"the run gave no sign of life for {settings.recall_lease_seconds:g} s"
        else:
            continue
        error = {"code": "died", "message": message, "where": f"run {attempt.run_id}", "remedy": None}
        if give_back(engine, attempt, error, settings) is not None:
            released.append(attempt.batch_id)
    return released


def forget_old(engine: Engine, storage: Storage, settings: Settings, *, now: datetime) -> list[str]:
    """Deletes the cases and scratch of batches that ended longer ago than the retention; returns all batches that were ever removed.

    A batch of which a task was refilled since is kept, so a task that follows keeps its cases as long as data lands for it.
    The registry keeps their counts and cells, and says that the cases are gone.
    """
    limit = now - timedelta(days=settings.recall_retention_days)
    with engine.connect() as connection:
        ended = [batch for state in sorted(ENDED_BATCHES) for batch in registry.batches(connection, state=state)]
        fresh = refilled_since(connection, limit)
    for batch in ended:
        if batch.finished_at is not None and batch.finished_at < limit and batch.batch_id not in fresh:
            with engine.begin() as connection:
                registry_batches.remove_batch(
                    connection, batch.batch_id, note=f"cases removed after {settings.recall_retention_days:g} days"
                )
    with engine.connect() as connection:
        removed = [batch.batch_id for batch in registry.batches(connection, state="removed")]
    # Also what an earlier call had no time for: the registry says so first, then the files go.
    kept = set(storage.folders(BATCHES_FOLDER))
    for batch_id in removed:
        if batch_id in kept:
            storage.delete_tree(f"{BATCHES_FOLDER}/{batch_id}")
    return removed


def _describe(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SrpError):
        return error.as_dict()
    name = type(error).__name__
    text = " ".join(str(error).split())[:1000]
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{frame[0].name}, line {frame[0].lineno}" if frame else None
    return {"code": "crashed", "message": f"{name}: {text}" if text else name, "where": where, "remedy": "see the run in the Dagster UI"}


def _now() -> datetime:
    return datetime.now(UTC)
