"""The Dagster shell of recall: the asset that a batch of tasks materializes, one dynamic partition for each batch.

What belongs here is wiring and metadata alone: `service.py` runs the batch, `jobs/recall.py` decides when.
"""

from datetime import UTC, datetime

import dagster as dg

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.progress import Progress
from srp_assets.recall.registry import Batch, tasks
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.recall.shown_task import task_timings
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.assets import hits_key
from srp_assets.wordlists.standing.lists import entities_with_texts

CASES = dg.AssetKey(["recall", "cases"])

COMPLETE = "complete"
"""Name of the blocking check: every task of the batch looked at every row that it should have."""

ON_TIME = "on_time"
"""Name of the check that warns: every task ended within the objective for its time (`recall_slo_minutes`)."""

RECALL_POOL = "recall"
"""Batches have places of their own, so that builds and recall do not wait for each other's backlog."""

TASK_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("task", "string"),
        dg.TableColumn("strategy", "string"),
        dg.TableColumn("cases", "int"),
        dg.TableColumn("complete", "bool"),
        dg.TableColumn("waited_seconds", "float"),
        dg.TableColumn("ran_seconds", "float"),
        dg.TableColumn("total_seconds", "float"),
        dg.TableColumn("note", "string"),
    ]
)


def recall_assets(settings: Settings, catalogue: Catalogue, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The assets of this domain; `progress` is told how far a batch is, where somebody watches."""
    tables = [dg.AssetKey(["warehouse", entity]) for entity in catalogue.entities]
    # Hits are used where they are kept; a batch never waits for them.
    hits = [hits_key(entity) for entity in entities_with_texts(catalogue)]
    read = [dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in (*tables, *hits)]

    @dg.asset(
        key=CASES,
        partitions_def=RECALL_BATCHES,
        deps=read,
        group_name="recall",
        kinds={"spark", "parquet"},
        owners=["team:recall"],
        pool=RECALL_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETE, asset=CASES, blocking=True, description="Every task scanned exactly the rows that the builds it ran on hold."
            ),
            dg.AssetCheckSpec(
                ON_TIME,
                asset=CASES,
                description=f"Every task ended within {settings.recall_slo_minutes:g} minutes of its submission.",
            ),
        ],
    )
    def cases(context: dg.AssetExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.MaterializeResult:
        """The cases that the tasks of one batch recalled, found in one merged scan of each table.

        A batch that is done already is left as it is. The run itself writes the states, counts and cells of its tasks.
        """
        workshop = Workshop(registry.engine, Storage(settings.warehouse_location), catalogue, settings, spark.session)
        batch = run_batch_now(workshop, context.partition_key, run_id=context.run.run_id, progress=progress)
        return _result(registry, batch, settings.recall_slo_minutes)

    return [cases]


def _result(resource: RegistryResource, batch: Batch, slo_minutes: float) -> dg.MaterializeResult:
    with resource.engine.connect() as connection:
        answered = tasks(connection, batch_id=batch.batch_id, state="done")
    summary = batch.summary or {}
    seconds = (batch.finished_at - batch.started_at).total_seconds() if batch.finished_at and batch.started_at else 0.0
    timings = {task.task_id: task_timings(task, slo_minutes=slo_minutes, now=datetime.now(UTC)) for task in answered}
    records = [
        dg.TableRecord(
            {
                "task": task.task_id,
                "strategy": task.strategy,
                "cases": task.cases,
                "complete": task.complete,
                **{name: timings[task.task_id][name] for name in ("waited_seconds", "ran_seconds", "total_seconds")},
                "note": task.note or "",
            }
        )
        for task in answered
    ]
    incomplete = [task.task_id for task in answered if not task.complete]
    late = [task.task_id for task in answered if not timings[task.task_id]["within_slo"]]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(task.cases or 0 for task in answered),
            "tasks": len(answered),
            "rows": summary.get("rows_scanned", 0),
            "hits": summary.get("hits", 0),
            "cells": summary.get("cells", 0),
            "seconds": seconds,
            "longest_wait_seconds": max((found["waited_seconds"] or 0.0 for found in timings.values()), default=0.0),
            "timings": dg.MetadataValue.json(summary.get("timings", {})),
            "attempt": batch.attempt,
            "folder": batch.folder or "",
            "answers": dg.MetadataValue.table(records, schema=TASK_COLUMNS),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not incomplete,
                check_name=COMPLETE,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"tasks": len(answered), "incomplete": dg.MetadataValue.json(incomplete)},
            ),
            dg.AssetCheckResult(
                passed=not late,
                check_name=ON_TIME,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"tasks": len(answered), "late": dg.MetadataValue.json(late), "slo_minutes": slo_minutes},
            ),
        ],
    )
