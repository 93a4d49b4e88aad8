"""The Dagster shell of the features: partial sums, windowed features and the features of impressions, a day each, and what they show.

What belongs here is wiring and metadata: `building.py` builds. The job, the sensor that asks for days whose logs were built again, and the
retention are in `jobs/features.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from expectations.adapter import check_result
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.features.aggregation.layout import Layout, layout_of
from srp_assets.features.automatic.proposing import SAMPLED_DAYS, Proposal, problems_of, proposal_path, propose
from srp_assets.features.automatic.selection import ACCEPTED
from srp_assets.features.building.days import Places, bring_up_to_date, identity_of, inputs_of, stale_days
from srp_assets.features.checking import judged_features, judged_sums
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.documentation import documentation
from srp_assets.features.declaration.loading import load_definitions, load_document
from srp_assets.features.quality import SPARK_TYPES
from srp_assets.features.registry import FeatureBuild, Table, builds_of_run, current_builds
from srp_assets.features.standing_words import entity_of
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

DOMAIN = "features"
OWNERS = ["team:ranking"]
SPARK_POOL = "spark"
TABLES: tuple[Table, ...] = ("partials", "windows", "impressions")
PROPOSALS = "proposals"

DESCRIPTIONS: Mapping[Table, str] = {
    "partials": "What a day's events add to every feature, by the day on which they arrived; each sum once, however many windows use it.",
    "windows": "The windowed features of every user, item, query and pair as of the beginning of the day.",
    "impressions": "Every impression of the day with all features as they were known right before it.",
}


class FeaturesBuildConfig(StrictConfig):
    """What a build of some days is limited to."""

    only_changed: bool = Field(False, description="leave out days that are built from the current builds of what they read")


def feature_key(table: str) -> dg.AssetKey:
    """The asset of what is built."""
    return dg.AssetKey([DOMAIN, table])


def features_storage(location: str) -> Storage:
    """Where features are kept, below the warehouse's location."""
    return Storage(f"{location.rstrip('/')}/{DOMAIN}")


def places_of(settings: Settings, catalogue: Catalogue) -> Places:
    """Where features are built from and to in the home of some settings."""
    location = settings.warehouse_location
    return Places(features_storage(location), logs_storage(location), Storage(location), catalogue, settings.features_buckets)


def features_assets(
    settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path, *, progress: Progress | None = None
) -> list[dg.AssetsDefinition]:
    """What is built from a file of declarations; `progress` is told how far a build is, where somebody watches."""
    definitions = load_definitions(declared)
    places, layout = places_of(settings, catalogue), layout_of(definitions)
    return [*(_asset(places, layout, logs, table, progress) for table in TABLES), _proposals(declared, places, layout, logs)]


