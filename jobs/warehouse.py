"""When tables are built: the job over all of them, the sensor that asks for what landings reopened, the retention of replaced builds."""

from datetime import datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from jobs.reopening import TICK_SECONDS, ask_for, span_request
from jobs.retention import retention_schedule
from resources.registry_database import RegistryResource
from srp_assets.partitions import period_partitions
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import BuildConfig, table_key
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import stale_periods
from srp_assets.warehouse.reopening import PeriodSpan
from srp_assets.warehouse.retention import delete_old_builds
from srp_assets.warehouse.storage import Storage

BUILD_JOB = "build_warehouse"


def warehouse_jobs(catalogue: Catalogue) -> list[Any]:
    """The job that builds tables of a catalogue (Dagster does not publish the type of a job over assets)."""
    return [
        dg.define_asset_job(
            BUILD_JOB,
            selection=dg.AssetSelection.assets(*[table_key(name) for name in catalogue.entities]) | dg.AssetSelection.groups("wordlists"),
            executor_def=dg.in_process_executor,
            description="Builds the warehouse's tables for a range of publish periods, each in one Spark job, and their standing hits.",
        )
    ]


def warehouse_sensors(catalogue: Catalogue) -> list[dg.SensorDefinition]:
    """The sensor that asks for reopened periods."""
    tables = {table_key(name): name for name in catalogue.entities}

    @dg.sensor(
        name="reopened_periods",
        job_name=BUILD_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of periods that got rows since they were built.",
    )
    def reopened_periods(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of periods that got rows since they were built, unless a run builds them already."""
        with registry.engine.connect() as connection:
            through = last_ingest(connection)
            stale = stale_periods(connection, through=through)
        return ask_for(
            context,
            stale,
            period_partitions(catalogue).get_partition_keys(),
            job=BUILD_JOB,
            assets=tables,
            as_of=through,
            request=lambda span: build_request(span, table_key(span.entity)),
        )

    return [reopened_periods]


def build_request(span: PeriodSpan, key: dg.AssetKey) -> dg.RunRequest:
    """The run that brings one asset up to date over a span."""
    return span_request(span, [key], key.to_python_identifier(), BuildConfig(only_changed=True))


def warehouse_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedule that deletes replaced builds."""

    def delete(engine: Engine, before: datetime) -> str:
        builds, folders = delete_old_builds(engine, Storage(settings.warehouse_location), before)
        return f"deleted {builds} replaced builds and {folders} folders that broken-off builds left"

    description = "Deletes builds that were replaced longer ago than the retention, and folders that no build names."
    return [retention_schedule("warehouse_retention", settings, delete, minute=41, description=description)]
