"""When logs are stitched: the job, the sensor that asks for days that late rows reopened, the daily schedule, the retention."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from srp_assets.logs.assets import LogsBuildConfig, log_table_key
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.registry import last_ingest
from srp_assets.logs.registry_builds import stale_days
from srp_assets.logs.schema import TABLES
from srp_assets.logs.stitching.retention import delete_old_log_builds
from srp_assets.settings import Settings

BUILD_LOGS_JOB = "build_logs"
STITCHED_LOGS = "stitched_logs"


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

    def stale(connection: Connection) -> tuple[list[str], int]:
        through = last_ingest(connection)
        return stale_days(connection, catalogue, through=through), through

    return [
        sensor_of_days(
            "reopened_days",
            job=BUILD_LOGS_JOB,
            keys=[log_table_key(table) for table in TABLES],
            op=STITCHED_LOGS,
            config=LogsBuildConfig(only_changed=True),
            catalogue=catalogue,
            stale=stale,
            description="Asks for one run for each range of days that got rows, or whose labels became final, since they were built.",
        )
    ]


def logs_schedules(settings: Settings, jobs: list[Any]) -> list[Any]:
    """The daily path, for homes whose logs come by day, and the retention."""

    def delete(engine: Engine, before: datetime) -> str:
        builds, folders = delete_old_log_builds(engine, logs_storage(settings.warehouse_location), before)
        return f"deleted {builds} replaced builds and {folders} folders that broken-off builds left"

    # At a quarter past one what a day's clients still sent after midnight has mostly come; the sensor builds again for the rest.
    daily = schedule_of_yesterday(jobs[0], "daily_logs", hour=1, minute=15)
    description = "Deletes builds of logs that were replaced longer ago than the retention, and folders that no build names."
    return [daily, retention_schedule("logs_retention", settings, delete, minute=49, description=description)]
