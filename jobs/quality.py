"""When the rows that landed are looked at: a job and a schedule of checks alone, since nothing is built when logs land."""

from typing import Any

import dagster as dg

from srp_assets.logs.assets import landed_checks
from srp_assets.logs.catalogue import LogCatalogue

CHECK_LOGS_JOB = "check_logs"


def quality_jobs(catalogue: LogCatalogue) -> list[Any]:
    """The job that looks at the newest day of every log."""
    return [
        dg.define_asset_job(
            CHECK_LOGS_JOB,
            selection=landed_checks(catalogue),
            executor_def=dg.in_process_executor,
            description="Looks whether the newest day of every log is as declared: types, nulls, values, ranges, each event once, fresh.",
        )
    ]


def quality_schedules() -> list[Any]:
    """The schedule of the job, before the logs of the day before are stitched."""
    return [
        dg.ScheduleDefinition(
            name="daily_log_checks",
            job_name=CHECK_LOGS_JOB,
            cron_schedule="35 0 * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]
