"""When the standing word lists are looked for: the sensor that asks for hits that are missing or stale, and their retention."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.reopening import TICK_SECONDS, ask_for
from jobs.retention import retention_schedule
from jobs.warehouse import BUILD_JOB, build_request
from resources.registry_database import RegistryResource
from srp_assets.partitions import period_partitions
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import table_key
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.assets import hits_key
from srp_assets.wordlists.standing.keeping import delete_old_hits
from srp_assets.wordlists.standing.lists import entities_with_texts

STALE_HITS_SENSOR = "stale_hits"


def wordlists_sensors(
    catalogue: Catalogue, stale: Callable[[Connection], list[PeriodKey]], state: Callable[[Connection], str]
) -> list[dg.SensorDefinition]:
    """The sensor that asks for hits.

    Args:
        catalogue: of the home.
        stale: the built periods in which today's standing lists were not looked for.
        state: what the answer of `stale` follows from; as long as it is the same, a run that failed would fail again.
    """

    @dg.sensor(
        name=STALE_HITS_SENSOR,
        job_name=BUILD_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each range of built periods in which a standing word list has not been looked for.",
    )
    def stale_hits(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for hits that are missing or stale, unless a run looks for them, or builds these periods, already."""
        with registry.engine.connect() as connection:
            keys, as_of = stale(connection), state(connection)
        names = entities_with_texts(catalogue)
        return ask_for(
            context,
            keys,
            period_partitions(catalogue).get_partition_keys(),
            job=BUILD_JOB,
            assets={hits_key(name): name for name in names} | {table_key(name): name for name in names},
            as_of=as_of,
            request=lambda span: build_request(span, hits_key(span.entity)),
        )

    return [stale_hits]


def wordlists_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedule that deletes hits which were replaced."""

    def delete(engine: Engine, before: datetime) -> str:
        hits, folders = delete_old_hits(engine, Storage(settings.warehouse_location), before)
        return f"deleted hits of {hits} builds and {folders} folders that broken-off runs left"

    description = "Deletes hits of standing word lists that nobody reads any more."
    # After the builds' own retention, which leaves hits without a build.
    return [retention_schedule("wordlists_retention", settings, delete, minute=47, description=description)]
