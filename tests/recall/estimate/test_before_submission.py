"""What is known of a task before it is queued: dry runs, what asks for --yes, differences of versions, slices. On one small world."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.cases import read_cases
from srp_assets.recall.pins import current_pins
from srp_assets.recall.registry_estimates import Estimate, add_estimate
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.recall.submission import new_task
from srp_assets.samples.demo import DOCUMENTS, expected_counts
from srp_assets.samples.landing import land_world
from srp_assets.samples.world import World
from srp_assets.settings import Settings
from srp_assets.strategy.apply import apply_documents
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import stale_periods
from srp_assets.warehouse.storage import Storage
from support.command_line import srp

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 4_000
ERROR = 1

OWN = """
kind: strategy
id: nearly-all
owner: tests
products: "*"
objects: {comment: {any: [{feature: like_count, match: ">=", value: 0}, {feature: text, match: contains, value: a}]}}
recall: comment
---
kind: strategy
id: under-all-posts
owner: tests
products: "*"
objects: {post: {all: [{feature: view_count, match: ">=", value: 0}]}, comment: {}}
recall: comment
---
kind: word_list
id: the
owner: tests
topic: tests
words: ["the", "a"]
---
kind: strategy
id: common-words
owner: tests
products: "*"
objects: {comment: {all: [{feature: text, match: matches, value: {word_list: the}}]}}
recall: comment
---
kind: strategy
id: changing
owner: tests
products: "*"
objects:
  comment:
    all: [{feature: text, match: matches, value: {word_list: changing}}, {feature: like_count, match: ">=", value: 0}]
recall: comment
---
kind: word_list
id: changing
owner: tests
topic: tests
words: [message me, guaranteed profit]
"""

CHANGED = """
kind: strategy
id: changing
owner: tests
products: "*"
objects:
  comment:
    all: [{feature: text, match: matches, value: {word_list: changing}}, {feature: like_count, match: ">=", value: 1}]
recall: comment
---
kind: word_list
id: changing
owner: tests
topic: tests
words: [guaranteed profit, the]
"""


class Home:
    """A home that holds a built world and its strategies."""

    def __init__(self, settings: Settings, spark: "SparkSession", catalogue: Catalogue, folder: Path) -> None:
        self.settings, self.spark, self.catalogue = settings, spark, catalogue
        self.engine: Engine = open_registry(settings)
        self.storage = Storage(settings.warehouse_location)
        self.world = World(ROWS, seed=3)
        land_world(self.engine, self.storage, catalogue, self.world, folder / "broken")
        with self.engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(spark, self.engine, self.storage, catalogue, stale)
        own = folder / "own"
        own.mkdir()
        for text in (OWN, CHANGED):
            (own / "documents.yaml").write_text(text, encoding="utf-8")
            with self.engine.begin() as connection:
                apply_documents(connection, catalogue, [DOCUMENTS, own])

    def cases(self, tasks: list[TaskSpec]) -> list[set[tuple[str, str]]]:
        """Product and id of each task's cases, without the queue."""
        with self.engine.connect() as connection:
            builds = current_pins(connection, self.catalogue, tasks).builds
        result = run_batch(
            self.spark, self.storage, self.catalogue, tasks, builds, f"cases/{uuid4().hex}", broadcast_rows=100_000, worker_rows=100_000
        )
        return [{(c["product"], c["id"]) for c in read_cases(self.storage, result.cases_folder, task.task_id)} for task in tasks]

    def task(self, strategy: str, **options: Any) -> TaskSpec:
        with self.engine.connect() as connection:
            return new_task(connection, self.catalogue, strategy, **options)

    def queued(self) -> int:
        with self.engine.connect() as connection:
            return sum(registry.count_tasks(connection).values())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark_server_settings: Settings, sample_catalogue: Catalogue) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("before")
    settings = spark_server_settings.model_copy(update={"home": folder / "home"})
    home = Home(settings, open_session(spark_server_settings), sample_catalogue, folder)
    yield home
    home.engine.dispose()


