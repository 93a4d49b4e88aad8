"""When sequences are built: the job, the sensor that asks for days whose logs were built again, the daily path, and the retention."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from srp_assets.sequences.assets import STAGES, StagesBuildConfig
from srp_assets.sequences.building.days import delete_old_builds, inputs_of, reopened_days
from srp_assets.sequences.places import SequencePlaces, digest_of
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


def sequences_sensors(places: SequencePlaces) -> list[dg.SensorDefinition]:
    """The sensor that asks for days that have ended and whose logs or requests were replaced since their stages."""

    def stale(connection: Connection) -> tuple[list[str], str]:
        # Of today something lands all the time: its requests are searched once, when it has ended.
        today = datetime.now(UTC).date().isoformat()
        # A day may change without a build of logs: served features that land name candidates.
        reads = digest_of([own.digest for own in inputs_of(connection, places).values()])
        return [day for day in reopened_days(connection, places) if day < today], reads

    return [
        sensor_of_days(
            "reopened_sequences",
            job=BUILD_STAGES_JOB,
            keys=[STAGES],
            op=STAGES.to_python_identifier(),
            config=StagesBuildConfig(only_changed=True),
            catalogue=places.logs,
            stale=stale,
            description="Asks for one run for each range of days whose logs were built, or whose requests landed, since their sequences.",
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