def _asset(places: Places, layout: Layout, logs: LogCatalogue, table: Table, progress: Progress | None) -> dg.AssetsDefinition:
    @dg.asset(
        key=feature_key(table),
        deps=_deps(places.catalogue, layout.definitions, table),
        partitions_def=log_days(logs),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description=DESCRIPTIONS[table],
        metadata=_shown(layout, table),
    )
    def built(
        context: dg.AssetExecutionContext, config: FeaturesBuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        days = list(context.partition_keys)
        builds = bring_up_to_date(
            spark.session(),
            registry.engine,
            places,
            table,
            layout,
            days,
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        for build in builds:
            context.add_asset_metadata(day_metadata(build), partition_key=build.day)
        return dg.MaterializeResult()

    return built


def _proposals(declared: Path, places: Places, layout: Layout, logs: LogCatalogue) -> dg.AssetsDefinition:
    outcomes = dg.TimeWindowPartitionMapping(start_offset=1 - SAMPLED_DAYS, end_offset=0, allow_nonexistent_upstream_partitions=True)
    reached = dg.TimeWindowPartitionMapping(
        start_offset=1 - SAMPLED_DAYS - layout.definitions.lookback_days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        key=feature_key(PROPOSALS),
        deps=[
            dg.AssetDep(dg.AssetKey(["logs", "impression_outcomes"]), partition_mapping=outcomes),
            dg.AssetDep(dg.AssetKey(["logs", "actions"]), partition_mapping=reached),
        ],
        partitions_def=log_days(logs),
        group_name=DOMAIN,
        kinds={"spark", "scikitlearn", "yaml"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description="Features that would pay, judged on a week of impressions: declarations for a person to accept, with their evidence.",
    )
    def proposals(context: dg.AssetExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.MaterializeResult:
        proposal = propose(spark.session(), registry.engine, places, load_document(declared), context.partition_key)
        places.features.write(proposal_path(context.partition_key), proposal.as_table())
        return dg.MaterializeResult(metadata=_proposal_metadata(proposal))

    return proposals


def _proposal_metadata(proposal: Proposal) -> dict[str, Any]:
    """What Dagster shows of a proposal: the declarations to copy, and the candidates that were tried."""
    tried = [found for found in proposal.evidence if found.gain is not None]
    figures = ("coverage", "information", "redundancy", "gain", "cost")
    lines = [f"| {found.name} | {' | '.join(f'{getattr(found, name):.4g}' for name in figures)} | {found.verdict} |" for found in tried]
    head = [f"| candidate | {' | '.join(figures)} | verdict |", "|---" * (len(figures) + 2) + "|"]
    return {
        "dagster/row_count": len(proposal.evidence),
        "impressions": proposal.rows,
        "label_share": proposal.label_share,
        "accepted": sum(found.verdict == ACCEPTED for found in proposal.evidence),
        "evidence": dg.MetadataValue.md("\n".join([*head, *lines])),
        "declarations": dg.MetadataValue.md(f"```yaml\n{proposal.declarations}```"),
    }


def _deps(catalogue: Catalogue, definitions: Definitions, table: Table) -> list[dg.AssetDep]:
    """What a day reads: of partial sums those of all days that windows reach."""
    if table == "partials":
        entities = [name for name in definitions.attributes if name in catalogue.entities]
        keys = [dg.AssetKey(["warehouse", name]) for name in entities]
        words = [entity_of(name, catalogue.entities) for name in definitions.attributes if name not in entities]
        keys += [dg.AssetKey(["wordlists", f"{name}_hits"]) for name in words if name is not None]
        attributes = [dg.AssetDep(key, partition_mapping=dg.LastPartitionMapping()) for key in keys]
        return [dg.AssetDep(dg.AssetKey(["logs", "actions"])), *attributes]
    reached = dg.TimeWindowPartitionMapping(
        start_offset=-definitions.lookback_days,
        end_offset=0 if table == "impressions" else -1,
        allow_nonexistent_upstream_partitions=True,
    )
    partials = dg.AssetDep(feature_key("partials"), partition_mapping=reached)
    return [partials, *([dg.AssetDep(dg.AssetKey(["logs", "impression_outcomes"]))] if table == "impressions" else [])]


def _shown(layout: Layout, table: Table) -> dict[str, Any]:
    """What Dagster shows of an asset before it is built."""
    if table == "partials":
        tables = [entry for family in layout.families for entry in family.tables]
        return {"tables": {entry.name: list(entry.columns) for entry in tables}, "layout": layout.digest}
    features = documentation(layout.definitions)
    columns = [
        dg.TableColumn(
            feature.name,
            SPARK_TYPES[layout.definitions.features[feature.name].value_type],
            description=f"{feature.description} ({feature.unit}); {feature.definition}; version {feature.version}",
        )
        for feature in features
        if table == "impressions" or isinstance(layout.definitions.features[feature.name].window, int) and not feature.inputs
    ]
    keys = [dg.TableColumn("event_id", "string"), dg.TableColumn("as_of", "timestamp")] if table == "impressions" else []
    return {"dagster/column_schema": dg.TableSchema(columns=[*keys, *columns]), "definitions": layout.definitions.digest}


def day_metadata(build: FeatureBuild) -> dict[str, Any]:
    """What Dagster shows of a day."""
    return {
        "dagster/partition_row_count": sum(build.rows.values()),
        "rows": build.rows,
        "bytes": build.bytes,
        "identity": build.identity,
        "attributes_ingest": build.attributes_ingest,
    }


def features_checks(settings: Settings, catalogue: Catalogue, declared: Path) -> list[dg.AssetChecksDefinition]:
    """Blocking checks: what was built is made from what counts now and has the values it can have; what is proposed can be accepted."""
    places, layout = places_of(settings, catalogue), layout_of(load_definitions(declared))
    values = [_values_check(places, layout, table) for table in TABLES]
    return [*(_freshness_check(places, layout, table) for table in TABLES), *values, _proposal_check(declared, places)]


def _values_check(places: Places, layout: Layout, table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=feature_key(table), name="values", blocking=True, pool=SPARK_POOL)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.AssetCheckResult:
        """Types, ranges and nulls follow from the declarations, and no key is there twice.

        Of all impressions that the run built, or of the newest day; of sums and windows, which have a row for each key and day, of the
        newest day.
        """
        with registry.engine.connect() as connection:
            own = builds_of_run(connection, table, context.run.run_id)
            known = own or current_builds(connection, table, identity_of(table, layout, places.buckets))
        days = sorted(known) if own and table == "impressions" else sorted(known)[-1:]
        builds = {day: known[day] for day in days}
        if not any(rows for build in builds.values() for rows in build.rows.values()):
            return dg.AssetCheckResult(passed=bool(builds), metadata={"days": len(builds), "reason": "there are no rows"})
        judge = judged_sums if table == "partials" else judged_features
        return check_result(judge(spark.session(), places, layout, builds), {"days": len(builds)})

    return check


def _proposal_check(declared: Path, places: Places) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=feature_key(PROPOSALS), name="valid", blocking=True)
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """The proposed declarations are valid beside those of the document, and every candidate has its evidence."""
        event = context.instance.get_latest_materialization_event(feature_key(PROPOSALS))
        day = event.asset_materialization.partition if event and event.asset_materialization else None
        if day is None:
            return dg.AssetCheckResult(passed=False, metadata={"reason": "nothing was proposed"})
        problems = problems_of(load_document(declared), places.features.read(proposal_path(day)))
        return dg.AssetCheckResult(passed=not problems, metadata={"day": day, "problems": problems})

    return check


def _freshness_check(places: Places, layout: Layout, table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=feature_key(table), name="built_from_current", blocking=True)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every day that the run built, or every built day, if it built none, is made from the builds that count now."""
        with registry.engine.connect() as connection:
            built = builds_of_run(connection, table, context.run.run_id)
            days = built or current_builds(connection, table, identity_of(table, layout, places.buckets))
            stale = sorted(set(days) & set(stale_days(connection, table, layout, places.buckets)))
            known = inputs_of(connection, table, layout, places.buckets)
        lost = sorted(day for day in days if day not in known)
        return dg.AssetCheckResult(
            passed=bool(days) and not stale and not lost, metadata={"days": len(days), "stale": stale, "without_logs": lost}
        )

    return check