@pytest.fixture
def home(built: Home, spark_address: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The built home, which the command line finds."""
    monkeypatch.setenv("SRP_HOME", str(built.settings.home))
    monkeypatch.setenv("SPARK_REMOTE", spark_address)
    return built


def test_a_dry_run_on_little_data_counts_exactly_and_queues_nothing(home: Home) -> None:
    queued = home.queued()
    found = srp("submit", "scam-authors", "--dry-run")
    truth = expected_counts(home.world)["scam-authors"]
    assert home.queued() == queued
    estimate = found["estimate"]
    assert (estimate["exact"], estimate["cases"], estimate["cases_low"], estimate["cases_high"]) == (True, truth, truth, truth)
    assert found["documents"]["strategy/scam-authors"] == 1
    assert found["documents"]["word_list/scam"] == 1
    assert [object_["object"] for object_ in found["plan"]] == ["comment", "comment_user"]
    assert "scam (version 1)" in found["plan"][0]["sentence"]
    assert (found["sample"]["total"], len(found["sample"]["cases"])) == (truth, min(truth, 10))
    assert all(case["hits"] for case in found["sample"]["cases"])
    # Each row of both tables is read once; every cell belongs to one object.
    assert estimate["rows"] == sum(object_["rows"] for object_ in found["plan"])
    assert home.storage.folders("scratch") == []


def test_an_estimate_from_a_sample_holds_the_truth_and_is_kept_beside_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_ESTIMATE_WHOLE_ROWS", "100")
    monkeypatch.setenv("SRP_ESTIMATE_SHARE", "0.25")
    found = srp("submit", "under-watched-posts", "--dry-run")
    estimate, truth = found["estimate"], expected_counts(home.world)["under-watched-posts"]
    assert (estimate["exact"], estimate["sampled_share"]) == (False, 0.25)
    assert 0 < estimate["sample_cases"] < truth
    assert estimate["cases"] == round(estimate["sample_cases"] / 0.25)
    assert estimate["cases_low"] <= truth <= estimate["cases_high"] <= estimate["recalled_rows"]
    (cases,) = home.cases([home.task("under-watched-posts")])
    assert {(case["product"], case["id"]) for case in found["sample"]["cases"]} <= cases
    assert srp("submit", "under-watched-posts", "--dry-run")["sample"] == found["sample"]
    task_id = srp("submit", "under-watched-posts")["task_id"]
    assert srp("tasks", task_id)["estimate"] == estimate
    other = srp("submit", "under-watched-posts", "--product", "lotus")["task_id"]
    assert srp("tasks", other)["estimate"] is None


@pytest.mark.parametrize("strategy", ["nearly-all", "under-all-posts", "common-words"])
def test_a_task_that_returns_most_of_everything_asks_for_yes(home: Home, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = home.queued()
    error = srp("submit", strategy, code=ERROR)["error"]
    assert (error["code"], error["where"]) == ("conflict", strategy)
    assert "% of all rows of comment, more than 20%" in error["message"]
    assert "--yes" in error["remedy"]
    assert home.queued() == queued
    assert srp("submit", strategy, "--yes")["task_id"]
    monkeypatch.setenv("SRP_RECALL_SHARE_LIMIT", "0.99")
    assert srp("submit", strategy)["task_id"]


def test_an_estimate_decides_where_there_is_one(home: Home) -> None:
    options = ("common-words", "--product", "aurora")
    srp("submit", *options, "--dry-run")
    error = srp("submit", *options, code=ERROR)["error"]
    assert "it was estimated to return" in error["message"]


def test_an_estimate_of_a_table_that_has_outgrown_it_decides_nothing(home: Home) -> None:
    nothing = Estimate(share=1.0, sample_cases=0, cases=0, cases_low=0, cases_high=0, recalled_rows=10, rows=10, cells=1, seconds=1.0)
    with home.engine.begin() as connection:
        add_estimate(connection, home.task("nearly-all", products=["aurora"]), nothing, now=datetime(2026, 3, 1, tzinfo=UTC))
    error = srp("submit", "nearly-all", "--product", "aurora", code=ERROR)["error"]
    assert "rows were looked at" in error["message"]


@pytest.mark.parametrize("strategy", ["fitness-posts", "scam-authors", "teens-under-homework", "under-watched-posts"])
def test_a_task_that_returns_little_is_queued_without_a_question(home: Home, strategy: str) -> None:
    assert srp("submit", strategy, "--product", "aurora")["task_id"]


def test_nothing_of_spark_is_loaded_to_submit(home: Home) -> None:
    code = (
        "import sys\n"
        "from srp_assets.cli import run\n"
        "assert run(['submit', 'under-all-posts']) == 1\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'pyspark'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_without_data_there_is_nothing_to_ask(engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    with engine.begin() as connection:
        apply_documents(connection, sample_catalogue, [path])
    assert srp("submit", "nearly-all")["task_id"]


def test_a_difference_is_that_of_both_versions_run_alone(home: Home) -> None:
    queued = home.queued()
    with home.engine.connect() as connection:
        until = registry_time(connection, home)
    old, new = (home.cases([home.task("changing", **side)])[0] for side in ({"version": 1, "before": until}, {"version": 2}))
    found = srp("diff", "changing", "--limit", 1_000)
    assert (found["added"], found["lost"], found["kept"]) == (len(new - old), len(old - new), len(old & new))
    assert min(found["added"], found["lost"], found["kept"]) > 0
    for kind, cases in (("added", new - old), ("lost", old - new), ("kept", old & new)):
        assert {(case["product"], case["id"]) for case in found["samples"][kind]} == cases
    assert all(case["hits"] for kind in found["samples"].values() for case in kind)
    assert (found["old"]["cases"], found["new"]["cases"]) == (len(old), len(new))
    assert found["complete"]
    changed = {(change["what"], change["old"], change["new"]) for change in found["changes"]}
    assert changed == {
        ("rule", "like_count >= 0", None),
        ("rule", None, "like_count >= 1"),
        ("word", "message me", None),
        ("word", None, "the"),
    }
    assert home.queued() == queued
    assert home.storage.folders("scratch") == []


def registry_time(connection: Any, home: Home) -> datetime:
    """When the second version was applied: the first one stood until then."""
    from srp_assets.strategy.registry import versions_of

    return versions_of(connection, "strategy", "changing")[1].created_at


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scam-authors",), "has no version before 1"),
        (("changing", "--old", "2"), "both sides are version 2"),
        (("changing", "--old", "7"), "has no version 7"),
        (("changing", "--before", "2001"), "was first applied at"),
        (("chaning",), "there is no strategy"),
    ],
)
def test_a_difference_without_two_sides_is_refused(home: Home, arguments: tuple[str, ...], message: str) -> None:
    assert message in srp("diff", *arguments, code=ERROR)["error"]["message"]


def test_slices_are_the_whole_and_are_found_again(home: Home) -> None:
    span = ("--from", "2024-02-10", "--to", "2024-05")
    first = srp("submit", "scam-replies", *span, "--slice", "month")["slices"]
    assert [(part["from"], part["to"], part["existed"]) for part in first] == [
        ("2024-02-10T00:00:00Z", "2024-03-01T00:00:00Z", False),
        ("2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z", False),
        ("2024-04-01T00:00:00Z", "2024-05-01T00:00:00Z", False),
    ]
    queued = home.queued()
    longer = srp("submit", "scam-replies", "--from", "2024-02-10", "--to", "2024-06", "--slice", "month")["slices"]
    assert [part["existed"] for part in longer] == [True, True, True, False]
    assert [part["task_id"] for part in longer[:3]] == [part["task_id"] for part in first]
    assert {part["state"] for part in longer} == {"submitted"}
    assert home.queued() == queued + 1
    on_one_product = srp("submit", "scam-replies", *span, "--slice", "year", "--product", "lotus")["slices"]
    assert [part["existed"] for part in on_one_product] == [False]
    with home.engine.connect() as connection:
        specs = registry.task_specs(connection, [part["task_id"] for part in first])
    whole = home.task("scam-replies", published_from=datetime(2024, 2, 10, tzinfo=UTC), published_to=datetime(2024, 5, 1, tzinfo=UTC))
    expected, *parts = home.cases([whole, *specs])
    assert expected
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--slice", "month", "--from", "2024"), "slices need both ends of the range"),
        (("--slice", "day", "--from", "2024-01", "--to", "2024-02"), "a slice of one day is finer than the tables"),
        (("--slice", "month", "--from", "1900", "--to", "2024"), "the range has more than 1,000 slices"),
    ],
)
def test_slices_that_cannot_be_are_refused(home: Home, arguments: tuple[str, ...], message: str) -> None:
    queued = home.queued()
    assert message in srp("submit", "scam-replies", *arguments, code=ERROR)["error"]["message"]
    assert home.queued() == queued


def test_people_are_told_too(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    from srp_assets.cli import run

    def told(*arguments: str) -> Callable[[str], bool]:
        assert run(arguments) == 0
        return capsys.readouterr().out.__contains__

    dry_run = told("submit", "scam-replies", "--dry-run", "--from", "2024-02", "--to", "2024-03")
    assert all(map(dry_run, ("nothing was queued", "word_list/scam", "reply: visible rows", "exactly: all rows were looked at", "hit: ")))
    difference = told("diff", "changing", "--limit", "1")
    assert all(map(difference, ("version 2 against version 1", "message me", "added:", "lost:", "kept:", "the first 1 of")))
    slices = told("submit", "scam-replies", "--from", "2024-06", "--to", "2024-08", "--slice", "month")
    assert slices("2 tasks queued, 0 were there already")


def test_answers_are_json_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    from srp_assets.cli import run

    assert run(["submit", "scam-replies", "--dry-run", "--json", "--to", "2024-02"]) == 0
    assert "estimate" in json.loads(capsys.readouterr().out)
