"""When batches are counted: the job that counts one and writes its reports, and the sensor that asks for what is not counted yet.

A batch that a refill has changed is counted again: the sensor compares what was counted with the cases that tasks have now, in two small
queries. Whoever does not run the daemon counts by `srp statistics` and `srp report`.
"""

from datetime import UTC, datetime
from hashlib import sha256

import dagster as dg

from jobs.reopening import cursor_of, memory_of
from resources.registry_database import RegistryResource
from srp_assets.insights.assets import REPORTS, STATISTICS
from srp_assets.insights.registry_statistics import uncounted_batches
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.recall.refill.following import due_refills

INSIGHTS_SENSOR = "uncounted_batches"

TICK_SECONDS = 30
"""Statistics may come half a minute after their batch."""

AT_ONCE = 10
"""Batches that one tick asks for: a home that is counted for the first time has many (arbitrary)."""

insights_job = dg.define_asset_job(
    "insights",
    selection=dg.AssetSelection.assets(STATISTICS, REPORTS),
    executor_def=dg.in_process_executor,
    description="Counts what the tasks of one batch found, and writes their reports.",
)


def insights_sensor() -> dg.SensorDefinition:
    """The sensor that asks for statistics and reports."""

    @dg.sensor(
        name=INSIGHTS_SENSOR,
        job=insights_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run for each batch that is not counted, or was refilled since it was.",
    )
    def uncounted(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each batch that is not counted, or was refilled since it was."""
        with registry.engine.connect() as connection:
            wanted = {batch_id: _name(folders) for batch_id, folders in uncounted_batches(connection).items()}
        asked, memory = due_refills(wanted, memory_of(context.cursor), datetime.now(UTC), at_most=AT_ONCE)
        cursor = cursor_of(memory)
        if not asked:
            reason = f"{len(wanted)} batches were asked for before" if wanted else "every batch is counted"
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
        requests = [
            dg.RunRequest(run_key=f"{batch_id}/{memory[batch_id].as_of}/{memory[batch_id].times}", partition_key=batch_id)
            for batch_id in asked
        ]
        return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[RECALL_BATCHES.build_add_request(asked)], cursor=cursor)

    return uncounted


def _name(folders: dict[str, str]) -> str:
    """Names what would be counted: after another refill it is another."""
    return sha256(repr(sorted(folders.items())).encode()).hexdigest()[:16]
