"""One attempt at a batch: what all its steps share, and where they write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.orders import write_order
from srp_assets.warehouse.plan_tables import snapshot_table
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits


@dataclass(frozen=True)
class Attempt:
    """One attempt at a batch.

    Args:
        spark: the session.
        storage: the warehouse.
        plan: what to answer.
        builds: the builds that the batch is pinned to, by entity.
        folder: the attempt's own folder, relative to the warehouse; nothing is written elsewhere.
        hits: the hits of standing lists that are kept with these builds, by build.
    """

    spark: SparkSession
    storage: Storage
    plan: BatchPlan
    builds: Mapping[str, Sequence[Build]]
    folder: str
    hits: Mapping[int, StandingHits] = field(default_factory=dict)
    tables: dict[str, DataFrame] = field(default_factory=dict, init=False)

    @property
    def cases_folder(self) -> str:
        """Where the cases are written, relative to the warehouse."""
        return f"{self.folder}/cases"

    @property
    def plan_path(self) -> str:
        """Where the workers that assemble cases read the plan."""
        return self.order_path("plan")

    def order_path(self, name: str) -> str:
        """Where an order for workers is written."""
        return f"{self.folder}/orders/{name}.json"

    def give_order(self, name: str, order: Frozen) -> str:
        """Writes an order where the workers read it; returns its path."""
        path = self.order_path(name)
        write_order(self.storage, path, order)
        return path

    def write(self, frame: DataFrame, folder: str) -> DataFrame:
        """Writes a frame into a folder of the attempt; returns it as it lies there."""
        address = self.storage.address(f"{self.folder}/{folder}")
        frame.write.mode("overwrite").parquet(address)
        return self.spark.read.schema(frame.schema).parquet(address)

    def scan_folder(self, entity_name: str) -> str:
        """Where the scan of an entity leaves what it found, relative to the warehouse."""
        return f"{self.folder}/scan/{entity_name}"

    def table(self, entity_name: str) -> DataFrame:
        """The table of an entity as the batch's builds have it."""
        if entity_name not in self.tables:
            entity = self.plan.catalogue.entities[entity_name]
            self.tables[entity_name] = snapshot_table(self.spark, self.storage, entity_name, entity, self.builds.get(entity_name, ()))
        return self.tables[entity_name]
