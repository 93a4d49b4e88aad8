"""Attempts at a batch: recorded whole or not at all, retried up to a limit, never recorded by a run that lost its batch."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict, NotFound
from srp_assets.recall import registry
from srp_assets.recall.batch import Cell
from srp_assets.recall.claims import claim_window
from srp_assets.recall.leases import AttemptLease
from srp_assets.recall.registry_batches import begin_attempt, fail_attempt, finish_attempt, remove_batch, renew_attempt
from srp_assets.recall.registry_tasks import cancel_task, retry_task
from srp_assets.recall.service import release_dead
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.worker import this_process
from support.recall import add_task, later
from support.waiting import until

ERROR: dict[str, Any] = {"code": "unavailable", "message": "Spark is gone", "where": None, "remedy": None}


@pytest.fixture
def engine(any_registry: Engine) -> Engine:
    """On SQLite and on PostgreSQL."""
    return any_registry


@pytest.fixture
def batch_id(engine: Engine, settings: Settings, sample_catalogue: Catalogue) -> str:
    """A claimed batch of two tasks."""
    with engine.begin() as connection:
        for _ in range(2):
            add_task(connection, sample_catalogue)
        (claimed,) = claim_window(connection, settings, now=later(1), at_once=True).batches
    return claimed


def begin(engine: Engine, batch_id: str, *, run_id: str = "run", worker: str | None = None, lease_seconds: float = 3600) -> registry.Batch:
    with engine.begin() as connection:
        lease_until = datetime.now(UTC) + timedelta(seconds=lease_seconds)
        return begin_attempt(connection, batch_id, run_id=run_id, worker=worker or this_process(), now=later(2), lease_until=lease_until)


def finish(engine: Engine, attempt: registry.Batch, *, cells: list[Cell] | None = None) -> None:
    with engine.begin() as connection:
        outcomes = [
            registry.Outcome(task.task_id, 7, complete=True, note=None) for task in registry.tasks(connection, batch_id=attempt.batch_id)
        ]
        found = [Cell(outcome.task_id, "post", "aurora", "2024-01", 5, 5, 2) for outcome in outcomes]
        finish_attempt(
            connection,
            attempt,
            folder=f"cases/{attempt.batch_id}/attempt-{attempt.attempt}/cases",
            summary={"hits": 3},
            outcomes=outcomes,
            cells=found if cells is None else cells,
            now=later(9),
        )


def fail(engine: Engine, attempt: registry.Batch, attempts: int = 3) -> str:
    with engine.begin() as connection:
        return fail_attempt(connection, attempt, ERROR, attempts=attempts, now=later(5))


def tasks_of(engine: Engine, batch_id: str) -> list[registry.Task]:
    with engine.connect() as connection:
        return registry.tasks(connection, batch_id=batch_id)


def states(engine: Engine, batch_id: str) -> tuple[str, set[str]]:
    with engine.connect() as connection:
        return registry.batch(connection, batch_id).state, {task.state for task in registry.tasks(connection, batch_id=batch_id)}


def test_an_attempt_that_finishes_records_everything(engine: Engine, batch_id: str) -> None:
    attempt = begin(engine, batch_id)
    assert states(engine, batch_id) == ("running", {"running"})
    finish(engine, attempt)
    assert states(engine, batch_id) == ("done", {"done"})
    with engine.connect() as connection:
        for task in registry.tasks(connection, batch_id=batch_id):
            assert (task.cases, task.complete, task.attempts) == (7, True, 1)
            assert task.cases_folder == f"cases/{batch_id}/attempt-1/cases"
            assert registry.cells(connection, task.task_id) == [Cell(task.task_id, "post", "aurora", "2024-01", 5, 5, 2)]


def test_a_recording_that_fails_half_way_leaves_nothing(engine: Engine, batch_id: str) -> None:
    attempt = begin(engine, batch_id)
    with engine.connect() as connection:
        task_id = registry.tasks(connection, batch_id=batch_id)[0].task_id
    twice = [Cell(task_id, "post", "aurora", "2024-01", 5, 5, 2)] * 2
    with pytest.raises(Exception, match=r"(?i)unique"):
        finish(engine, attempt, cells=twice)
    assert states(engine, batch_id) == ("running", {"running"})
    with engine.connect() as connection:
        assert registry.cells(connection, task_id) == []
        assert registry.task(connection, task_id).cases is None


def test_a_batch_is_tried_by_one_run_at_a_time(engine: Engine, batch_id: str) -> None:
    begin(engine, batch_id, run_id="first")
    with pytest.raises(Conflict, match="running \\(run first\\)"):
        begin(engine, batch_id, run_id="second")


def alone(engine: Engine) -> list[registry.Batch]:
    """The batches that wait for their next attempt."""
    with engine.connect() as connection:
        return registry.batches(connection, state="claimed")


def test_the_last_attempt_is_each_tasks_own(engine: Engine, batch_id: str) -> None:
    assert fail(engine, begin(engine, batch_id)) == "claimed"
    assert states(engine, batch_id) == ("claimed", {"batched"})
    second = begin(engine, batch_id)
    assert second.attempt == 2
    assert fail(engine, second) == "split"
    assert states(engine, batch_id) == ("split", set())
    good, bad = alone(engine)
    finish(engine, begin(engine, good.batch_id))
    last = begin(engine, bad.batch_id)
    assert last.attempt == 3
    assert fail(engine, last) == "failed"
    assert (states(engine, good.batch_id), states(engine, bad.batch_id)) == (("done", {"done"}), ("failed", {"failed"}))
    with engine.connect() as connection:
        (task,) = registry.tasks(connection, batch_id=bad.batch_id)
        assert (task.error, task.attempts) == (ERROR, 3)


def test_a_task_that_is_alone_keeps_its_batch_for_the_last_attempt(engine: Engine, batch_id: str) -> None:
    with engine.begin() as connection:
        cancel_task(connection, registry.tasks(connection, batch_id=batch_id)[0].task_id, now=later(2))
    assert fail(engine, begin(engine, batch_id)) == "claimed"
    assert fail(engine, begin(engine, batch_id)) == "claimed"
    assert fail(engine, begin(engine, batch_id)) == "failed"
    assert states(engine, batch_id) == ("failed", {"cancelled", "failed"})


def test_a_failed_batch_may_be_tried_again_by_hand(engine: Engine, batch_id: str) -> None:
    assert fail(engine, begin(engine, batch_id), attempts=1) == "failed"
    finish(engine, begin(engine, batch_id))
    assert states(engine, batch_id) == ("done", {"done"})
    with engine.connect() as connection:
        assert all(task.error is None for task in registry.tasks(connection, batch_id=batch_id))


def test_a_run_that_died_before_it_began_uses_up_an_attempt(engine: Engine, batch_id: str) -> None:
    with engine.connect() as connection:
        claimed = registry.batch(connection, batch_id)
    assert fail(engine, claimed) == "claimed"
    assert begin(engine, batch_id).attempt == 2


def test_a_run_that_lost_its_batch_records_nothing(engine: Engine, batch_id: str) -> None:
    slow = begin(engine, batch_id)
    fail(engine, slow)
    quick = begin(engine, batch_id)
    with pytest.raises(Conflict, match="no longer at attempt 1"):
        finish(engine, slow)
    with pytest.raises(Conflict, match="no longer at attempt 1"):
        fail(engine, slow)
    finish(engine, quick)
    with engine.connect() as connection:
        assert {task.cases_folder for task in registry.tasks(connection, batch_id=batch_id)} == {f"cases/{batch_id}/attempt-2/cases"}


def test_a_batch_whose_process_is_gone_is_released(engine: Engine, settings: Settings, batch_id: str) -> None:
    worker = subprocess.run(
        [sys.executable, "-c", "from srp_assets.warehouse.worker import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    begin(engine, batch_id, worker=worker)
    assert release_dead(engine, settings, has_ended=lambda run_id: False) == [batch_id]
    assert states(engine, batch_id) == ("claimed", {"batched"})
    with engine.connect() as connection:
        assert registry.batch(connection, batch_id).error == {
            "code": "died",
            "message": "the run ended without a result",
            "where": "run run",
            "remedy": None,
        }


def test_only_batches_whose_run_ended_are_released(engine: Engine, settings: Settings, batch_id: str) -> None:
    begin(engine, batch_id)
    assert release_dead(engine, settings, has_ended=lambda run_id: False) == []
    assert states(engine, batch_id) == ("running", {"running"})
    assert release_dead(engine, settings, has_ended=lambda run_id: run_id == "run") == [batch_id]


def test_a_worker_of_another_machine_is_not_taken_for_dead(engine: Engine, settings: Settings, batch_id: str) -> None:
    begin(engine, batch_id, worker="elsewhere.example:1:0.00")
    assert release_dead(engine, settings, has_ended=lambda run_id: False) == []


def test_a_worker_of_another_machine_that_is_silent_loses_its_batch(engine: Engine, settings: Settings, batch_id: str) -> None:
    silent = begin(engine, batch_id, worker="elsewhere.example:1:0.00", lease_seconds=-1)
    assert release_dead(engine, settings, has_ended=lambda run_id: False) == [batch_id]
    with engine.begin() as connection:
        error = registry.batch(connection, batch_id).error
        assert error is not None
        assert error["message"] == "the run gave no sign of life for 60 s"
        # Should it come back: it holds nothing any more, and records nothing.
        assert not renew_attempt(connection, silent, later(0))
    with pytest.raises(Conflict, match="no longer at attempt 1"):
        finish(engine, silent)


def test_a_sign_of_life_keeps_the_batch(engine: Engine, settings: Settings, batch_id: str) -> None:
    attempt = begin(engine, batch_id, worker="elsewhere.example:1:0.00", lease_seconds=-1)
    with engine.begin() as connection:
        assert renew_attempt(connection, attempt, datetime.now(UTC) + timedelta(seconds=60))
    assert release_dead(engine, settings, has_ended=lambda run_id: False) == []


def test_a_run_renews_its_lease_and_notices_when_it_is_lost(engine: Engine, batch_id: str) -> None:
    attempt = begin(engine, batch_id)
    interrupted: list[bool] = []
    with AttemptLease(engine, attempt, seconds=0.2) as lease:

        def renewed() -> bool:
            with engine.connect() as connection:
                return registry.batch(connection, batch_id).lease_until != attempt.lease_until

        until(renewed, "a renewal", seconds=30)
        assert not lease.is_lost
        lease.interrupt = lambda: interrupted.append(True)
        fail(engine, attempt)
        # Again and again: what it interrupts may be between two calls.
        until(lambda: len(interrupted) > 1, "the loss to be noticed", seconds=30)
        assert lease.is_lost


def test_of_a_cancelled_task_nothing_is_recorded_and_of_the_others_everything(engine: Engine, batch_id: str) -> None:
    attempt = begin(engine, batch_id)
    cancelled, other = (task.task_id for task in tasks_of(engine, batch_id))
    with engine.begin() as connection:
        assert cancel_task(connection, cancelled, now=later(3)).state == "cancelled"
        assert cancel_task(connection, cancelled, now=later(4)).finished_at == later(3)  # twice is once
    finish(engine, attempt)
    with engine.connect() as connection:
        assert registry.batch(connection, batch_id).state == "done"
        task = registry.task(connection, cancelled)
        assert (task.state, task.cases, task.complete, task.cases_folder) == ("cancelled", None, None, None)
        assert registry.cells(connection, cancelled) == []
        assert (registry.task(connection, other).state, len(registry.cells(connection, other))) == ("done", 1)
    with engine.begin() as connection, pytest.raises(Conflict, match="the task is done"):
        cancel_task(connection, other, now=later(5))


@pytest.mark.parametrize("begun", [False, True])
def test_a_batch_is_cancelled_with_its_last_task(engine: Engine, batch_id: str, begun: bool) -> None:
    attempt = begin(engine, batch_id) if begun else None
    for task in tasks_of(engine, batch_id):
        assert states(engine, batch_id)[0] == ("running" if begun else "claimed")
        with engine.begin() as connection:
            cancel_task(connection, task.task_id, now=later(3))
    assert states(engine, batch_id) == ("cancelled", {"cancelled"})
    if attempt is None:
        with pytest.raises(Conflict, match="is cancelled"):
            begin(engine, batch_id)
    else:
        with engine.begin() as connection:
            assert not renew_attempt(connection, attempt, later(60))
        with pytest.raises(Conflict, match="no longer at attempt 1"):
            finish(engine, attempt)
        with pytest.raises(Conflict, match="no longer at attempt 1"):
            fail(engine, attempt)


def test_a_task_that_waits_is_cancelled_and_tried_again_as_it_was_pinned(
    engine: Engine, settings: Settings, sample_catalogue: Catalogue
) -> None:
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue)
        submitted = registry.task(connection, task_id)
        with pytest.raises(Conflict, match="the task is submitted: only what failed or was cancelled"):
            retry_task(connection, task_id, now=later(1))
        cancel_task(connection, task_id, now=later(1))
        assert claim_window(connection, settings, now=later(500), at_once=True).reason == "no task waits"
        again = retry_task(connection, task_id, now=later(600))
        assert again == replace(submitted, retried_at=later(600))
        assert again.queued_at == later(600)
        assert claim_window(connection, settings, now=later(600), at_once=True).task_ids == (task_id,)


def test_a_failed_task_is_tried_again_with_all_of_its_tries(engine: Engine, settings: Settings, batch_id: str) -> None:
    assert fail(engine, begin(engine, batch_id), attempts=1) == "failed"
    failed = tasks_of(engine, batch_id)
    with engine.begin() as connection:
        for task in failed:
            assert retry_task(connection, task.task_id, now=later(20)).attempts == 0
        # A batch that has lost its tasks cannot be tried by hand.
        with pytest.raises(Conflict, match="no task left"), connection.begin_nested():
            begin_attempt(connection, batch_id, run_id="run", worker=this_process(), now=later(21), lease_until=later(81))
        (again,) = claim_window(connection, settings, now=later(22), at_once=True).batches
    for _ in range(2):
        fail(engine, begin(engine, again))
    for batch in alone(engine):
        finish(engine, begin(engine, batch.batch_id))
    with engine.connect() as connection:
        ended = [registry.task(connection, task.task_id) for task in failed]
    assert [(task.state, task.attempts, task.error) for task in ended] == [("done", 3, None)] * 2


def test_cancelling_and_finishing_at_once_leave_one_of_both(engine: Engine, settings: Settings, sample_catalogue: Catalogue) -> None:
    for _ in range(5):
        with engine.begin() as connection:
            task_ids = [add_task(connection, sample_catalogue) for _ in range(4)]
            (batch_id,) = claim_window(connection, settings, now=later(1), at_once=True).batches
        attempt = begin(engine, batch_id)
        start = threading.Barrier(2)
        refused: list[str] = []

        def cancel(start: threading.Barrier = start, task_ids: list[str] = task_ids, refused: list[str] = refused) -> None:
            start.wait()
            for task_id in task_ids:
                try:
                    with engine.begin() as connection:
                        cancel_task(connection, task_id, now=later(3))
                except Conflict:
                    refused.append(task_id)

        thread = threading.Thread(target=cancel)
        thread.start()
        start.wait()
        try:
            finish(engine, attempt)
        except Conflict:
            assert states(engine, batch_id) == ("cancelled", {"cancelled"})
        thread.join()
        ended = tasks_of(engine, batch_id)
        assert {task.state for task in ended} <= {"done", "cancelled"}
        assert {task.task_id for task in ended if task.state == "done"} == set(refused)


def test_a_removed_batch_keeps_its_counts_and_says_so(engine: Engine, batch_id: str) -> None:
    attempt = begin(engine, batch_id)
    with engine.begin() as connection, pytest.raises(Conflict):
        remove_batch(connection, batch_id, note="too early")
    finish(engine, attempt)
    with engine.begin() as connection:
        remove_batch(connection, batch_id, note="cases removed after 30 days")
    with engine.connect() as connection:
        for task in registry.tasks(connection, batch_id=batch_id):
            assert (task.state, task.cases, task.cases_folder, task.note) == ("done", 7, None, "cases removed after 30 days")
            assert len(registry.cells(connection, task.task_id)) == 1
    with pytest.raises(Conflict):
        begin(engine, batch_id)


def test_batches_that_were_split_or_cancelled_are_removed_as_others_are(engine: Engine, batch_id: str) -> None:
    for _ in range(2):
        fail(engine, begin(engine, batch_id))
    first, second = alone(engine)
    with engine.begin() as connection:
        cancel_task(connection, registry.tasks(connection, batch_id=first.batch_id)[0].task_id, now=later(6))
        for ended in (batch_id, first.batch_id):
            remove_batch(connection, ended, note="cases removed after 30 days")
    finish(engine, begin(engine, second.batch_id))
    assert [states(engine, name)[0] for name in (batch_id, first.batch_id, second.batch_id)] == ["removed", "removed", "done"]


def test_names_that_nothing_has(engine: Engine, batch_id: str) -> None:
    with engine.connect() as connection:
        task_id = registry.tasks(connection)[0].task_id
        with pytest.raises(NotFound, match="did you mean"):
            registry.task(connection, task_id[:-1])
        with pytest.raises(NotFound, match="did you mean"):
            registry.batch(connection, batch_id[:-1])


def test_a_task_is_kept_as_it_was_submitted(engine: Engine, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue, products=("aurora", "lotus"), published_from=later(0), published_to=later(60))
        (spec,) = registry.task_specs(connection, [task_id])
        task = registry.task(connection, task_id)
    assert spec.strategy.id == "popular"
    assert (spec.products, spec.published_from, spec.published_to) == (("aurora", "lotus"), later(0), later(60))
    assert [replace(needed, first=None, last=None) for needed in task.needs] == [
        registry.PeriodRange("post", "aurora", None, None),
        registry.PeriodRange("post", "lotus", None, None),
    ]
    assert {(needed.first, needed.last) for needed in task.needs} == {("2026-03", "2026-03")}
