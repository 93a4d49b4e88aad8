"""When logs are stitched: the job, the sensor that asks for days that late rows reopened, the daily schedule, the retention."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from jobs.warehouse import FIRST_TAG, LAST_TAG, TICK_SECONDS, cursor_of, memory_of, spans_of_runs
from resources.registry_database import RegistryResource
from srp_assets.logs.assets import LogsBuildConfig, log_table_key
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.registry import last_ingest
from srp_assets.logs.registry_builds import stale_days
from srp_assets.logs.schema import TABLES
from srp_assets.logs.stitching.retention import delete_old_log_builds
from srp_assets.partitions import log_days
from srp_assets.settings import Settings
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.reopening import due, spans

BUILD_LOGS_JOB = "build_logs"
STITCHED_LOGS = "stitched_logs"

ONE = "logs"
"""What the memory of the sensor calls the tables, which are built together."""


def logs_jobs() -> list[Any]:
    """The job that stitches days (Dagster does not publish the type of a job over assets)."""
    return [
        dg.define_asset_job(
            BUILD_LOGS_JOB,
            selection=dg.AssetSelection.assets(*[log_table_key(table) for table in TABLES]),
            executor_def=dg.in_process_executor,
            description="Stitches the logs of a range of days: impressions with their outcomes, actions, sessions.",
        )
    ]


def logs_sensors(catalogue: LogCatalogue) -> list[dg.SensorDefinition]:
    """The sensor that asks for days."""
    keys = {log_table_key(table): ONE for table in TABLES}

    @dg.sensor(
        name="reopened_days",
        job_name=BUILD_LOGS_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of days that got rows, or whose labels became final, since they were built.",
    )
    def reopened_days(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of days that must be built again, unless a run builds them already."""
        with registry.engine.connect() as connection:
            through = last_ingest(connection)
            stale = [PeriodKey(ONE, catalogue.name, day) for day in stale_days(connection, catalogue, through=through)]
        wanted = spans(stale, list(log_days(catalogue).get_partition_keys()))
        asked, memory = due(wanted, spans_of_runs(context.instance, keys), memory_of(context.cursor), through, datetime.now(UTC))
        reason = None if asked else (f"{len(wanted)} ranges are being built or wait" if wanted else "nothing has reopened")
        config = dg.RunConfig(ops={STITCHED_LOGS: LogsBuildConfig(only_changed=True)})
        requests = [
            dg.RunRequest(asset_selection=list(keys), run_config=config, tags={FIRST_TAG: span.first, LAST_TAG: span.last})
            for span in asked
        ]
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=cursor_of(memory))

    return [reopened_days]


def logs_schedules(settings: Settings, jobs: list[Any]) -> list[Any]:
    """The daily path, for homes whose logs come by day, and the retention."""

    @dg.op
    def delete_replaced_log_builds(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        """Deletes the files of builds that were replaced longer ago than the retention, and folders that no build names."""
        before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        builds, folders = delete_old_log_builds(registry.engine, logs_storage(settings.warehouse_location), before)
        context.log.info("deleted %d replaced builds and %d folders that broken-off builds left", builds, folders)

    @dg.job(executor_def=dg.in_process_executor, description="Deletes builds of logs that were replaced longer ago than the retention.")
    def logs_retention() -> None:
        delete_replaced_log_builds()

    daily = dg.build_schedule_from_partitioned_job(
        jobs[0],
        name="daily_logs",
        # At a quarter past one what a day's clients still sent after midnight has mostly come; the sensor builds again for the rest.
        hour_of_day=1,
        minute_of_hour=15,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    retention = dg.ScheduleDefinition(job=logs_retention, cron_schedule="47 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    return [daily, retention]
