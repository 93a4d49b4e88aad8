"""Processes that are killed in the middle: whatever moment it is, each task ends done exactly once, and its cases are there once.

The process is a real one, which patches the step that it dies in and kills itself there by SIGKILL: nothing of it can tidy up.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall import registry
from srp_assets.recall.cases import read_cases
from srp_assets.recall.claims import claim_window
from srp_assets.recall.service import Workshop, release_dead, run_batch_now
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.recall import add_task, popular
from support.world import build_all, comment, land_rows, post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall import claims, registry, registry_batches, service
from srp_assets.recall.scan import plan_batch
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage

def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(step):
    def both(*arguments, **more):
        step(*arguments, **more)
        die()
    return both

moment = sys.argv[1]
settings = Settings()
engine = open_registry(settings)
if moment == "before the claim commits":
    claims.add_batch = then_die(claims.add_batch)
if moment == "in the scan":
    plan_batch.BatchRun.scan = then_die(plan_batch.BatchRun.scan)
if moment == "when the cases are written":
    registry_batches.finish_attempt = die
if moment == "while it is recorded":
    registry_batches.finish_attempt = then_die(registry_batches.finish_attempt)
if moment == "when it is recorded":
    service.run_batch_now = then_die(service.run_batch_now)
with engine.begin() as connection:
    (batch_id,) = claims.claim_window(connection, settings, now=datetime.now(UTC), at_once=True).batches
if moment == "after the claim":
    die()
catalogue = load_catalogue(settings.catalogue)
workshop = service.Workshop(engine, Storage(settings.warehouse_location), catalogue, settings, lambda: open_session(settings))
service.run_batch_now(workshop, batch_id, run_id="killed")
"""

EARLY = ["before the claim commits", "after the claim"]
LATE = ["in the scan", "when the cases are written", "while it is recorded", "when it is recorded"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def settings_of_the_home(request: pytest.FixtureRequest, settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    if request.param == "postgresql":
        monkeypatch.setenv("SRP_DATABASE_URL", request.getfixturevalue("postgres_database"))
    return Settings()


@pytest.fixture
def registry_of_the_home(settings_of_the_home: Settings) -> Iterator[Engine]:
    opened = open_registry(settings_of_the_home)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("moment", [*EARLY, *LATE[:2], *(pytest.param(moment, marks=pytest.mark.nightly) for moment in LATE[2:])])
def test_a_process_that_is_killed_loses_and_doubles_nothing(
    settings_of_the_home: Settings,
    registry_of_the_home: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    spark: "SparkSession",
    moment: str,
) -> None:
    settings, engine = settings_of_the_home, registry_of_the_home
    land_rows(engine, storage, sample_catalogue, {"post": [post(1, likes=20), post(2)], "comment": [comment(7, 1), comment(8, 1)]})
    build_all(spark, engine, storage, sample_catalogue)
    with engine.begin() as connection:
        posts = add_task(connection, sample_catalogue, strategy=popular("post"))
        comments = add_task(connection, sample_catalogue, strategy=popular("post", "comment", recall="comment"))
    child = subprocess.run([sys.executable, "-c", CHILD, moment], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=200)
    assert child.returncode == -signal.SIGKILL, child.stderr[-2000:]

    # What any tick of the sensor does.
    released = release_dead(engine, settings, has_ended=lambda run_id: False)
    with engine.begin() as connection:
        claim_window(connection, settings, now=datetime.now(UTC), at_once=True)
    with engine.connect() as connection:
        waiting = registry.batches(connection, state="claimed")
    workshop = Workshop(engine, storage, sample_catalogue, settings, lambda: open_session(settings))
    for batch in waiting:
        run_batch_now(workshop, batch.batch_id, run_id="next")

    recorded = moment == "when it is recorded"
    died_running = moment in LATE and not recorded
    assert (len(released), len(waiting)) == (int(died_running), int(not recorded))
    with engine.connect() as connection:
        tasks = {task.task_id: task for task in registry.tasks(connection)}
        (batch,) = registry.batches(connection)
        cells = {task_id: registry.cells(connection, task_id) for task_id in tasks}
    assert batch.state == "done"
    assert {task_id: (task.state, task.cases, task.complete) for task_id, task in tasks.items()} == {
        posts: ("done", 1, True),
        comments: ("done", 2, True),
    }
    assert {task.attempts for task in tasks.values()} == {2 if died_running else 1}
    assert [len(cells[task_id]) for task_id in (posts, comments)] == [1, 2]
    for task_id, ids in ((posts, ["1"]), (comments, ["7", "8"])):
        folder = tasks[task_id].cases_folder
        assert folder is not None
        assert [case["id"] for case in read_cases(storage, folder, task_id)] == ids
