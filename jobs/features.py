"""When features are built: the job, the sensor that asks for days whose logs were built again, the retention."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from jobs.warehouse import FIRST_TAG, LAST_TAG, TICK_SECONDS, cursor_of, memory_of, spans_of_runs
from resources.registry_database import RegistryResource
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import TABLES, FeaturesBuildConfig, feature_key, features_storage
from srp_assets.features.building.days import delete_old_builds, stale_days
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.tables import built_days
from srp_assets.partitions import log_days
from srp_assets.settings import Settings
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.reopening import due, spans

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

    @dg.sensor(
        name="reopened_features",
        job_name=BUILD_FEATURES_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of days whose actions were built since their partial sums.",
    )
    def reopened_features(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of days that must be summed up again, unless a run does so already."""
        with registry.engine.connect() as connection:
            stale = stale_days(connection, "partials", layout, settings.features_buckets)
            through = max((day.build_id for day in built_days(connection, "actions").values()), default=0)
        keys = [PeriodKey("partials", logs.name, day) for day in stale]
        wanted = spans(keys, list(log_days(logs).get_partition_keys()))
        running = spans_of_runs(context.instance, {partials: "partials"})
        asked, memory = due(wanted, running, memory_of(context.cursor), through, datetime.now(UTC))
        reason = None if asked else (f"{len(wanted)} ranges are being built or wait" if wanted else "nothing has reopened")
        config = dg.RunConfig(ops={partials.to_python_identifier(): FeaturesBuildConfig(only_changed=True)})
        requests = [
            dg.RunRequest(asset_selection=[partials], run_config=config, tags={FIRST_TAG: span.first, LAST_TAG: span.last})
            for span in asked
        ]
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=cursor_of(memory))

    return [reopened_features]


def features_schedules(settings: Settings, jobs: list[Any]) -> list[Any]:
    """The daily path, after that of the logs, and the retention."""

    @dg.op
    def delete_replaced_feature_builds(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        """Deletes the files of builds that were replaced longer ago than the retention."""
        before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        builds = delete_old_builds(registry.engine, features_storage(settings.warehouse_location), before)
        context.log.info("deleted %d replaced builds", builds)

    @dg.job(executor_def=dg.in_process_executor, description="Deletes builds of features that were replaced longer ago than the retention.")
    def features_retention() -> None:
        delete_replaced_feature_builds()

    daily = dg.build_schedule_from_partitioned_job(
        jobs[0],
        name="daily_features",
        # An hour after the logs of the day before, which its sensor builds again for whatever is late.
        hour_of_day=2,
        minute_of_hour=15,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    retention = dg.ScheduleDefinition(job=features_retention, cron_schedule="53 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    return [daily, retention]
