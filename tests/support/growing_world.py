"""A home in which data goes on landing: some of it built, some not yet; tasks run on it as the service runs them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Engine

from resources.registry_database import open_registry
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.cases import read_cases
from srp_assets.recall.claims import claim_window
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.settings import Settings
from srp_assets.strategy.reference import evaluate
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import stale_periods
from srp_assets.warehouse.storage import Storage
from support.generators import Ingest
from support.landed import LandedByReference
from support.recall import later

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Case = dict[str, Any]


class GrowingWorld:
    """A home of its own below the given one."""

    def __init__(self, spark: "SparkSession", home: Settings, catalogue: Catalogue) -> None:
        own = home.model_copy(update={"home": home.home / uuid4().hex})
        self.spark = spark
        self.catalogue = catalogue
        self.storage = Storage(own.warehouse_location)
        self.engine: Engine = open_registry(own)
        self.workshop = Workshop(self.engine, self.storage, catalogue, own, lambda: spark)
        self.landed = LandedByReference(self.engine, self.storage, catalogue)

    def land(self, history: Iterable[Ingest]) -> None:
        """Lands generated ingests."""
        for ingest in history:
            self.landed.ingest(ingest.product, [(entity, row) for entity, rows in ingest.rows.items() for row in rows])

    def build(self) -> None:
        """Builds everything that landed and is not built."""
        with self.engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(self.spark, self.engine, self.storage, self.catalogue, stale)

    def submit(self, tasks: Sequence[TaskSpec], *, now: datetime | None = None, **options: bool) -> None:
        """Queues tasks under their own ids."""
        with self.engine.begin() as connection:
            for task in tasks:
                ranges = needed_ranges(self.catalogue, task)
                registry.add_task(connection, task, needs=ranges, as_of_ingest=last_ingest(connection), now=now or later(0), **options)

    def run(self, tasks: Sequence[TaskSpec], **options: bool) -> dict[str, list[Case]]:
        """Queues tasks, answers them, and returns their cases; every task must be done and complete."""
        self.submit(tasks, **options)
        with self.engine.begin() as connection:
            claim = claim_window(connection, self.workshop.settings, now=later(1), at_once=True)
        assert len(claim.task_ids) == len(tasks), claim.reason
        for batch_id in claim.batches:
            run_batch_now(self.workshop, batch_id)
        return {task.task_id: self.cases(task.task_id) for task in tasks}

    def task(self, task_id: str) -> registry.Task:
        """A task as it stands."""
        with self.engine.connect() as connection:
            return registry.task(connection, task_id)

    def cases(self, task_id: str) -> list[Case]:
        """The cases of a task that is done and complete."""
        task = self.task(task_id)
        assert (task.state, task.complete, task.error) == ("done", True, None), task
        assert task.cases_folder is not None
        found = read_cases(self.storage, task.cases_folder, task_id)
        assert len(found) == task.cases
        return found

    def expected(self, task: TaskSpec) -> list[Case]:
        """What the naive evaluator gives on everything that has landed."""
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self.catalogue.entities}
        for (entity, product, _), partition in self.landed.truth.partitions.items():
            rows[entity] += [{**row, "product": product} for row in partition.table()]
        return evaluate(task.strategy, self.catalogue, rows, task.products, task.published_from, task.published_to)

    def close(self) -> None:
        """Closes the registry."""
        self.engine.dispose()
