"""A Spark server that dies in the middle of a batch: the attempt fails, the next one starts a server, nothing is lost or doubled."""

import os
import signal
from collections.abc import Iterator

import dagster as dg
import pytest
from sqlalchemy import Engine

from resources import spark_server
from resources.spark import open_session
from srp_assets.cli_common import Home
from srp_assets.cli_runs import LocalRuns
from srp_assets.recall import registry
from srp_assets.recall.assets import CASES
from srp_assets.recall.cases import read_cases
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.recall import add_task, popular
from support.world import build_all, comment, land_rows, post

pytestmark = [pytest.mark.timeout(900), pytest.mark.starts_servers]


@pytest.fixture
def own_server(settings: Settings) -> Iterator[Settings]:
    """Settings whose home starts a Spark server of its own, which this test may kill."""
    yield settings
    spark_server.stop(settings)


class Killer:
    """Progress that kills the server once, when a step is reached."""

    def __init__(self, settings: Settings, step: str) -> None:
        self.settings = settings
        self.step = step
        self.killed: int | None = None
        self.steps: list[str] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        self.steps.append(step)
        if step == self.step and self.killed is None:
            state = spark_server.status(self.settings)
            assert state is not None
            self.killed = state.pid
            os.kill(state.pid, signal.SIGKILL)


def test_a_batch_outlives_its_spark_server(
    own_server: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue, spark_server_settings: Settings
) -> None:
    rows = {
        "post": [post(number, likes=number, month=1 + number % 3) for number in range(1, 21)],
        "comment": [comment(100 + number, 1 + number % 20) for number in range(40)],
    }
    land_rows(engine, storage, sample_catalogue, rows)
    # Tables do not care which server built them: the run's own has long been warm.
    build_all(open_session(spark_server_settings), engine, storage, sample_catalogue)
    with engine.begin() as connection:
        posts = add_task(connection, sample_catalogue, strategy=popular("post", at_least=11))
        comments = add_task(connection, sample_catalogue, strategy=popular("post", "comment", recall="comment", at_least=11))
    killer = Killer(own_server, "join and write cases")
    home = Home(own_server, sample_catalogue, engine, storage)
    with LocalRuns(home, progress=killer) as runs:
        (batch_id,) = runs.recall_now()
        statuses = [run.status for run in runs.instance.get_runs(dg.RunsFilter(job_name="recall"))]
        event = runs.instance.get_latest_materialization_event(CASES)
    assert killer.killed is not None
    assert killer.steps.count("scan") >= 3  # reached by both attempts, and told when it is done
    assert sorted(status.value for status in statuses) == ["FAILURE", "SUCCESS"]
    assert event is not None
    with engine.connect() as connection:
        batch = registry.batch(connection, batch_id)
        tasks = {task.task_id: task for task in registry.tasks(connection)}
        cells = {task_id: registry.cells(connection, task_id) for task_id in tasks}
    assert (batch.state, batch.attempt) == ("done", 2)
    assert {task_id: (task.state, task.attempts, task.cases, task.complete) for task_id, task in tasks.items()} == {
        posts: ("done", 2, 10, True),
        comments: ("done", 2, 20, True),
    }
    assert [(cell.object, cell.period, cell.scanned) for cell in cells[posts]] == [
        ("post", "2024-01", 6),
        ("post", "2024-02", 7),
        ("post", "2024-03", 7),
    ]
    for task_id, object_ids in ((posts, range(11, 21)), (comments, [100 + number for number in range(40) if 1 + number % 20 >= 11])):
        folder = tasks[task_id].cases_folder
        assert folder is not None
        assert "/attempt-2/" in folder
        assert [case["id"] for case in read_cases(storage, folder, task_id)] == [str(object_id) for object_id in object_ids]
    state = spark_server.status(own_server)
    assert state is not None
    assert state.pid != killer.killed
