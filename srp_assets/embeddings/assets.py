"""The Dagster shell of embeddings: sequences of sessions by day, vectors by week, and the checks that guard who uses them.

What belongs here is wiring and metadata: `sessions/building.py` and `weekly/making.py` do the work. Jobs and schedules are in
`jobs/embeddings.py`.
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.embeddings.declaration.loading import load_embeddings
from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.registry import Version, current_sequences, current_version, sequences_of_run, version_of_run
from srp_assets.embeddings.sessions.building import bring_up_to_date
from srp_assets.embeddings.sessions.rules import REASONS
from srp_assets.logs.assets import log_table_key
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.partitions import log_days, log_weeks
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

DOMAIN = "embeddings"
OWNERS = ["team:ranking"]
SPARK_POOL, TRAINING_POOL = "spark", "training"
SEQUENCES = dg.AssetKey([DOMAIN, "sequences"])
ITEMS = dg.AssetKey([DOMAIN, "items"])
DAYS_OF_WEEK = 7


class SequencesBuildConfig(StrictConfig):
    """What a build of some days is limited to."""

    only_changed: bool = Field(False, description="leave out days that are built and that nothing has reopened")


class VersionConfig(StrictConfig):
    """How the version of a week is made."""

    warm: bool = Field(True, description="go on from the newest version of an earlier week")


def embedding_places(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path) -> EmbeddingPlaces:
    """Where embeddings are made from and to in the home of some settings."""
    location = settings.warehouse_location
    return EmbeddingPlaces(
        Storage(f"{location.rstrip('/')}/{DOMAIN}"),
        logs_storage(location),
        Storage(location),
        logs,
        catalogue,
        load_embeddings(declared, logs, catalogue),
    )


def embeddings_assets(settings: Settings, places: EmbeddingPlaces, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """Sequences by day and vectors by week; `progress` is told how far they are, where somebody watches."""
    return [_sequences(places, progress), _items(settings, places, progress)]


def _sequences(places: EmbeddingPlaces, progress: Progress | None) -> dg.AssetsDefinition:
    reach = dg.TimeWindowPartitionMapping(start_offset=0, end_offset=1, allow_nonexistent_upstream_partitions=True)

    @dg.asset(
        key=SEQUENCES,
        deps=[dg.AssetDep(log_table_key(table), partition_mapping=reach) for table in ("sessions", "actions", "impression_outcomes")],
        partitions_def=log_days(places.log_catalogue),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description="A row for each session that vectors learn from: what was clicked in order, what it led to, what it turned down.",
    )
    def sequences(
        context: dg.AssetExecutionContext, config: SequencesBuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        builds = bring_up_to_date(
            spark.session(),
            registry.engine,
            places,
            list(context.partition_keys),
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        for build in builds:
            context.add_asset_metadata({"dagster/partition_row_count": build.rows, **build.counts}, partition_key=build.day)
        return dg.MaterializeResult()

    return sequences


def _items(settings: Settings, places: EmbeddingPlaces, progress: Progress | None) -> dg.AssetsDefinition:
    weeks = -(-places.declared.window_days // DAYS_OF_WEEK)
    window = dg.TimeWindowPartitionMapping(start_offset=1 - weeks, end_offset=0, allow_nonexistent_upstream_partitions=True)

    @dg.asset(
        key=ITEMS,
        deps=[dg.AssetDep(SEQUENCES, partition_mapping=window)],
        partitions_def=log_weeks(places.log_catalogue),
        group_name=DOMAIN,
        kinds={"numba", "mlflow", "parquet"},
        owners=OWNERS,
        pool=TRAINING_POOL,
        description="Vectors of all items by the sessions up to the end of a week, in the space of the week before, with their neighbours.",
        metadata={"declaration": places.declared.digest},
    )
    def items(
        context: dg.AssetExecutionContext, config: VersionConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        # What trains, indexes and draws takes a second to import; every step process of every other asset would pay for it.
        from resources.mlflow import Tracking
        from srp_assets.embeddings.weekly.making import make_version
        from srp_assets.embeddings.weekly.picture import picture

        made = make_version(
            registry.engine,
            places,
            Tracking.of(settings),
            context.partition_key,
            warm=config.warm,
            spark=spark.session() if places.declared.spark_partitions else None,
            run_id=context.run.run_id,
            progress=progress,
        )
        shown = {"items by market": dg.MetadataValue.md(picture(made.vectors, made.markets))}
        return dg.MaterializeResult(metadata=shown | version_metadata(made.version), data_version=dg.DataVersion(made.version.version))

    return items


def version_metadata(version: Version) -> dict[str, Any]:
    """What Dagster shows of a version."""
    figures: dict[str, Any] = {name: value for name, value in version.figures.items() if isinstance(value, int | float)}
    return figures | {
        "dagster/partition_row_count": version.items,
        "version": version.version,
        "current": version.current,
        "problems": list(version.problems),
        "dimensions": version.dimensions,
        "base": version.base or "none",
        "mlflow_run": version.tracked_run or "none",
        "made_from": version.figures.get("made_from", {}),
    }


def embeddings_checks(places: EmbeddingPlaces) -> list[dg.AssetChecksDefinition]:
    """Blocking checks: every session is accounted for, and a version may be used."""

    @dg.asset_check(asset=SEQUENCES, name="accounted", blocking=True)
    def accounted(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every session of the days that the run built, or of all, if it built none, is a sequence or was dropped for a declared reason."""
        with registry.engine.connect() as connection:
            builds = sequences_of_run(connection, context.run.run_id) or current_sequences(connection, places.declared.sessions_digest)
        lost = {
            day: build.counts["sessions"] - build.rows - sum(build.counts[reason] for reason in REASONS) for day, build in builds.items()
        }
        return dg.AssetCheckResult(
            passed=bool(builds) and not any(lost.values()), metadata={"days": len(builds), "lost": sum(lost.values())}
        )

    @dg.asset_check(asset=ITEMS, name="usable", blocking=True)
    def usable(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Enough items have vectors, all their numbers are numbers, and they moved no more than is declared since the week before.

        Of the version that the run made, or of the current one, if it made none. One that fails never became current.
        """
        with registry.engine.connect() as connection:
            version = version_of_run(connection, context.run.run_id) or current_version(connection, places.declared.name)
        if version is None:
            return dg.AssetCheckResult(passed=False, metadata={"reason": "there is no version"})
        told: dict[str, Any] = {name: version.figures[name] for name in ("coverage", "drift_mean") if name in version.figures}
        told |= {"version": version.version, "problems": list(version.problems)}
        return dg.AssetCheckResult(passed=not version.problems, metadata=told)

    return [accounted, usable]
