"""When sequences are compared: the job, and its daily path after the stages of the day before."""

from typing import Any

import dagster as dg

from jobs.daily import schedule_of_yesterday
from srp_assets.sequences.differences.assets import DIFFERENCES

COMPARE_JOB = "compare_sequences"


def difference_jobs() -> list[Any]:
    """The job that compares a range of days."""
    return [
        dg.define_asset_job(
            COMPARE_JOB,
            selection=dg.AssetSelection.assets(DIFFERENCES),
            executor_def=dg.in_process_executor,
            description="Compares the served sequences of a range of days with those that are computed again, and says why they differ.",
        )
    ]


def difference_schedules(jobs: list[Any]) -> list[Any]:
    """The daily path."""
    return [schedule_of_yesterday(jobs[0], "daily_sequence_differences", hour=3, minute=15)]
