"""The Dagster shell of word lists: for each entity that has texts, the hits of the standing lists beside its table.

What belongs here is wiring and metadata: `keeping.py` looks for the lists. `jobs/wordlists.py` asks for periods whose hits are missing or
stale.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.partitions import period_partitions
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import OWNERS, SPARK_POOL, BuildConfig, table_key
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits, current_hits
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.keeping import bring_hits_up_to_date
from srp_assets.wordlists.standing.lists import entities_with_texts

DOMAIN = "wordlists"

StandingLists = Callable[[Connection], Sequence[ResolvedList]]
"""Reads the standing lists of today: documents belong to a domain that comes later."""


def hits_key(entity_name: str) -> dg.AssetKey:
    """The asset of an entity's hits."""
    return dg.AssetKey([DOMAIN, f"{entity_name}_hits"])


def wordlists_assets(
    settings: Settings, catalogue: Catalogue, standing: StandingLists, *, progress: Progress | None = None
) -> list[dg.AssetsDefinition]:
    """The hits of a catalogue's entities; `progress` is told how far a scan is, where somebody watches."""
    return [_hits(settings, catalogue, name, standing, progress) for name in entities_with_texts(catalogue)]


def wordlists_checks(catalogue: Catalogue) -> list[dg.AssetChecksDefinition]:
    """A blocking check for each asset: every row of the builds was looked at."""
    return [_rows_check(name) for name in entities_with_texts(catalogue)]


def _hits(settings: Settings, catalogue: Catalogue, name: str, standing: StandingLists, progress: Progress | None) -> dg.AssetsDefinition:
    @dg.asset(
        key=hits_key(name),
        partitions_def=period_partitions(catalogue),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[table_key(name)],
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description=f"Which words of the standing word lists hit which texts of {name}, by publish period.",
    )
    def hits(
        context: dg.AssetExecutionContext, config: BuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        with registry.engine.connect() as connection:
            lists = standing(connection)
        periods = list(context.partition_keys)
        kept = bring_hits_up_to_date(
            spark.session,
            registry.engine,
            Storage(settings.warehouse_location),
            catalogue,
            name,
            periods,
            lists,
            products=config.products,
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        for period, metadata in period_metadata(periods, kept).items():
            context.add_asset_metadata(metadata, partition_key=period)
        return dg.MaterializeResult()

    return hits


def period_metadata(periods: Iterable[str], kept: Iterable[StandingHits]) -> dict[str, dict[str, Any]]:
    """What Dagster shows of each period: the rows that were looked at, the hits, and the lists with their versions."""
    by_period: dict[str, list[StandingHits]] = defaultdict(list)
    for hits in kept:
        by_period[hits.period].append(hits)
    return {
        period: {
            "dagster/partition_row_count": sum(hits.hits for hits in by_period[period]),
            "rows": sum(hits.rows for hits in by_period[period]),
            "hits": {hits.product: hits.hits for hits in by_period[period]},
            "lists": {mark.id: mark.version for hits in by_period[period] for mark in hits.lists},
        }
        for period in periods
    }


def _rows_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=hits_key(name), name="rows", blocking=True)
    def check(registry: RegistryResource) -> dg.AssetCheckResult:
        """Every row of each build whose hits are kept was looked at, once."""
        with registry.engine.connect() as connection:
            rows = {build.build_id: build.rows_visible + build.rows_hidden for build in current_builds(connection, entity=name)}
            kept = current_hits(connection, entity=name)
        wrong = [f"{hits.product} {hits.period}" for build_id, hits in kept.items() if build_id in rows and hits.rows != rows[build_id]]
        metadata = {"periods": len(kept), "wrong": dg.MetadataValue.json(wrong)}
        return dg.AssetCheckResult(passed=not wrong, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)

    return check
