"""A home in which generated ingests were landed and built: what batches are run on and compared with the naive evaluator."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Engine

from resources.registry_database import open_registry
from srp_assets.recall.batch import BatchResult, TaskSpec
from srp_assets.recall.cases import read_cases
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.settings import Settings
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, current_builds, stale_periods
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits
from support.landed import LandedByReference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Case = dict[str, Any]

LIMITS = (
    {"broadcast_rows": 0, "worker_rows": 1_000_000},
    {"broadcast_rows": 1_000_000, "worker_rows": 1_000_000},
    {"broadcast_rows": 0, "worker_rows": 2},
    {"broadcast_rows": 0, "worker_rows": 0},
    {"broadcast_rows": 1_000_000, "worker_rows": 0},
)
"""Ways to join: in a worker's memory (twice: it is what most batches do), some groups so and others by Spark, by Spark on buckets, and by
Spark with broadcasts."""


class BuiltWorld:
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

    def run(
        self, tasks: Sequence[TaskSpec], limits: Mapping[str, int], hits: Mapping[int, StandingHits] | None = None
    ) -> tuple[BatchResult, dict[str, list[Case]]]:
        """The result of a batch and the cases of its tasks; `hits` are those of standing lists that it finds kept."""
        folder = f"cases/{uuid4().hex}"
        result = run_batch(self.spark, self.storage, self.catalogue, tasks, self.builds, folder, hits=hits, **limits)
        return result, {task.task_id: read_cases(self.storage, result.cases_folder, task.task_id) for task in tasks}


def assert_accounted(tasks: Sequence[TaskSpec], result: BatchResult, cases: Mapping[str, list[Case]]) -> None:
    """Every cell reconciles, and the counts are those of the cases."""
    assert [cell for cell in result.cells if cell.scanned != cell.present] == []
    assert [cell for cell in result.cells if cell.matched > cell.scanned] == []
    assert result.case_counts == {task.task_id: len(cases[task.task_id]) for task in tasks}
