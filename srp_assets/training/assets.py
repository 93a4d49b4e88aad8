"""The Dagster shell of the training sets: a day each, its card, and the checks that guard what trains on it.

What belongs here is wiring and metadata: `building.py` builds. The job, the sensor that asks for days whose logs or features were built
again, and the retention are in `jobs/training.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import feature_key, places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.sequences.assets import STAGES, sequence_places
from srp_assets.settings import Settings
from srp_assets.training.building import TrainingPlaces, bring_up_to_date, current_inputs, stale_days
from srp_assets.training.card.content import SetCard, card_of
from srp_assets.training.inputs import SetOptions
from srp_assets.training.leak_test import leaks_of_day
from srp_assets.training.leaks import SHIFT
from srp_assets.training.registry import SetBuild, current_sets, sets_of_run
from srp_assets.training.splits import newest_whole_day
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

DOMAIN = "training"
OWNERS = ["team:ranking"]
SPARK_POOL = "spark"
SETS = dg.AssetKey([DOMAIN, "sets"])

SHOWN_FINDINGS = 20
"""Features that the leak check lists: those with the largest losses."""

COLUMN_NAMES = {"string": "string", "double": "double", "bool": "boolean", "int64": "bigint"}


class SetsBuildConfig(StrictConfig):
    """What a build of some days is limited to."""

    only_changed: bool = Field(False, description="leave out days that are built from the current builds of what they read")


def training_storage(location: str) -> Storage:
    """Where training sets are kept, below the warehouse's location."""
    return Storage(f"{location.rstrip('/')}/{DOMAIN}")


def training_places(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path) -> TrainingPlaces:
    """Where training sets are built from and to in the home of some settings.

    Raises:
        InvalidInput: if a declaration is not valid, or sets should carry sequences and none are declared.
    """
    options = SetOptions(
        features=settings.training_features,
        weighting=settings.training_weighting,
        weight_limit=settings.training_weight_limit,
        window_days=settings.training_window_days,
        sequences=settings.training_sequences,
    )
    features = places_of(settings, catalogue)
    sequences = None
    if options.sequences:
        document = settings.sequence_declarations
        if document is None:
            remedy = "name the file of declarations in SRP_SEQUENCES, or no sequences"
            raise InvalidInput("this home declares no sequences", where="SRP_TRAINING_SEQUENCES", remedy=remedy)
        sequences = sequence_places(settings, catalogue, logs, declared, document)
    layout = layout_of(load_definitions(declared))
    return TrainingPlaces(training_storage(settings.warehouse_location), features, logs, layout, options, sequences)


def training_assets(places: TrainingPlaces, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The training sets; `progress` is told how far a build is, where somebody watches."""
    requests = dg.TimeWindowPartitionMapping(
        start_offset=-places.logs.request_days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )
    stages = [] if places.sequences is None else [dg.AssetDep(STAGES, partition_mapping=requests)]

    @dg.asset(
        key=SETS,
        deps=[dg.AssetKey(["logs", "impression_outcomes"]), feature_key("impressions"), *stages],
        partitions_def=log_days(places.logs),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description="Every impression of the day with what came of it, its features as they were right before it, and its weight.",
        metadata=_shown(places),
    )
    def sets(
        context: dg.AssetExecutionContext, config: SetsBuildConfig, registry: RegistryResource, spark: SparkResource
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
            context.add_asset_metadata(_day_metadata(places, build), partition_key=build.day)
        return dg.MaterializeResult()

    return [sets]


def set_card(places: TrainingPlaces, builds: Mapping[str, SetBuild]) -> SetCard:
    """The card of some days."""
    definitions = places.layout.definitions
    return card_of(definitions.name, places.schema, definitions.digest, places.options, builds)


def _shown(places: TrainingPlaces) -> dict[str, Any]:
    columns = [dg.TableColumn(field.name, COLUMN_NAMES.get(str(field.type), str(field.type))) for field in places.schema.arrow]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "definitions": places.layout.definitions.digest}


def _day_metadata(places: TrainingPlaces, build: SetBuild) -> dict[str, Any]:
    """What Dagster shows of a day: its card, in short and as a page."""
    # Brings the template engine along, which definitions need for nothing else.
    from srp_assets.training.card.page import card_html

    card = set_card(places, {build.day: build})
    path = f"cards/{build.day}-{build.set_id}.html"
    filesystem = places.sets.filesystem
    filesystem.create_dir(places.sets.path("cards"), recursive=True)
    with filesystem.open_output_stream(places.sets.path(path)) as stream:
        stream.write(card_html(card).encode())
    told = card.as_dict()
    return {
        "dagster/partition_row_count": build.rows,
        "bytes": build.bytes,
        "without_features": told["without_features"],
        "rates": told["rates"],
        "effective_rows": told["weights"]["effective_rows"],
        "identity": build.identity,
        "card": dg.MetadataValue.path(places.sets.path(path)),
        "coverage": dg.MetadataValue.md(_coverage(told["coverage"])),
    }


def _coverage(coverage: Mapping[str, float]) -> str:
    return "\n".join(["| feature | coverage |", "|---|---|", *[f"| {name} | {share:.1%} |" for name, share in coverage.items()]])


def training_checks(places: TrainingPlaces) -> list[dg.AssetChecksDefinition]:
    """Blocking checks: what was built is made from what counts now, and no feature knows what came of its impression."""

    @dg.asset_check(asset=SETS, name="built_from_current", blocking=True)
    def built_from_current(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every day that the run built, or every built day, if it built none, is made from the builds that count now."""
        with registry.engine.connect() as connection:
            days = sets_of_run(connection, context.run.run_id) or current_sets(connection, places.identity)
            stale = sorted(set(days) & set(stale_days(connection, places)))
            lost = sorted(set(days) - set(current_inputs(connection, places)))
        return dg.AssetCheckResult(
            passed=bool(days) and not stale and not lost, metadata={"days": len(days), "stale": stale, "without_logs": lost}
        )

    @dg.asset_check(asset=SETS, name="no_leaks", blocking=True, pool=SPARK_POOL)
    def no_leaks(context: dg.AssetCheckExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.AssetCheckResult:
        """On the newest whole day that the run built, every feature tells labels about as well when it is taken some time earlier."""
        with registry.engine.connect() as connection:
            days = sets_of_run(connection, context.run.run_id) or current_sets(connection, places.identity)
        day = newest_whole_day({day: build.rows for day, build in days.items()})
        if day is None:
            return dg.AssetCheckResult(passed=bool(days), metadata={"reason": "there are no rows to look at"})
        found = leaks_of_day(spark.session(), registry.engine, places, day)
        lines = [
            f"| {one.feature} | {one.label} | {one.strength:.3f} | {one.earlier:.3f} | {one.limit:.3f} |" for one in found[:SHOWN_FINDINGS]
        ]
        head = [f"| feature | label | strength | {SHIFT} earlier | allowed loss |", "|---|---|---|---|---|"]
        leaks = sorted({one.feature for one in found if one.is_leak})
        return dg.AssetCheckResult(
            passed=not leaks, metadata={"day": day, "leaks": leaks, "findings": dg.MetadataValue.md("\n".join([*head, *lines]))}
        )

    return [built_from_current, no_leaks]
