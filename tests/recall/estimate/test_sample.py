"""Samples of a task: whole roots, the cases of exactly these, in whichever buckets they lie."""

from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.cases import read_cases
from srp_assets.recall.estimate.sample_design import design_sample, objects_of_roots, sampled_task
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.recall.scan.rules import evaluate_rule
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.reference import evaluate
from srp_assets.strategy.sampling import is_sampled, sample_rule
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from support.built_world import LIMITS, BuiltWorld
from support.generators import batches, ingests
from support.recall import popular
from support.specs import task_specs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE_COST = 25
"""An example here lands, builds, and scans thrice in Spark: it takes the place of this many cheap ones."""


def test_a_sample_holds_its_share_of_the_keys_and_another_seed_another_sample(sample_catalogue: Catalogue) -> None:
    entity = sample_catalogue.entities["comment"]
    rule = sample_rule(entity, "post_id", seed=1, share=0.1)
    other = sample_rule(entity, "post_id", seed=2, share=0.1)
    held = np.array([is_sampled(rule, key) for key in range(20_000)])
    held_by_other = np.array([is_sampled(other, key) for key in range(20_000)])
    # Four standard deviations of a binomial count.
    assert abs(held.sum() - 2_000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5
    assert abs((held & held_by_other).sum() - 200) < 4 * (20_000 * 0.01 * 0.99) ** 0.5
    assert all(is_sampled(sample_rule(entity, "post_id", seed=1, share=1.0), key) for key in range(100))


@pytest.mark.parametrize("keys", [[3, 3, None, 4, 5, 5, 5], []], ids=["repeated and missing keys", "no rows"])
def test_a_sample_is_the_same_row_by_row_and_column_by_column(sample_catalogue: Catalogue, keys: list[int | None]) -> None:
    rule = sample_rule(sample_catalogue.entities["comment"], "post_id", seed=5, share=0.5)
    batch = pa.record_batch({"post_id": pa.array(keys, pa.int64())})
    assert evaluate_rule(rule, batch).tolist() == [key is not None and is_sampled(rule, key) for key in keys]


def test_roots_are_what_hangs_on_the_recalled_objects_bucket_key(sample_catalogue: Catalogue) -> None:
    def roots(*objects: str, recall: str) -> set[str]:
        return set(objects_of_roots(sample_catalogue, popular(*objects, recall=recall)))

    assert roots("post", "comment", "comment_user", recall="comment") == {"post", "comment"}
    assert roots("post", "comment", "comment_user", recall="comment_user") == {"comment_user"}
    assert roots("comment", "reply", recall="reply") == {"comment", "reply"}
    assert roots("post", "post_user", recall="post") == {"post"}


def test_a_small_sample_opens_few_buckets_alike_in_all_its_tables(sample_catalogue: Catalogue) -> None:
    entities = dict(sample_catalogue.entities)
    for name, buckets in (("post", 8), ("comment", 16)):
        entities[name] = entities[name].model_copy(update={"buckets": buckets})
    catalogue = sample_catalogue.model_copy(update={"entities": entities})
    design = design_sample(catalogue, popular("post", "comment"), 0.01)
    (post,), comment = design.only_buckets["post"], design.only_buckets["comment"]
    assert comment == {post, post + 8}
    assert design.share_within == pytest.approx(0.08)
    half = design_sample(catalogue, popular("post", "comment"), 0.5)
    assert (len(half.only_buckets["post"]), half.share_within) == (4, 1.0)


@settings(max_examples=max(1, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_the_cases_of_a_sample_are_the_tasks_cases_of_its_roots(spark: "SparkSession", settings: Settings, data: st.DataObject) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
    history, _ = data.draw(ingests(catalogue))
    world = BuiltWorld(spark, settings.model_copy(update={"home": settings.home / uuid4().hex}), catalogue, history)
    tasks = task_specs(data.draw(batches(catalogue, max_size=4)))
    limits = data.draw(st.sampled_from(LIMITS))
    # With the seeds 0 and 3 a sample of 0.3 lies in the one, and in the other, of two buckets.
    designs = {task.task_id: [design_sample(catalogue, task.strategy, 0.3, seed=seed) for seed in (0, 3)] for task in tasks}
    unpruned = [sampled_task(catalogue, task, designs[task.task_id][0]) for task in tasks]
    result, cases = world.run(unpruned, limits)
    assert [cell for cell in result.cells if cell.scanned != cell.present] == []
    for task in unpruned:
        assert cases[task.task_id] == evaluate(
            task.strategy, catalogue, world.newest, task.products, task.published_from, task.published_to
        )
    task = data.draw(st.sampled_from(unpruned))
    found = []
    for design in designs[task.task_id]:
        pruned = run_batch(
            spark, world.storage, catalogue, [task], world.builds, f"cases/{uuid4().hex}", only_buckets=design.only_buckets, **limits
        )
        found.append(read_cases(world.storage, pruned.cases_folder, task.task_id))
        assert [cell for cell in pruned.cells if cell.scanned != cell.present] == []
    if designs[task.task_id][0].only_buckets:
        assert sorted((case["product"], case["id"]) for part in found for case in part) == _ids(cases, task)
    else:
        assert found == [cases[task.task_id]] * 2
    world.engine.dispose()


def _ids(cases: dict[str, list[dict]], task: TaskSpec) -> list[tuple[str, str]]:
    return sorted((case["product"], case["id"]) for case in cases[task.task_id])
