"""The whole merged scan in Spark against the naive evaluator: every task gets what it would get alone, and what the reference gives."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.reference import evaluate
from srp_assets.warehouse.catalogue import load_catalogue
from support.built_world import LIMITS, BuiltWorld, assert_accounted
from support.generators import batches, ingests
from support.specs import task_specs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE_COST = 12
"""An example here lands, builds and joins in Spark: it takes the place of this many cheap ones."""


@pytest.mark.parametrize("name", ["sample", "stackexchange"])
@settings(max_examples=max(3, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_each_task_of_a_batch_gets_what_the_reference_gives_and_what_it_would_get_alone(
    spark: "SparkSession", settings: Settings, name: str, data: st.DataObject
) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / name / "catalogue.yaml")
    history, _ = data.draw(ingests(catalogue))
    tasks = task_specs(data.draw(batches(catalogue)))
    limits = data.draw(st.sampled_from(LIMITS))
    world = BuiltWorld(spark, settings.model_copy(update={"home": settings.home / uuid4().hex}), catalogue, history)
    result, cases = world.run(tasks, limits)
    for task in tasks:
        expected = evaluate(task.strategy, catalogue, world.newest, task.products, task.published_from, task.published_to)
        assert cases[task.task_id] == expected
    assert_accounted(tasks, result, cases)
    alone = data.draw(st.sampled_from(tasks))
    result_alone, cases_alone = world.run([alone], limits)
    assert cases_alone[alone.task_id] == cases[alone.task_id]
    assert set(result_alone.cells) == {cell for cell in result.cells if cell.task_id == alone.task_id}
    world.engine.dispose()
