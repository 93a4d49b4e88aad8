"""When training sets are built: the job, the sensor that asks for days whose logs or features were built again, the retention."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from srp_assets.settings import Settings
from srp_assets.training.assets import SETS, SetsBuildConfig
from srp_assets.training.building import TrainingPlaces, current_inputs, delete_old_sets, stale_days

BUILD_SETS_JOB = "build_training_sets"


def training_jobs() -> list[Any]:
    """The job that builds a range of days."""
    return [
        dg.define_asset_job(
            BUILD_SETS_JOB,
            selection=dg.AssetSelection.assets(SETS),
            executor_def=dg.in_process_executor,
            description="Builds the training sets of a range of days and looks for leaks.",
        )
    ]


def training_sensors(places: TrainingPlaces) -> list[dg.SensorDefinition]:
    """The sensor that asks for days whose impressions or features were built since their training set."""

    def stale(connection: Connection) -> tuple[list[str], int]:
        through = max((own.newest for own in current_inputs(connection, places).values()), default=0)
        return stale_days(connection, places), through

    return [
        sensor_of_days(
            "reopened_training_sets",
            job=BUILD_SETS_JOB,
            keys=[SETS],
            op=SETS.to_python_identifier(),
            config=SetsBuildConfig(only_changed=True),
            catalogue=places.logs,
            stale=stale,
            description="Asks for one run for each range of days whose impressions or features were built since their training set.",
        )
    ]


def training_schedules(settings: Settings, places: TrainingPlaces, jobs: list[Any]) -> list[Any]:
    """The daily path, after that of the features, and the retention."""

    def delete(engine: Engine, before: datetime) -> str:
        return f"deleted {delete_old_sets(engine, places.sets, before)} replaced training sets"

    # An hour after the features of the day before, which the sensor follows for whatever is late.
    daily = schedule_of_yesterday(jobs[0], "daily_training_sets", hour=3, minute=15)
    description = "Deletes training sets that were replaced longer ago than the retention."
    return [daily, retention_schedule("training_retention", settings, delete, minute=41, description=description)]
