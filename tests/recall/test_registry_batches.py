"""Attempts at a batch: recorded whole or not at all, retried up to a limit, never recorded by a run that lost its batch."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict, NotFound
from srp_assets.recall import registry
from srp_assets.recall.batch import Cell
from srp_assets.recall.claims import claim_window
from srp_assets.recall.registry_batches import begin_attempt, fail_attempt, finish_attempt, remove_batch
from srp_assets.recall.service import release_dead
from srp_assets.recall.worker import this_process
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.recall import add_task, later

ERROR: dict[str, Any] = {"code": "unavailable", "message": "Spark is gone", "where": None, "remedy": None}


@pytest.fixture
def batch_id(engine: Engine, settings: Settings, sample_catalogue: Catalogue) -> str:
    """A claimed batch of two tasks."""
    with engine.begin() as connection:
        for _ in range(2):
            add_task(connection, sample_catalogue)
        claimed = claim_window(connection, settings, now=later(1), at_once=True).batch_id
    assert claimed is not None
    return claimed


def begin(engine: Engine, batch_id: str, *, run_id: str = "run", worker: str | None = None) -> registry.Batch:
    with engine.begin() as connection:
        return begin_attempt(connection, batch_id, run_id=run_id, worker=worker or this_process(), now=later(2))


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


def test_a_failed_attempt_is_followed_by_another_until_they_are_used_up(engine: Engine, batch_id: str) -> None:
    for number in (1, 2):
        attempt = begin(engine, batch_id)
        assert attempt.attempt == number
        assert fail(engine, attempt) == "claimed"
        assert states(engine, batch_id) == ("claimed", {"batched"})
    assert fail(engine, begin(engine, batch_id)) == "failed"
    assert states(engine, batch_id) == ("failed", {"failed"})
    with engine.connect() as connection:
        assert all(task.error == ERROR and task.attempts == 3 for task in registry.tasks(connection, batch_id=batch_id))


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
        [sys.executable, "-c", "from srp_assets.recall.worker import this_process; print(this_process())"],
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
