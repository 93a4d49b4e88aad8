"""When tables are built: the job over all of them, the sensor that asks for what landings reopened, the retention of replaced builds."""

import json
from collections.abc import Iterable
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
            selection=dg.AssetSelection.assets(*[table_key(name) for name in catalogue.entities]),
            executor_def=dg.in_process_executor,
            description="Builds the warehouse's tables for a range of publish periods, each in one Spark job.",
        )
    ]


def warehouse_sensors(catalogue: Catalogue) -> list[dg.SensorDefinition]:
    """The sensor that asks for reopened periods."""

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
        asked, memory = due(wanted, _building(context.instance, catalogue), _memory(context.cursor), through, datetime.now(UTC))
        reason = None if asked else (f"{len(wanted)} ranges are being built or wait" if wanted else "nothing has reopened")
        return dg.SensorResult(run_requests=[_request(span) for span in asked], skip_reason=reason, cursor=_cursor(memory))

    return [reopened_periods]


def _request(span: PeriodSpan) -> dg.RunRequest:
    key = table_key(span.entity)
    return dg.RunRequest(
        asset_selection=[key],
        run_config=dg.RunConfig(ops={key.to_python_identifier(): BuildConfig(only_changed=True)}),
        tags={FIRST_TAG: span.first, LAST_TAG: span.last},
    )


def _building(instance: dg.DagsterInstance, catalogue: Catalogue) -> list[PeriodSpan]:
    """What unfinished runs build, whoever asked for them."""
    found: list[PeriodSpan] = []
    tables = {table_key(name): name for name in catalogue.entities}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        selected: Iterable[dg.AssetKey] = run.asset_selection or (tables if run.job_name == BUILD_JOB else ())
        first = run.tags.get(FIRST_TAG) or run.tags.get(PARTITION_TAG)
        last = run.tags.get(LAST_TAG) or run.tags.get(PARTITION_TAG)
        if first and last:
            found += [PeriodSpan(tables[key], first, last) for key in selected if key in tables]
    return found


def _memory(cursor: str | None) -> dict[str, Asked]:
    return {
        name: Asked(through, times, datetime.fromisoformat(again_at))
        for name, (through, times, again_at) in json.loads(cursor or "{}").items()
    }


def _cursor(memory: dict[str, Asked]) -> str:
    return json.dumps({name: (asked.through_ingest, asked.times, asked.again_at.isoformat()) for name, asked in memory.items()})


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
