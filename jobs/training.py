"""When training sets are built: the job, the sensor that asks for days whose logs or features were built again, the retention."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import TICK_SECONDS, ask_for, span_request
from jobs.retention import retention_schedule
from resources.registry_database import RegistryResource
from srp_assets.partitions import log_days
from srp_assets.settings import Settings
from srp_assets.training.assets import SETS, SetsBuildConfig
from srp_assets.training.building import TrainingPlaces, current_inputs, delete_old_sets, stale_days
from srp_assets.warehouse.registry_builds import PeriodKey

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

    @dg.sensor(
        name="reopened_training_sets",
        job_name=BUILD_SETS_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of days whose impressions or features were built since their training set.",
    )
    def reopened_training_sets(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of days that must be built again, unless a run does so already."""
        with registry.engine.connect() as connection:
            stale = stale_days(connection, places)
            through = max((own.newest for own in current_inputs(connection, places).values()), default=0)
        return ask_for(
            context,
            [PeriodKey("sets", places.logs.name, day) for day in stale],
            log_days(places.logs).get_partition_keys(),
            job=BUILD_SETS_JOB,
            assets={SETS: "sets"},
            as_of=through,
            request=lambda span: span_request(span, [SETS], SETS.to_python_identifier(), SetsBuildConfig(only_changed=True)),
        )

    return [reopened_training_sets]


def training_schedules(settings: Settings, places: TrainingPlaces, jobs: list[Any]) -> list[Any]:
    """The daily path, after that of the features, and the retention."""

    def delete(engine: Engine, before: datetime) -> str:
        return f"deleted {delete_old_sets(engine, places.sets, before)} replaced training sets"

    # An hour after the features of the day before, which the sensor follows for whatever is late.
    daily = schedule_of_yesterday(jobs[0], "daily_training_sets", hour=3, minute=15)
    description = "Deletes training sets that were replaced longer ago than the retention."
    return [daily, retention_schedule("training_retention", settings, delete, minute=41, description=description)]
