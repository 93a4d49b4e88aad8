"""The whole merged scan in Spark against the naive evaluator: every task gets what it would get alone, and what the reference gives."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from resources.registry_database import open_registry
from srp_assets.recall.batch import BatchResult, TaskSpec
from srp_assets.recall.cases import read_cases
from srp_assets.recall.plan_batch import run_batch
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.reference import evaluate
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.registry_builds import Build, current_builds, stale_periods
from srp_assets.warehouse.storage import Storage
from support.generators import batches, ingests
from support.landed import LandedByReference
from support.specs import task_specs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Case = dict[str, Any]

EXAMPLE_COST = 12
"""An example here lands, builds and joins in Spark: it takes the place of this many cheap ones."""


LIMITS = (
    {"broadcast_rows": 0, "worker_rows": 1_000_000},
    {"broadcast_rows": 1_000_000, "worker_rows": 1_000_000},
    {"broadcast_rows": 0, "worker_rows": 2},
    {"broadcast_rows": 0, "worker_rows": 0},
    {"broadcast_rows": 1_000_000, "worker_rows": 0},
)
"""Ways to join: in a worker's memory (twice: it is what most batches do), some groups so and others by Spark, by Spark on buckets, and by
Spark with broadcasts."""


class World:
    """A home in which a history of ingests was landed and built."""

    def __init__(self, spark: "SparkSession", home: Settings, catalogue: Catalogue, history: Sequence[Any]) -> None:
        self.spark = spark
        self.catalogue = catalogue
        self.storage = Storage(home.warehouse_location)
        self.engine: Engine = open_registry(home)
        landed = LandedByReference(self.engine, self.storage, catalogue)
        for ingest in history:
            landed.ingest(ingest.product, [(entity, row) for entity, rows in ingest.rows.items() for row in rows])
        self.newest: dict[str, list[dict[str, Any]]] = {name: [] for name in catalogue.entities}
        for (entity, product, _), partition in landed.truth.partitions.items():
            self.newest[entity] += [{**row, "product": product} for row in partition.table()]
        with self.engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(spark, self.engine, self.storage, catalogue, stale)
        with self.engine.connect() as connection:
            self.builds: dict[str, list[Build]] = {name: current_builds(connection, entity=name) for name in catalogue.entities}

    def run(self, tasks: Sequence[TaskSpec], limits: Mapping[str, int]) -> tuple[BatchResult, dict[str, list[Case]]]:
        """The result of a batch and the cases of its tasks."""
        folder = f"cases/{uuid4().hex}"
        result = run_batch(self.spark, self.storage, self.catalogue, tasks, self.builds, folder, **limits)
        return result, {task.task_id: read_cases(self.storage, result.cases_folder, task.task_id) for task in tasks}


def assert_accounted(tasks: Sequence[TaskSpec], result: BatchResult, cases: Mapping[str, list[Case]]) -> None:
    """Every cell reconciles, and the counts are those of the cases."""
    assert [cell for cell in result.cells if cell.scanned != cell.present] == []
    assert [cell for cell in result.cells if cell.matched > cell.scanned] == []
    assert result.case_counts == {task.task_id: len(cases[task.task_id]) for task in tasks}


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
    world = World(spark, settings.model_copy(update={"home": settings.home / uuid4().hex}), catalogue, history)
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
