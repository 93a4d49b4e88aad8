"""When features are built: the job, the sensor that asks for days whose logs were built again, the retention."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.daily import schedule_of_yesterday
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import TABLES, FeaturesBuildConfig, feature_key, features_storage
from srp_assets.features.building.days import delete_old_builds, stale_days
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.tables import built_days
from srp_assets.settings import Settings

BUILD_FEATURES_JOB = "build_features"


def features_jobs() -> list[Any]:
    """The job that builds a range of days: partial sums, then what is made of them."""
    return [
        dg.define_asset_job(
            BUILD_FEATURES_JOB,
            selection=dg.AssetSelection.assets(*[feature_key(table) for table in TABLES]),
            executor_def=dg.in_process_executor,
            description="Builds the features of a range of days: partial sums, windows as of each day, and the features of impressions.",
        )
    ]


def features_sensors(settings: Settings, logs: LogCatalogue, definitions: Definitions) -> list[dg.SensorDefinition]:
    """The sensor that asks for partial sums of days whose actions were built, for the first time or again."""
    layout = layout_of(definitions)
    partials = feature_key("partials")

    def stale(connection: Connection) -> tuple[list[str], int]:
        through = max((day.build_id for day in built_days(connection, "actions").values()), default=0)
        return stale_days(connection, "partials", layout, settings.features_buckets), through

    return [
        sensor_of_days(
            "reopened_features",
            job=BUILD_FEATURES_JOB,
            keys=[partials],
            op=partials.to_python_identifier(),
            config=FeaturesBuildConfig(only_changed=True),
            catalogue=logs,
            stale=stale,
            description="Asks for one run for each range of days whose actions were built since their partial sums.",
        )
    ]


def features_schedules(settings: Settings, jobs: list[Any]) -> list[Any]:
    """The daily path, after that of the logs, and the retention."""

    def delete(engine: Engine, before: datetime) -> str:
        return f"deleted {delete_old_builds(engine, features_storage(settings.warehouse_location), before)} replaced builds"

    # An hour after the logs of the day before, which its sensor builds again for whatever is late.
    daily = schedule_of_yesterday(jobs[0], "daily_features", hour=2, minute=15)
    description = "Deletes builds of features that were replaced longer ago than the retention."
    return [daily, retention_schedule("features_retention", settings, delete, minute=53, description=description)]
