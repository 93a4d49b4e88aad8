"""The sample shop's actions, stitched by the naive evaluator: for tests that need them without Spark."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.logs.reference import first_arrivals, stitch
from srp_assets.samples.demo import LOGS
from srp_assets.samples.ranking.catalogue_items import item_batches
from srp_assets.samples.ranking.logged import INGESTS, log_batches
from srp_assets.samples.ranking.world import RankingWorld
from support.feature_logs import events_table


def shop_actions(definitions: Definitions, world: RankingWorld) -> pa.Table:
    """Rows of `logs/actions`, each event once."""
    catalogue: LogCatalogue = load_log_catalogue(Path(LOGS))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in catalogue.logs}
    for ingest in INGESTS:
        for log, batch in log_batches(world, ingest):
            columns = dict.fromkeys(catalogue.logs[log].columns)
            rows[log] += [{**columns, **row, "landed_at": LANDED[ingest], "row_hash": ""} for row in batch.to_pylist()]
    events = {log: first_arrivals(found) for log, found in rows.items()}
    return events_table(definitions, stitch(catalogue, events).actions)


def shop_items(world: RankingWorld) -> pa.Table:
    """The versions of items that attributes are taken from."""
    return pa.Table.from_batches(item_batches(world))


LANDED = dict(zip(INGESTS, pa.array([1, 2], pa.timestamp("us", "UTC")).to_pylist(), strict=True))
