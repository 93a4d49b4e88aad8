"""When the online store is loaded: every morning, and when it lost what it held."""

from typing import Any

import dagster as dg

from jobs.reopening import TICK_SECONDS
from resources import redis as redis_server
from resources.registry_database import RegistryResource
from srp_assets.errors import SrpError
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.assets import STATE
from srp_assets.online.consuming.rebuilding import newest_built_day
from srp_assets.online.records.layout import record_layout
from srp_assets.online.registry import newest_load
from srp_assets.online.store import Store
from srp_assets.settings import Settings

LOAD_JOB = "load_online_store"


def online_jobs() -> list[Any]:
    """The job that loads the store for a day."""
    return [
        dg.define_asset_job(
            LOAD_JOB,
            selection=dg.AssetSelection.assets(STATE),
            executor_def=dg.in_process_executor,
            description="Loads the online store as a day began, counts what became known since, and lets requests be answered from it.",
        )
    ]


def online_schedules(jobs: list[Any]) -> list[Any]:
    """The daily load, for the day that has begun: after the partial sums of the day before."""

    @dg.schedule(
        job=jobs[0],
        name="daily_online_load",
        cron_schedule="45 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Loads the store for the day that has begun.",
    )
    def daily_online_load(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.strftime("%Y-%m-%d")
        return dg.RunRequest(run_key=day, partition_key=day)

    return [daily_online_load]


def online_sensors(settings: Settings, definitions: Definitions) -> list[dg.SensorDefinition]:
    """The sensor that asks for a load when the store is not what was loaded last."""
    layout = record_layout(layout_of(definitions))

    @dg.sensor(
        name="lost_online_store",
        job_name=LOAD_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a load when the store is empty or holds other definitions although it was loaded before.",
    )
    def lost_online_store(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.RunRequest | dg.SkipReason:
        """Asks for one load of the newest built day for each loss."""
        with registry.engine.connect() as connection:
            load = newest_load(connection)
            if load is None:
                return dg.SkipReason("nothing was ever loaded")
            day = max(load.day, newest_built_day(connection))
        if settings.redis_url is not None and redis_server.status(settings) is None:
            return dg.SkipReason("Redis does not answer")
        try:
            with redis_server.writing_client(settings) as client:
                pointer = Store(client).pointer()
        except SrpError as error:
            return dg.SkipReason(str(error))
        if pointer is not None and pointer.records == layout.digest:
            return dg.SkipReason("the store holds what it should")
        return dg.RunRequest(run_key=f"{load.generation}-{layout.digest}", partition_key=day)

    return [lost_online_store]
