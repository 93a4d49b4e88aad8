"""Tasks in real time: they wait for no build, and get what they would get after it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from srp_assets.errors import InvalidInput
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.claims import claim_window
from srp_assets.recall.submission import submit
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.apply import apply_documents
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import stale_periods
from support.generators import batches, ingests
from support.growing_world import GrowingWorld
from support.recall import add_task, built, land, later, popular
from support.specs import task_specs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE_COST = 25
"""An example here lands, builds, scans and joins twice: it takes the place of this many cheap ones."""

DOCUMENTS = """
{kind: word_list, id: homework, owner: ops, words: [homework], standing: true}
---
{kind: rule, id: kept, owner: ops, entity: post, logic: {feature: hit_lists, match: contains_any, value: [homework]}}
---
kind: strategy
id: of-kept-hits
owner: ops
products: "*"
objects: {post: {any: [{rule: kept}, {feature: like_count, match: ">=", value: 3}]}}
recall: post
---
kind: strategy
id: basic
owner: ops
products: "*"
objects: {post: {all: [{feature: title, match: matches, value: {word_list: homework}}]}}
recall: post
"""


def under_other_ids(tasks: list[TaskSpec], prefix: str) -> list[TaskSpec]:
    return [task.model_copy(update={"task_id": f"{prefix}-{task.task_id}"}) for task in tasks]


@settings(max_examples=max(1, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_a_task_in_real_time_gets_what_it_gets_after_the_build(
    spark: "SparkSession", settings: Settings, sample_catalogue: Catalogue, data: st.DataObject
) -> None:
    history, _ = data.draw(ingests(sample_catalogue))
    built = data.draw(st.integers(0, len(history)))
    tasks = task_specs(data.draw(batches(sample_catalogue, max_size=6)))
    world = GrowingWorld(spark, settings, sample_catalogue)
    world.land(history[:built])
    world.build()
    world.land(history[built:])
    with world.engine.connect() as connection:
        late = {(key.product, key.period) for key in stale_periods(connection)}
    found = world.run(tasks, realtime=True)
    assert found == {task.task_id: world.expected(task) for task in tasks}
    with world.engine.connect() as connection:
        for task in tasks:
            for cell in registry.cells(connection, task.task_id):
                assert cell.build_id or (cell.product, cell.period) in late
    with world.engine.connect() as connection:
        assert {(key.product, key.period) for key in stale_periods(connection)} == late  # nothing was published
    world.build()
    after = world.run(under_other_ids(tasks, "after"))
    assert {f"after-{task_id}": cases for task_id, cases in found.items()} == after
    world.close()


def test_a_row_that_waits_for_its_root_is_not_there_before_it(spark: "SparkSession", settings: Settings) -> None:
    world = GrowingWorld(spark, settings, load_catalogue(PROJECT_ROOT / "examples" / "stackexchange" / "catalogue.yaml"))
    at = "2024-01-05T00:00:00Z"
    early, behind = (TaskSpec(task_id=task_id, strategy=popular("comment"), products=("site",)) for task_id in ("early", "behind"))
    world.landed.ingest("site", [("comment", {"comment_id": 7, "on_id": 1, "text": "so it is", "like_count": 12, "created_at": at})])
    assert world.run([early], realtime=True) == {"early": []}
    world.landed.ingest("site", [("post", {"post_id": 1, "title": "t", "body": "b", "like_count": 0, "created_at": at})])
    found = world.run([behind], realtime=True)["behind"]
    assert [case["id"] for case in found] == ["7"]
    assert found == world.expected(behind)
    world.close()


def test_tasks_in_real_time_are_ready_at_once_and_in_batches_of_their_own(
    engine: Engine, settings: Settings, sample_catalogue: Catalogue
) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
        normal = add_task(connection, sample_catalogue)
        land(connection, "post", "2024-02")
        add_task(connection, sample_catalogue)  # waits for the build
        quick = TaskSpec(task_id="quick", strategy=popular("post"), products=("aurora",))
        needs = needed_ranges(sample_catalogue, quick)
        registry.add_task(connection, quick, needs=needs, as_of_ingest=last_ingest(connection), now=later(0), realtime=True)
        claim = claim_window(connection, settings, now=later(1), at_once=True)
    assert sorted(claim.batches.values()) == sorted([("quick",), (normal,)])


def test_a_strategy_that_asks_for_kept_hits_is_refused(engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "documents.yaml"
    path.write_text(DOCUMENTS, encoding="utf-8")
    with engine.begin() as connection:
        apply_documents(connection, sample_catalogue, [path])
        with pytest.raises(InvalidInput, match="'of-kept-hits' asks for hit_lists, which is worked out when a period is built"):
            submit(connection, sample_catalogue, "of-kept-hits", realtime=True, now=later(0))
        assert registry.tasks(connection) == []
        task_id = submit(connection, sample_catalogue, "basic", realtime=True, now=later(0))
        assert registry.task(connection, task_id).realtime
        waiting = submit(connection, sample_catalogue, "of-kept-hits", follow=True, now=later(0))
        assert (registry.task(connection, waiting).realtime, registry.task(connection, waiting).follow) == (False, True)
