"""When recall runs: the sensor that closes windows, the job that answers a batch, and the retention.

A tick only claims (`claims.py`) and asks for runs; the run itself writes the state of its tasks, so nobody waits for a run-status sensor.
"""

from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Engine

from jobs.local_runs import fail_runs_of_dead_processes
from resources.registry_database import RegistryResource
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.recall.assets import CASES
from srp_assets.recall.claims import claim_window
from srp_assets.recall.notifications import tell_ended
from srp_assets.recall.registry import ClaimedTasks, batches, claimed_tasks
from srp_assets.recall.service import forget_old, give_back, release_dead
from srp_assets.settings import Settings
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.worker import is_dead, this_process

TICK_SECONDS = 10
"""How often the window is looked at: small beside a window of minutes, and a tick costs a few registry queries."""

RECALL_SENSOR = "recall_window"

BATCH_TAG = "srp/batch"
ATTEMPT_TAG = "srp/attempt"
TASKS_TAG = "srp/tasks"
PRODUCTS_TAG = "srp/products"
PRIORITY_TAG = "dagster/priority"

URGENT_PRIORITY = "10"
"""Runs of urgent batches leave Dagster's queue before all others, whose priority is 0."""

SHOWN_PRODUCTS = 10
"""In a run's tag; a batch may have thousands."""

recall_job = dg.define_asset_job(
    "recall",
    selection=dg.AssetSelection.assets(CASES),
    executor_def=dg.in_process_executor,
    description="Answers the tasks of one batch in one merged scan of each table.",
)


def requests_for_claimed(engine: Engine, settings: Settings, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """A run request for each claimed batch that no living run is about to try.

    A batch is left to the process that claimed it while that lives and its claim lasts. A run that ended before it began with its batch
    has used up an attempt.
    """
    now, here = datetime.now(UTC), this_process()
    with engine.connect() as connection:
        claimed = batches(connection, state="claimed")
        found = claimed_tasks(connection, [batch.batch_id for batch in claimed])
    requests: list[dg.RunRequest] = []
    for batch in claimed:
        if batch.lease_until is not None and batch.lease_until > now and batch.worker != here and not is_dead(batch.worker):
            continue
        attempt = str(batch.attempt + 1)
        tags = {BATCH_TAG: batch.batch_id, ATTEMPT_TAG: attempt}
        runs = instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
        if not runs:
            tags |= _shown(found[batch.batch_id]) if batch.batch_id in found else {}
            requests.append(dg.RunRequest(run_key=f"{batch.batch_id}/{attempt}", partition_key=batch.batch_id, tags=tags))
        elif runs[0].is_finished:
            message = f"the run ended ({runs[0].status.value}) before it began with the batch"
            give_back(engine, batch, {"code": "died", "message": message, "where": f"run {runs[0].run_id}", "remedy": None}, settings)
    return requests


def _shown(claimed: ClaimedTasks) -> dict[str, str]:
    """What the run of a batch tells in Dagster's list of runs."""
    more = ", .." if len(claimed.products) > SHOWN_PRODUCTS else ""
    tags = {TASKS_TAG: str(claimed.tasks), PRODUCTS_TAG: ", ".join(claimed.products[:SHOWN_PRODUCTS]) + more}
    return tags | ({PRIORITY_TAG: URGENT_PRIORITY} if claimed.urgent else {})


def release_batches_of_ended_runs(engine: Engine, settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Releases batches whose run failed, was cancelled or is gone without having said so in the registry, or whose lease ran out."""
    fail_runs_of_dead_processes(instance)

    def has_ended(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        if run is None or not run.is_finished:
            return run is None
        # A run that was cancelled or killed may have left its place in the pool taken: the next attempt needs it now.
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        return True

    return release_dead(engine, settings, has_ended=has_ended)


def recall_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that merges waiting tasks into batches."""

    @dg.sensor(
        name=RECALL_SENSOR,
        job=recall_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes the window of waiting tasks when it is time, and asks for one run for each claimed batch.",
    )
    def recall_window(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Closes the window of waiting tasks when it is time, and asks for one run for each claimed batch."""
        engine = registry.engine
        release_batches_of_ended_runs(engine, settings, context.instance)
        with engine.begin() as connection:
            claim = claim_window(connection, settings, now=datetime.now(UTC))
        requests = requests_for_claimed(engine, settings, context.instance)
        if not requests:
            return dg.SensorResult(skip_reason=claim.reason)
        partitions = [request.partition_key for request in requests if request.partition_key is not None]
        return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[RECALL_BATCHES.build_add_request(partitions)])

    return recall_window


def notification_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that tells who wants to know which tasks have ended: apart from the window, since a receiver may be slow."""

    @dg.sensor(
        name="ended_tasks",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the address of SRP_NOTIFY_URL which tasks have ended.",
    )
    def ended_tasks(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SkipReason:
        """Tells the address of SRP_NOTIFY_URL which tasks have ended."""
        done = tell_ended(registry.engine, settings)
        if done.problem is not None:
            context.log.warning("%d notifications failed (%d given up): %s", done.failed, done.given_up, done.problem)
        return dg.SkipReason(f"{done.told} told, {done.failed} failed" if done.told or done.failed else "no task has ended")

    return ended_tasks


def retention_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that forgets old batches, every night."""

    @dg.op
    def forget_old_batches(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        """Deletes cases, scratch and partitions of batches older than the retention."""
        removed = forget_old(registry.engine, Storage(settings.warehouse_location), settings, now=datetime.now(UTC))
        partitions = set(context.instance.get_dynamic_partitions(RECALL_BATCHES.name)) & set(removed)
        for partition in sorted(partitions):
            context.instance.delete_dynamic_partition(RECALL_BATCHES.name, partition)
        context.log.info("forgot %d batches", len(partitions))

    @dg.job(executor_def=dg.in_process_executor, description="Forgets batches that are older than the retention.")
    def recall_retention() -> None:
        forget_old_batches()

    # At an hour when few work; the minute is arbitrary and keeps it off full hours.
    return dg.ScheduleDefinition(job=recall_retention, cron_schedule="23 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
