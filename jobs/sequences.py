"""When sequences are built: the job, its daily path, and the retention."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from jobs.daily import schedule_of_yesterday
from jobs.retention import retention_schedule
from srp_assets.sequences.assets import STAGES
from srp_assets.sequences.building.days import delete_old_builds
from srp_assets.sequences.places import SequencePlaces
from srp_assets.settings import Settings

BUILD_STAGES_JOB = "build_sequence_stages"


def sequences_jobs() -> list[Any]:
    """The job that builds a range of days."""
    return [
        dg.define_asset_job(
            BUILD_STAGES_JOB,
            selection=dg.AssetSelection.assets(STAGES),
            executor_def=dg.in_process_executor,
            description="Builds the behaviour sequences of the requests of a range of days, and what is kept of the months before.",
        )
    ]


def sequences_schedules(settings: Settings, places: SequencePlaces, jobs: list[Any]) -> list[Any]:
    """The daily path, after that of the logs, and the retention."""

    def delete(engine: Engine, before: datetime) -> str:
        return f"deleted {delete_old_builds(engine, places.sequences, before)} replaced builds"

    # Half an hour after the features of the day before, whose Spark pool they share.
    daily = schedule_of_yesterday(jobs[0], "daily_sequence_stages", hour=2, minute=45)
    description = "Deletes builds of sequences that were replaced longer ago than the retention."
    return [daily, retention_schedule("sequences_retention", settings, delete, minute=59, description=description)]
