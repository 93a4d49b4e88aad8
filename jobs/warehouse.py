"""When tables are built: the job over all of them, the sensor that asks for what landings reopened, the retention of replaced builds."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from resources.registry_database import RegistryResource
from srp_assets.partitions import period_partitions
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import BuildConfig, table_key
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import stale_periods
from srp_assets.warehouse.reopening import Asked, PeriodSpan, due, spans
from srp_assets.warehouse.retention import delete_old_builds
from srp_assets.warehouse.storage import Storage

BUILD_JOB = "build_warehouse"
TICK_SECONDS = 30
"""How often the sensor looks: a build takes about as long, and a tick costs one registry query."""

FIRST_TAG = "dagster/asset_partition_range_start"
LAST_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def warehouse_jobs(catalogue: Catalogue) -> list[Any]:
    """The job that builds tables of a catalogue (Dagster does not publish the type of a job over assets)."""
    return [
        dg.define_asset_job(
            BUILD_JOB,
            selection=dg.AssetSelection.assets(*[table_key(name) for name in catalogue.entities]) | dg.AssetSelection.groups("wordlists"),
            executor_def=dg.in_process_executor,
            description="Builds the warehouse's tables for a range of publish periods, each in one Spark job, and their standing hits.",
        )
    ]


def warehouse_sensors(catalogue: Catalogue) -> list[dg.SensorDefinition]:
    """The sensor that asks for reopened periods."""
    tables = {table_key(name): name for name in catalogue.entities}

    @dg.sensor(
        name="reopened_periods",
        job_name=BUILD_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of periods that got rows since they were built.",
    )
    def reopened_periods(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of periods that got rows since they were built, unless a run builds them already."""
        with registry.engine.connect() as connection:
            through = last_ingest(connection)
            stale = stale_periods(connection, through=through)
        wanted = spans(stale, list(period_partitions(catalogue).get_partition_keys()))
        asked, memory = due(wanted, spans_of_runs(context.instance, tables), memory_of(context.cursor), through, datetime.now(UTC))
        reason = None if asked else (f"{len(wanted)} ranges are being built or wait" if wanted else "nothing has reopened")
        requests = [build_request(span, table_key(span.entity)) for span in asked]
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=cursor_of(memory))

    return [reopened_periods]


def build_request(span: PeriodSpan, key: dg.AssetKey) -> dg.RunRequest:
    """The run that brings one asset up to date over a span."""
    return dg.RunRequest(
        asset_selection=[key],
        run_config=dg.RunConfig(ops={key.to_python_identifier(): BuildConfig(only_changed=True)}),
        tags={FIRST_TAG: span.first, LAST_TAG: span.last},
    )


def spans_of_runs(instance: dg.DagsterInstance, assets: Mapping[dg.AssetKey, str]) -> list[PeriodSpan]:
    """What unfinished runs build of some assets, whoever asked for them; each asset is of an entity."""
    found: list[PeriodSpan] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        selected: Iterable[dg.AssetKey] = run.asset_selection or (assets if run.job_name == BUILD_JOB else ())
        first = run.tags.get(FIRST_TAG) or run.tags.get(PARTITION_TAG)
        last = run.tags.get(LAST_TAG) or run.tags.get(PARTITION_TAG)
        if first and last:
            found += [PeriodSpan(assets[key], first, last) for key in selected if key in assets]
    return found


def memory_of(cursor: str | None) -> dict[str, Asked]:
    """What a sensor has asked for before."""
    kept = json.loads(cursor or "{}")
    return {name: Asked(as_of, times, datetime.fromisoformat(again_at)) for name, (as_of, times, again_at) in kept.items()}


def cursor_of(memory: Mapping[str, Asked]) -> str:
    """The memory as a sensor keeps it."""
    return json.dumps({name: (asked.as_of, asked.times, asked.again_at.isoformat()) for name, asked in memory.items()})


def warehouse_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedule that deletes replaced builds."""

    @dg.op
    def delete_replaced_builds(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        """Deletes the files of builds that were replaced longer ago than the retention, and folders that no build names."""
        before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        builds, folders = delete_old_builds(registry.engine, Storage(settings.warehouse_location), before)
        context.log.info("deleted %d replaced builds and %d folders that broken-off builds left", builds, folders)

    @dg.job(executor_def=dg.in_process_executor, description="Deletes builds that were replaced longer ago than the retention.")
    def warehouse_retention() -> None:
        delete_replaced_builds()

    # Every hour, since the retention is counted in hours; the minute is arbitrary and keeps it off full hours.
    return [dg.ScheduleDefinition(job=warehouse_retention, cron_schedule="41 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)]
