"""When embeddings are made: sequences by day, vectors by week, the sensor that asks for days whose logs were built again, the retention."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from srp_assets.embeddings.assets import ITEMS, SEQUENCES, SequencesBuildConfig
from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.sessions.building import delete_old_sequences, stale_days
from srp_assets.logs.tables import built_days
from srp_assets.settings import Settings

BUILD_SEQUENCES_JOB = "build_session_sequences"
TRAIN_EMBEDDINGS_JOB = "train_embeddings"


def embeddings_jobs() -> list[Any]:
    """The job that builds a range of days, and the one that makes the version of a week."""
    return [
        dg.define_asset_job(
            BUILD_SEQUENCES_JOB,
            selection=dg.AssetSelection.assets(SEQUENCES),
            executor_def=dg.in_process_executor,
            description="Builds the session sequences of a range of days.",
        ),
        dg.define_asset_job(
            TRAIN_EMBEDDINGS_JOB,
            selection=dg.AssetSelection.assets(ITEMS),
            executor_def=dg.in_process_executor,
            description="Trains the vectors of a week from those of the week before, and makes them current if they may be used.",
        ),
    ]


def embeddings_sensors(places: EmbeddingPlaces) -> list[dg.SensorDefinition]:
    """The sensor that asks for days whose logs were built since their sequences."""

    def stale(connection: Connection) -> tuple[list[str], int]:
        newest = max((build.build_id for build in built_days(connection, "sessions").values()), default=0)
        return stale_days(connection, places), newest

    return [
        sensor_of_days(
            "reopened_session_sequences",
            job=BUILD_SEQUENCES_JOB,
            keys=[SEQUENCES],
            op=SEQUENCES.to_python_identifier(),
            config=SequencesBuildConfig(only_changed=True),
            catalogue=places.log_catalogue,
            stale=stale,
            description="Asks for one run for each range of days whose logs were built since their session sequences.",
        )
    ]


def embeddings_schedules(settings: Settings, places: EmbeddingPlaces, jobs: list[Any]) -> list[Any]:
    """Every day the sequences of the day before, every Monday the vectors of the week before, every hour the retention."""
    build, train = jobs

    def delete(engine: Engine, before: datetime) -> str:
        return f"deleted {delete_old_sequences(engine, places, before)} replaced builds of session sequences"

    @dg.schedule(
        name="weekly_embeddings",
        job=train,
        cron_schedule="45 4 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """Asks for the version of the week that has ended."""
        monday = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=7)).date().isoformat()
        return dg.RunRequest(run_key=monday, partition_key=monday)

    daily = schedule_of_yesterday(build, "daily_session_sequences", hour=3, minute=30)
    description = "Deletes session sequences that were replaced longer ago than the retention."
    return [daily, weekly, retention_schedule("embeddings_retention", settings, delete, minute=43, description=description)]
