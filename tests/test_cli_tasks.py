"""The commands on tasks: cancel, retry, watch, and submit --urgent."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from srp_assets.recall import registry
from srp_assets.recall.claims import claim_window
from srp_assets.recall.registry_batches import begin_attempt, fail_attempt, finish_attempt
from srp_assets.settings import PROJECT_ROOT, Settings
from support.command_line import srp
from support.waiting import until

STRATEGY = """
kind: strategy
id: liked
owner: tests
products: [aurora]
objects: {post: {all: [{feature: like_count, match: ">=", value: 10}]}}
recall: post
"""

ERROR, USAGE, INCOMPLETE = 1, 2, 3


@pytest.fixture
def task_id(settings: Settings, tmp_path: Path) -> str:
    """A task that waits."""
    documents = tmp_path / "strategy.yaml"
    documents.write_text(STRATEGY, encoding="utf-8")
    srp("apply", documents)
    return str(srp("submit", "liked")["task_id"])


def claimed(engine: Engine, settings: Settings) -> registry.Batch:
    """The batch of what waits, at its next attempt."""
    now = datetime.now(UTC)
    with engine.begin() as connection:
        (batch_id,) = claim_window(connection, settings, now=now, at_once=True).batches
        return begin_attempt(
            connection, batch_id, run_id="run", worker="elsewhere:1:0.00", now=now, lease_until=now + timedelta(seconds=600)
        )


def finish(engine: Engine, attempt: registry.Batch, task_id: str, *, complete: bool = True) -> None:
    with engine.begin() as connection:
        outcome = registry.Outcome(task_id, 4, complete=complete, note=None)
        finish_attempt(connection, attempt, folder="cases/x", summary={}, outcomes=[outcome], cells=[], now=datetime.now(UTC))


def test_a_task_is_cancelled_and_tried_again(task_id: str) -> None:
    other = srp("submit", "liked")["task_id"]
    cancelled = srp("tasks", "cancel", other, task_id)["tasks"]
    assert [(task["task_id"], task["state"]) for task in cancelled] == [(other, "cancelled"), (task_id, "cancelled")]
    assert srp("cases", task_id, code=ERROR)["error"]["remedy"] == f"run `srp tasks retry {task_id}`"
    assert srp("tasks", "retry", task_id)["tasks"][0]["state"] == "submitted"
    assert [task["state"] for task in srp("tasks")["tasks"]] == ["submitted", "cancelled"]


def test_several_are_changed_together_or_not_at_all(task_id: str) -> None:
    error = srp("tasks", "cancel", task_id, "t-nothing", code=ERROR)["error"]
    assert error["code"] == "not_found"
    assert srp("tasks", task_id)["state"] == "submitted"
    assert srp("tasks", "retry", task_id, code=ERROR)["error"]["code"] == "conflict"
    assert srp("tasks", "cancel", code=USAGE)["error"]["code"] == "usage"


def test_a_failed_task_says_how_it_is_tried_again(task_id: str, engine: Engine, settings: Settings) -> None:
    attempt = claimed(engine, settings)
    with engine.begin() as connection:
        error = {"code": "crashed", "message": "it broke", "where": None, "remedy": None}
        fail_attempt(connection, attempt, error, attempts=1, now=datetime.now(UTC))
    assert srp("cases", task_id, code=ERROR)["error"]["remedy"] == f"run `srp tasks retry {task_id}`"
    again = srp("tasks", "retry", task_id)["tasks"][0]
    assert (again["state"], again["attempts"], again["error"]) == ("submitted", 0, None)


def test_urgent_tasks_are_marked(task_id: str) -> None:
    urgent = srp("submit", "liked", "--urgent")["task_id"]
    assert [(srp("tasks", one)["urgent"]) for one in (task_id, urgent)] == [False, True]


def test_late_tasks_are_shown(task_id: str, engine: Engine) -> None:
    assert srp("tasks", task_id)["timings"]["within_slo"] is None
    with engine.begin() as connection:
        connection.execute(registry.recall_task.update().values(submitted_at=datetime.now(UTC) - timedelta(minutes=31)))
    assert srp("tasks", task_id)["timings"]["within_slo"] is False
    assert srp("tasks")["tasks"][0]["timings"]["within_slo"] is False
    shown = subprocess.run(
        [sys.executable, "-m", "srp_assets.cli", "tasks"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(rf"{task_id} +liked +submitted +late", shown)


@pytest.mark.parametrize(("complete", "code"), [(True, 0), (False, INCOMPLETE)])
def test_watching_says_each_change_until_all_have_ended(
    task_id: str, engine: Engine, settings: Settings, tmp_path: Path, complete: bool, code: int
) -> None:
    lines = tmp_path / "watched"
    program = [sys.executable, "-m", "srp_assets.cli", "tasks", "--watch", "--json"]
    with lines.open("wb") as output, subprocess.Popen(program, cwd=PROJECT_ROOT, stdout=output) as watching:

        def states() -> list[str]:
            return [json.loads(line)["state"] for line in lines.read_text(encoding="utf-8").splitlines()]

        for state in ("submitted", "running"):
            if state == "running":
                attempt = claimed(engine, settings)
            until(lambda state=state: states()[-1:] == [state], f"the line {state!r}", alive=lambda: watching.poll() is None)
        finish(engine, attempt, task_id, complete=complete)
        assert watching.wait(120) == code
    assert states() == ["submitted", "running", "done"]
    last = json.loads(lines.read_text(encoding="utf-8").splitlines()[-1])
    assert (last["task_id"], last["cases"], last["complete"]) == (task_id, 4, complete)


def test_watching_one_task_that_has_ended_ends_at_once(task_id: str) -> None:
    srp("tasks", "cancel", task_id)
    assert srp("tasks", task_id, "--watch")["state"] == "cancelled"
