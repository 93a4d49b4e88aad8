"""When finished tasks are refilled: the job that does it, and the sensor that asks for tasks that follow.

A tick costs three small queries as long as nothing lands, is built or ends; only then are the ledgers of following tasks looked at.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256

import dagster as dg
from pydantic import Field

from jobs.reopening import UNFINISHED, cursor_of, memory_of
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.progress import Progress
from srp_assets.recall.assets import CASES
from srp_assets.recall.refill.following import due_refills, reopened_following
from srp_assets.recall.refill.refilling import refill_tasks
from srp_assets.recall.registry import task
from srp_assets.recall.registry_refills import following_state
from srp_assets.recall.service import Workshop
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

REFILL_JOB = "recall_refill"
REFILL_OP = "refill_finished_tasks"
REFILL_SENSOR = "recall_follow"
TASKS_TAG = "srp/tasks"

TICK_SECONDS = 30
"""As often as reopened periods are looked for: a refill follows their build."""


class RefillConfig(StrictConfig):
    """Which tasks are refilled."""

    task_ids: list[str] = Field(description="finished tasks, refilled together in one merged scan")


def refill_job(settings: Settings, catalogue: Catalogue, *, progress: Progress | None = None) -> dg.JobDefinition:
    """The job that refills tasks; `progress` is told how far it is, where somebody watches."""

    @dg.op(name=REFILL_OP)
    def refill_finished_tasks(
        context: dg.OpExecutionContext, config: RefillConfig, registry: RegistryResource, spark: SparkResource
    ) -> None:
        """Brings finished tasks up to date with what landed and was built since, and says so of the partitions of their batches."""
        workshop = Workshop(registry.engine, Storage(settings.warehouse_location), catalogue, settings, spark.session)
        for task_id, done in refill_tasks(workshop, config.task_ids, run_id=context.run.run_id, progress=progress).items():
            if done is None:
                context.log.info("%s: nothing has reopened", task_id)
                continue
            with registry.engine.connect() as connection:
                batch_id = task(connection, task_id).batch_id
            metadata = {
                "task": task_id,
                "added": done.added,
                "changed": done.changed,
                "withdrawn": done.withdrawn,
                "cells": done.cells,
                "roots": "all" if done.roots is None else done.roots,
            }
            context.log_event(dg.AssetObservation(CASES, partition=batch_id, metadata=metadata))

    @dg.job(
        name=REFILL_JOB,
        executor_def=dg.in_process_executor,
        description="Brings finished tasks up to date with what landed later, in one merged scan.",
    )
    def recall_refill() -> None:
        refill_finished_tasks()

    return recall_refill


def refill_config(task_ids: list[str]) -> dg.RunConfig:
    """The configuration of a run that refills some tasks."""
    return dg.RunConfig(ops={REFILL_OP: RefillConfig(task_ids=task_ids)})


def refill_sensor(settings: Settings, catalogue: Catalogue) -> dg.SensorDefinition:
    """The sensor that asks for refills of tasks that follow."""

    @dg.sensor(
        name=REFILL_SENSOR,
        job_name=REFILL_JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one refill of the tasks that follow, once what landed for them is built.",
    )
    def recall_follow(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one refill of the tasks that follow, once what landed for them is built."""
        if context.instance.get_runs(dg.RunsFilter(job_name=REFILL_JOB, statuses=UNFINISHED), limit=1):
            return dg.SensorResult(skip_reason="a refill is under way", cursor=context.cursor)
        known = json.loads(context.cursor or "{}")
        memory = memory_of(json.dumps(known.get("asked", {})))
        with registry.engine.connect() as connection:
            state = following_state(connection)
            if known.get("state") == state and not memory:
                return dg.SensorResult(skip_reason="nothing has changed for the tasks that follow", cursor=context.cursor)
            following = reopened_following(connection, catalogue)
        ready, waiting = following.ready, following.waiting
        asked, memory = due_refills(ready, memory, datetime.now(UTC), at_most=settings.recall_window_tasks)
        cursor = json.dumps({"state": state, "asked": json.loads(cursor_of(memory))})
        if not asked:
            reason = f"{len(ready)} tasks were asked for before, {waiting} wait for builds" if ready or waiting else "nothing has reopened"
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
        name = sha256(repr([(task_id, memory[task_id].as_of, memory[task_id].times) for task_id in asked]).encode()).hexdigest()[:32]
        request = dg.RunRequest(run_key=f"refill/{name}", run_config=refill_config(asked), tags={TASKS_TAG: str(len(asked))})
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return recall_follow
