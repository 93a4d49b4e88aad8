"""The Dagster shell of sequences: the stages of the requests of a day, and whether they are of what counts now.

What belongs here is wiring and metadata: `building/days.py` builds. The job, schedule and retention are in `jobs/sequences.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.embeddings.assets import ITEMS
from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.sequences.building.days import bring_up_to_date, stale_days
from srp_assets.sequences.declaration import load_sequences
from srp_assets.sequences.funnel import FunnelBand, funnel_of_day
from srp_assets.sequences.places import Portraits, SequencePlaces
from srp_assets.sequences.registry import SequenceBuild, current_builds
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

DOMAIN = "sequences"
OWNERS = ["team:ranking"]
SPARK_POOL = "spark"
STAGES, FUNNEL = dg.AssetKey([DOMAIN, "stages"]), dg.AssetKey([DOMAIN, "funnel"])
FUNNEL_TRACES = 1_000
"""Requests of a day that the funnel looks at."""


class StagesBuildConfig(StrictConfig):
    """What a build of some days is limited to."""

    only_changed: bool = Field(False, description="leave out days that are built from what counts now, and days without logs")
    portraits: Portraits = Field(
        "computed", description="begin from portraits computed from logs, or (logged) from those that the online side logged, where it did"
    )


def sequences_storage(location: str) -> Storage:
    """Where sequences are kept, below the warehouse's location."""
    return Storage(f"{location.rstrip('/')}/{DOMAIN}")


def sequence_places(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, features: Path, declared: Path) -> SequencePlaces:
    """Where the sequences of a home are built from and to.

    Raises:
        InvalidInput: if a declaration is not valid, or takes vectors of which none are declared.
    """
    definitions = load_definitions(features)
    document = load_sequences(declared, definitions)
    if document.embeddings is not None and settings.embedding_declarations is None:
        remedy = "declare them in embeddings.yaml beside the logs, or leave soft searches out"
        raise InvalidInput(f"this home declares no embeddings {document.embeddings!r}", where=f"{declared}: embeddings", remedy=remedy)
    return SequencePlaces(
        sequences=sequences_storage(settings.warehouse_location),
        embeddings=Storage(f"{settings.warehouse_location.rstrip('/')}/embeddings"),
        features=places_of(settings, catalogue),
        logs=logs,
        layout=layout_of(definitions),
        document=document,
        buckets=settings.sequences_buckets,
        slack=settings.sequences_slack,
        split_rows=settings.sequences_split_rows,
    )


