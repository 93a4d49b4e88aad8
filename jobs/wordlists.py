"""When the standing word lists are looked for: the sensor that asks for hits that are missing or stale, and their retention."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Connection

from jobs.warehouse import BUILD_JOB, TICK_SECONDS, build_request, cursor_of, memory_of, spans_of_runs
from resources.registry_database import RegistryResource
from srp_assets.partitions import period_partitions
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import table_key
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.reopening import due, spans
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
        wanted = spans(keys, list(period_partitions(catalogue).get_partition_keys()))
        names = entities_with_texts(catalogue)
        running = spans_of_runs(context.instance, {hits_key(name): name for name in names} | {table_key(name): name for name in names})
        asked, memory = due(wanted, running, memory_of(context.cursor), as_of, datetime.now(UTC))
        reason = None if asked else (f"{len(wanted)} ranges are being looked into or wait" if wanted else "no hits are stale")
        requests = [build_request(span, hits_key(span.entity)) for span in asked]
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=cursor_of(memory))

    return [stale_hits]


def wordlists_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedule that deletes hits which were replaced."""

    @dg.op
    def delete_replaced_hits(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        """Deletes hits that were replaced longer ago than the retention, those of builds that are gone, and unnamed folders."""
        before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        hits, folders = delete_old_hits(registry.engine, Storage(settings.warehouse_location), before)
        context.log.info("deleted hits of %d builds and %d folders that broken-off runs left", hits, folders)

    @dg.job(executor_def=dg.in_process_executor, description="Deletes hits of standing word lists that nobody reads any more.")
    def wordlists_retention() -> None:
        delete_replaced_hits()

    # After the builds' own retention, which leaves hits without a build.
    return [dg.ScheduleDefinition(job=wordlists_retention, cron_schedule="47 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)]
