"""Refills on a real small world: the task afterwards is the task run anew; what no longer holds is kept, and says why."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.errors import Conflict, NotFound
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.refill.refilled_cases import read_withdrawn
from srp_assets.recall.refill.refilling import refill_tasks
from srp_assets.recall.refill.reopened import ledgers
from srp_assets.recall.registry_refills import Refill, refill, refills
from srp_assets.recall.scan import plan_batch
from srp_assets.recall.service import forget_old
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds
from support.generators import Ingest, batches, ingests
from support.growing_world import Case, GrowingWorld
from support.recall import popular
from support.specs import task_specs
from support.world import comment, post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHILD = """
import os, signal, sys
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall.refill.refilling import refilling as refill
from srp_assets.recall.service import Workshop
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage

def record_and_die(*arguments, **more):
    record(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)

record, refill.record_refill = refill.record_refill, record_and_die
settings = Settings()
storage, catalogue = Storage(settings.warehouse_location), load_catalogue(settings.catalogue)
workshop = Workshop(open_registry(settings), storage, catalogue, settings, lambda: open_session(settings))
refill.refill_tasks(workshop, ["liked"])
"""
"""A process that is killed in the transaction that records a refill."""

EXAMPLE_COST = 25
"""An example here lands, builds, scans and joins twice: it takes the place of this many cheap ones."""

TASK = TaskSpec(task_id="liked", strategy=popular("post", "comment", recall="comment"), products=("aurora",))
POSTS = TaskSpec(task_id="posts", strategy=popular("post"), products=("aurora",))


def world_of(spark: "SparkSession", home: Settings, catalogue: Catalogue, roots: int = 10_000) -> GrowingWorld:
    return GrowingWorld(spark, home.model_copy(update={"recall_refill_roots": roots}), catalogue)


def ids(cases: list[Case]) -> set[tuple[str, str]]:
    return {(case["product"], case["id"]) for case in cases}


def newer(row: dict[str, Any], days: int = 1, **changes: Any) -> dict[str, Any]:
    return row | changes | {"updated_at": row["updated_at"] + timedelta(days=days)}


def land(world: GrowingWorld, *, build: bool = True, **rows: list[dict[str, Any]]) -> None:
    world.land([Ingest("aurora", rows)])
    if build:
        world.build()


def refilled(world: GrowingWorld, task_id: str) -> Refill:
    done = refill_tasks(world.workshop, [task_id], run_id="run")[task_id]
    assert done is not None
    return done


@settings(max_examples=max(1, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_a_refilled_task_is_the_task_run_anew(
    spark: "SparkSession", settings: Settings, sample_catalogue: Catalogue, data: st.DataObject
) -> None:
    history, _ = data.draw(ingests(sample_catalogue))
    cut = data.draw(st.integers(0, len(history)))
    tasks = task_specs(data.draw(batches(sample_catalogue, max_size=4)))
    world = world_of(spark, settings, sample_catalogue, roots=data.draw(st.sampled_from((10_000, 10_000, 0))))
    world.land(history[:cut])
    world.build()
    before = world.run(tasks)
    world.land(history[cut:])
    world.build()
    found = refill_tasks(world.workshop, list(before))
    for task_id, done in found.items():
        old, new = before[task_id], world.cases(task_id)
        if done is None:
            assert old == new
            continue
        was = {(case["product"], case["id"]): case for case in old}
        gone = read_withdrawn(world.storage, done.folder)
        assert (done.added, done.withdrawn) == (len(ids(new) - ids(old)), len(ids(old) - ids(new)))
        assert done.changed == sum(case != was[case["product"], case["id"]] for case in new if (case["product"], case["id"]) in was)
        assert ids(gone) == ids(old) - ids(new)
        assert all(case["withdrawn_by"] for case in gone)
    anew = world.run([task.model_copy(update={"task_id": f"anew-{task.task_id}"}) for task in tasks])
    with world.engine.connect() as connection:
        for task in tasks:
            assert world.cases(task.task_id) == anew[f"anew-{task.task_id}"] == world.expected(task)
            mine, other = (registry.cells(connection, task_id) for task_id in (task.task_id, f"anew-{task.task_id}"))
            assert {replace(cell, task_id="") for cell in mine} == {replace(cell, task_id="") for cell in other}
        assert not any(ledger.reopened for ledger in ledgers(connection, sample_catalogue, registry.tasks(connection)))
    world.close()


@pytest.fixture
def world(spark: "SparkSession", settings: Settings, sample_catalogue: Catalogue) -> Iterator[GrowingWorld]:
    """Three posts, two of them liked, each with a comment; two tasks were answered on them."""
    opened = world_of(spark, settings, sample_catalogue)
    rows = [post(number, likes=20 * (number < 3)) for number in (1, 2, 3)]
    land(opened, post=rows, comment=[comment(10 + number, number) for number in (1, 2, 3)])
    assert {task_id: len(cases) for task_id, cases in opened.run([TASK, POSTS]).items()} == {"liked": 2, "posts": 2}
    yield opened
    opened.close()


def test_the_story_of_a_task(world: GrowingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="there is no task"):
        refill_tasks(world.workshop, ["likd"])
    assert refill_tasks(world.workshop, ["liked", "posts"]) == {"liked": None, "posts": None}

    # Post 1 loses its likes, post 3 wins some: one case is withdrawn, one is added. Nothing is refilled before that is built.
    first, third = post(1, likes=20), post(3)
    land(world, post=[newer(first, like_count=0), newer(third, like_count=50)], build=False)
    with pytest.raises(Conflict, match="what landed since is not built: post of aurora in 2024-01"):
        refill_tasks(world.workshop, ["liked"])
    world.build()

    # A refill that dies before it is recorded leaves the task as it was, and nothing behind.
    before = world.task("liked")

    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power is cut")

    with monkeypatch.context() as patched:
        patched.setattr("srp_assets.recall.refill.refilling.record_refill", dies)
        with pytest.raises(RuntimeError, match="the power is cut"):
            refill_tasks(world.workshop, ["liked"])
    assert world.task("liked") == before
    assert world.storage.folders(f"cases/{before.batch_id}/refills") == []

    done = refilled(world, "liked")
    assert (done.number, done.added, done.changed, done.withdrawn, done.roots, done.cells) == (1, 1, 0, 1, 2, 1)
    assert ids(world.cases("liked")) == {("aurora", "12"), ("aurora", "13")}
    (gone,) = read_withdrawn(world.storage, done.folder)
    with world.engine.connect() as connection:
        (build,) = current_builds(connection, entity="post")
    assert (gone["id"], gone["withdrawn_by"]) == (
        "11",
        [{"build_id": build.build_id, "entity": "post", "product": "aurora", "period": "2024-01"}],
    )
    assert refill_tasks(world.workshop, ["liked"]) == {"liked": None}
    assert world.task("posts").refills == 0  # nobody asked for it

    # Likes come back: the case holds again and is withdrawn no more. A text changes: its case is another one.
    land(world, post=[newer(first, 2, like_count=30)], comment=[newer(comment(12, 2), text="else")])
    done = refilled(world, "liked")
    assert (done.number, done.added, done.changed, done.withdrawn, done.withdrawn_in_all) == (2, 1, 1, 0, 0)
    assert world.cases("liked") == world.expected(TASK)
    # What was withdrawn stays shown as long as it does not hold.
    land(world, post=[newer(first, 3, like_count=0)])
    assert refilled(world, "liked").withdrawn_in_all == 1
    land(world, comment=[comment(14, 3, month=2)])
    done = refilled(world, "liked")
    assert (done.number, done.added, done.withdrawn, done.withdrawn_in_all, done.cells) == (4, 1, 0, 1, 1)
    assert [case["id"] for case in read_withdrawn(world.storage, done.folder)] == ["11"]
    with world.engine.connect() as connection:
        kept = [other.folder for other in refills(connection, "liked") if world.storage.exists(other.folder)]
        assert refill(connection, world.task("liked")) == done
    assert len(kept) == 2  # this one, and the one before for whoever still reads it


def test_where_the_old_build_is_gone_everything_is_evaluated_again(world: GrowingWorld) -> None:
    with world.engine.connect() as connection:
        (old,) = current_builds(connection, entity="post")
    land(world, post=[newer(post(2, likes=20), like_count=1)])
    for file in old.files:
        world.storage.delete_tree(file.path.rsplit("/", 1)[0])
    done = refilled(world, "liked")
    assert (done.roots, done.withdrawn) == (None, 1)
    assert world.cases("liked") == world.expected(TASK)


def test_of_two_refills_at_once_one_counts(world: GrowingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    land(world, post=[post(4, likes=20, month=2)])
    run_batch, calls = plan_batch.run_batch, []

    def another_is_quicker(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            refilled(world, "posts")
        return run_batch(*arguments, **options)

    monkeypatch.setattr(plan_batch, "run_batch", another_is_quicker)
    with pytest.raises(Conflict, match="the task was refilled meanwhile"):
        refill_tasks(world.workshop, ["posts"])
    task = world.task("posts")
    assert (task.refills, task.cases) == (1, 3)
    assert world.cases("posts") == world.expected(POSTS)
    assert len(world.storage.folders(f"cases/{task.batch_id}/refills")) == 1

    # The retention counts from the last refill: the batch goes when nobody has refilled its tasks for so long.
    retention, ended = timedelta(days=world.workshop.settings.recall_retention_days), task.refilled_at
    assert ended is not None
    with world.engine.begin() as connection:
        connection.execute(registry.recall_batch.update().values(finished_at=ended - retention))
    assert forget_old(world.engine, world.storage, world.workshop.settings, now=ended + retention) == []
    gone = forget_old(world.engine, world.storage, world.workshop.settings, now=ended + retention + timedelta(seconds=1))
    assert gone == [task.batch_id]
    assert not world.storage.exists(f"cases/{task.batch_id}")
    with pytest.raises(NotFound, match="cases removed after 30 days"):
        refill_tasks(world.workshop, ["posts"])


@pytest.mark.nightly
def test_a_refill_that_is_killed_leaves_the_task_as_it_was(
    spark: "SparkSession", settings_with_spark: Settings, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GrowingWorld(spark, settings_with_spark, sample_catalogue)
    land(world, post=[post(1, likes=20)], comment=[comment(11, 1)])
    before = world.run([TASK])["liked"]
    land(world, post=[newer(post(1), like_count=0)], comment=[comment(12, 1)])
    task = world.task("liked")
    monkeypatch.setenv("SRP_HOME", str(world.workshop.settings.home))
    child = subprocess.run([sys.executable, "-c", CHILD], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=200)
    assert child.returncode == -signal.SIGKILL, child.stderr[-2000:]
    assert world.task("liked") == task
    assert world.cases("liked") == before
    done = refilled(world, "liked")
    assert (done.number, done.withdrawn) == (1, 1)
    assert world.cases("liked") == world.expected(TASK) == []
    world.close()