def sequences_assets(places: SequencePlaces, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The stages of all requests; `progress` is told how far a build is, where somebody watches."""
    reached = dg.TimeWindowPartitionMapping(
        start_offset=-places.document.portrait.days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    # Vectors are of weeks; whichever version counts is taken, so that of the week before is the newest that must be there.
    week_before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
    vectors = [] if places.document.embeddings is None else [dg.AssetDep(ITEMS, partition_mapping=week_before)]

    @dg.asset(
        key=STAGES,
        deps=[
            dg.AssetDep(dg.AssetKey(["logs", "actions"]), partition_mapping=reached),
            dg.AssetDep(dg.AssetKey(["logs", "impression_outcomes"])),
            *vectors,
        ],
        partitions_def=log_days(places.logs),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description="The behaviour sequences of every request of the day at each stage: as they were known right before it.",
        metadata=_shown(places),
    )
    def stages(
        context: dg.AssetExecutionContext, config: StagesBuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        builds = bring_up_to_date(
            spark.session(),
            registry.engine,
            replace(places, portraits=config.portraits),
            list(context.partition_keys),
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        for build in builds:
            context.add_asset_metadata(day_metadata(build), partition_key=build.period)
        return dg.MaterializeResult()

    return [stages, *funnel_assets(places)]


def _shown(places: SequencePlaces) -> dict[str, Any]:
    document = places.document
    columns = [dg.TableColumn(field.name, str(field.type)) for field in STAGE_SCHEMA]
    versions = {sequence.name: document.version(sequence) for sequence in document.sequences}
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "versions": versions, "portrait": document.portrait_version}


def day_metadata(build: SequenceBuild) -> dict[str, Any]:
    """What Dagster shows of a day."""
    return {"dagster/partition_row_count": build.rows, "bytes": build.bytes, **build.figures, "identity": build.identity}


def sequences_checks(places: SequencePlaces) -> list[dg.AssetChecksDefinition]:
    """Blocking checks: what is built is of what counts now, and no row of a stage is there twice."""

    @dg.asset_check(asset=STAGES, name="built_from_current", blocking=True)
    def built_from_current(registry: RegistryResource) -> dg.AssetCheckResult:
        """No built day is of logs, requests or vectors that were replaced since."""
        with registry.engine.connect() as connection:
            current = places.current(connection)
            built = current_builds(connection, "stages", current.identity("stages"))
            stale = sorted(set(built) & set(stale_days(connection, places)))
        return dg.AssetCheckResult(passed=bool(built) and not stale, metadata={"days": len(built), "stale": stale})

    @dg.asset_check(asset=STAGES, name="complete", blocking=True)
    def complete(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every request of the run's days, or of the newest day, has a general row of each sequence, once."""
        with registry.engine.connect() as connection:
            built = current_builds(connection, "stages", places.current(connection).identity("stages"))
        own = [build for build in built.values() if build.run_id == context.run.run_id] or list(built.values())[-1:]
        wrong = [build.period for build in own if not is_complete(places, build)]
        return dg.AssetCheckResult(passed=bool(own) and not wrong, metadata={"days": len(own), "incomplete": wrong})

    return [built_from_current, complete]


def is_complete(places: SequencePlaces, build: SequenceBuild) -> bool:
    """Whether every request of a day has each sequence once."""
    import pyarrow.compute as pc  # 0.1 s that only a check should cost

    expected = build.figures["requests"]
    rows = stage_rows(places.sequences, build.files, ["trace_id", "sequence", "stage"])
    general = rows.filter(pc.equal(rows["stage"], "general"))
    for sequence in places.document.sequences:
        traces = general.filter(pc.equal(general["sequence"], sequence.name))["trace_id"]
        if len(traces) != expected or len(pc.unique(traces)) != expected:
            return False
    return True


def stage_rows(storage: Storage, files: Sequence[str], columns: list[str] | None = None) -> pa.Table:
    """The rows of some files of stages, with all columns or some."""
    names = columns or STAGE_SCHEMA.names
    return pa.concat_tables([STAGE_SCHEMA.empty_table().select(names), *(storage.read(path, names) for path in files)])


def funnel_assets(places: SequencePlaces) -> list[dg.AssetsDefinition]:
    """What each cut leaves, a day each; none where no vectors are declared to judge by."""
    if places.document.embeddings is None:
        return []

    @dg.asset(
        key=FUNNEL,
        deps=[dg.AssetDep(STAGES)],
        partitions_def=log_days(places.logs),
        group_name=DOMAIN,
        kinds={"numpy"},
        owners=OWNERS,
        description="How much of an exact model's attention survives each cut, and how far sequences agree, by how long histories are.",
    )
    def funnel(context: dg.AssetExecutionContext, registry: RegistryResource) -> dg.MaterializeResult:
        bands = funnel_of_day(registry.engine, places, context.partition_key, FUNNEL_TRACES)
        head = "| sequence | actions up to | candidates | means |\n|---|---|---|---|\n"
        rows = [f"| {own.sequence} | {own.longest or 'more'} | {own.candidates} | {_shares(own)} |" for own in bands]
        figures = {f"{own.sequence}: {name}, up to {own.longest or 'more'}": value for own in bands for name, value in own.figures.items()}
        return dg.MaterializeResult(metadata={"funnel": dg.MetadataValue.md(head + "\n".join(rows)), **figures})

    return [funnel]


def _shares(band: FunnelBand) -> str:
    return ", ".join(f"{name} {value:.1%}" for name, value in band.figures.items())
