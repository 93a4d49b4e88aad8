"""A command that is interrupted or killed in the middle of a batch: the next one answers the same tasks, once."""

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from sqlalchemy import Engine

from resources.dagster_home import prepare_dagster_home
from srp_assets.recall import registry
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.command_line import srp
from support.recall import add_task, popular
from support.waiting import until
from support.world import build_all, comment, land_rows, post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.timeout(900), pytest.mark.publishes_views]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_tasks_outlive_the_command_that_runs_them(
    settings_with_spark: Settings,
    engine: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    spark: "SparkSession",
    stop: signal.Signals,
    code: int,
) -> None:
    land_rows(engine, storage, sample_catalogue, {"post": [post(1, likes=20), post(2)], "comment": [comment(7, 1), comment(8, 1)]})
    build_all(spark, engine, storage, sample_catalogue)
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue, strategy=popular("post", "comment", recall="comment"))

    program = [sys.executable, "-m", "srp_assets.cli", "recall", "--now"]
    with subprocess.Popen(program, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:

        def running() -> bool:
            with engine.connect() as connection:
                return registry.task(connection, task_id).state == "running"

        until(running, "the batch to run", alive=lambda: command.poll() is None)
        command.send_signal(stop)
        out, err = command.communicate(timeout=120)
    assert (command.returncode, out) == (code, "")
    assert "Traceback" not in err
    with engine.connect() as connection:
        assert registry.task(connection, task_id).state == ("batched" if stop == signal.SIGINT else "running")

    answer = srp("recall", "--now")
    (task,) = answer["tasks"]
    assert (task["task_id"], task["state"], task["cases"], task["complete"], task["attempts"]) == (task_id, "done", 2, True, 2)
    assert [case["id"] for case in srp("cases", task_id)["cases"]] == ["7", "8"]
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings_with_spark))) as instance:
        ended = [run.status.value for run in instance.get_runs()]
    assert sorted(ended) in (["FAILURE", "SUCCESS"], ["CANCELED", "SUCCESS"])
