"""The real daemon and webserver: assets materialized and backfilled through GraphQL, tasks submitted by command line, all of it done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds
from srp_assets.warehouse.storage import Storage
from support.command_line import srp
from support.dagster_service import SELECTOR, DagsterService, dagster_service
from support.waiting import until
from support.world import comment, land_rows, post

pytestmark = [pytest.mark.timeout(1500), pytest.mark.publishes_views]

LAUNCH_RUN = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""

LAUNCH_BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""

BACKFILL = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status numPartitions } } }"

RECALL_RUNS = '{ runsOrError(filter: {pipelineName: "recall"}) { ... on Runs { results { status tags { key value } } } } }'

MATERIALIZATIONS = """
query ($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset { assetMaterializations { runId partition metadataEntries { label ... on IntMetadataEntry { intValue } } } }
  }
}
"""

STRATEGIES = """
kind: strategy
id: liked-posts
owner: tests
products: [aurora]
objects: {post: {all: [{feature: like_count, match: ">=", value: 10}]}}
recall: post
---
kind: strategy
id: comments-under-liked-posts
owner: tests
products: [aurora]
objects: {post: {all: [{feature: like_count, match: ">=", value: 10}]}, comment: {}}
recall: comment
---
kind: strategy
id: comments-that-thank
owner: tests
products: "*"
objects: {comment: {all: [{feature: text, match: contains, value: thank}]}}
recall: comment
"""


@pytest.fixture
def windowed(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A window that three tasks fill, and that no time closes."""
    monkeypatch.setenv("SRP_RECALL_WINDOW_SECONDS", "86400")
    monkeypatch.setenv("SRP_RECALL_WINDOW_TASKS", "3")
    return Settings()


@pytest.fixture
def service(windowed: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue, tmp_path: Path) -> Iterator[DagsterService]:
    """The service on a home in which rows have landed."""
    rows: dict[str, list[dict[str, Any]]] = {
        "post": [post(number, likes=number, month=1 + number % 2) for number in range(1, 21)],
        "comment": [comment(100 + number, 1 + number % 20, text="thank you" if number % 4 == 0 else "so it is") for number in range(40)],
    }
    land_rows(engine, storage, sample_catalogue, rows)
    with dagster_service(windowed, tmp_path / "dagster.log") as running:
        yield running


def built_periods(engine: Engine, entity: str) -> list[str]:
    with engine.connect() as connection:
        return [build.period for build in current_builds(connection, entity=entity, products=["aurora"]) if build.rows_visible]


def materialized(service: DagsterService, *key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.graphql(MATERIALIZATIONS, {"key": {"path": list(key)}})["assetOrError"]["assetMaterializations"]
    return found


def test_everything_through_the_running_service(service: DagsterService, engine: Engine, tmp_path: Path) -> None:
    """All of it is asked for at once, as several people would: the daemon's own waits then pass side by side."""
    # A materialization of one partition.
    params = {
        "selector": {**SELECTOR, "pipelineName": "build_warehouse", "assetSelection": [{"path": ["warehouse", "post"]}]},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2024-01"}]},
    }
    launched = service.graphql(LAUNCH_RUN, {"params": params})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    # A backfill of partitions of two tables.
    periods = ["2024-01", "2024-02"]
    tables = [{"path": ["warehouse", "post"]}, {"path": ["warehouse", "comment"]}]
    wanted = {"assetSelection": tables, "partitionNames": periods}
    backfill = service.graphql(LAUNCH_BACKFILL, {"params": wanted})["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill

    # Three tasks fill the window: the sensor merges them into one batch, whose run the daemon launches.
    documents = tmp_path / "strategies.yaml"
    documents.write_text(STRATEGIES, encoding="utf-8")
    srp("apply", documents)
    strategies = ["liked-posts", "comments-under-liked-posts", "comments-that-thank"]
    tasks = {name: srp("submit", name)["task_id"] for name in strategies}

    expect_built_by_run(service, run_id)
    expect_backfilled(service, engine, backfill["backfillId"], periods)
    expect_answered(service, tasks)


def expect_built_by_run(service: DagsterService, run_id: str) -> None:
    """The run that was launched has materialized its one partition."""
    until(lambda: service.run_status(run_id) in ("SUCCESS", "FAILURE"), "the run", seconds=600, alive=service.is_alive)
    assert service.run_status(run_id) == "SUCCESS"
    of_run = [event["partition"] for event in materialized(service, "warehouse", "post") if event["runId"] == run_id]
    assert of_run == ["2024-01"]


def expect_backfilled(service: DagsterService, engine: Engine, backfill_id: str, periods: list[str]) -> None:
    """The backfill has materialized all of its partitions, and they are built."""

    def status() -> str:
        return str(service.graphql(BACKFILL, {"id": backfill_id})["partitionBackfillOrError"]["status"])

    until(lambda: status() not in ("REQUESTED", "CANCELING"), "the backfill", seconds=600, alive=service.is_alive)
    assert status() == "COMPLETED_SUCCESS"
    assert built_periods(engine, "post") == periods
    assert built_periods(engine, "comment") == ["2024-01"]
    for table in ("post", "comment"):
        assert {event["partition"] for event in materialized(service, "warehouse", table)} >= set(periods)


def expect_answered(service: DagsterService, tasks: dict[str, str]) -> None:
    """The tasks were answered by one batch, which Dagster shows."""
    until(
        lambda: all(srp("tasks", task_id)["state"] in ("done", "failed") for task_id in tasks.values()),
        "the tasks",
        seconds=600,
        alive=service.is_alive,
    )
    answers = {name: srp("tasks", task_id) for name, task_id in tasks.items()}
    assert {name: (answer["state"], answer["complete"], answer["cases"]) for name, answer in answers.items()} == {
        "liked-posts": ("done", True, 11),
        "comments-under-liked-posts": ("done", True, 22),
        "comments-that-thank": ("done", True, 10),
    }
    assert [case["id"] for case in srp("cases", tasks["liked-posts"], "--limit", 2)["cases"]] == ["10", "11"]
    (batch_id,) = {answer["batch"] for answer in answers.values()}

    def recall_run() -> dict[str, Any] | None:
        (run,) = service.graphql(RECALL_RUNS)["runsOrError"]["results"]
        return run if run["status"] in ("SUCCESS", "FAILURE") else None

    run = until(recall_run, "the end of the recall run", seconds=300, alive=service.is_alive)
    assert run["status"] == "SUCCESS"
    assert {"key": "dagster/partition", "value": batch_id} in run["tags"]
    (event,) = materialized(service, "recall", "cases")
    assert event["partition"] == batch_id
    assert {"label": "tasks", "intValue": 3} in event["metadataEntries"]
