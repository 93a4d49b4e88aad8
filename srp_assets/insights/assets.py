"""The Dagster shell of insights: the statistics of each batch of recall tasks, and a report for each of its tasks.

What belongs here is wiring and metadata: `statistics/keeping.py` counts, `report/building.py` writes pages, `jobs/insights.py` says when.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.errors import Conflict
from srp_assets.insights.registry_statistics import StatisticsRecord, statistics_record
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.progress import Progress
from srp_assets.recall.assets import CASES
from srp_assets.recall.registry import tasks
from srp_assets.recall.service import Workshop
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from srp_assets.insights.statistics.model import TaskStatistics

DOMAIN = "insights"
STATISTICS = dg.AssetKey([DOMAIN, "statistics"])
REPORTS = dg.AssetKey([DOMAIN, "reports"])

ACCOUNTED = "accounted"
"""Name of the blocking check: in each statistic that divides a task's cases, every case is counted once."""

SELF_CONTAINED = "self_contained"
"""Name of the blocking check: a report of each task is there, and has nothing in it that could run or load."""

INSIGHTS_POOL = "insights"
"""Statistics have places of their own, so that they never delay an answer."""

OWNERS = ["team:recall"]

PICTURED_TASKS = 3
"""Tasks of a batch whose charts are in the metadata, the largest ones: an event should stay small; reports have all."""

TASK_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("task", "string"),
        dg.TableColumn("strategy", "string"),
        dg.TableColumn("cases", "int"),
        dg.TableColumn("hits", "int"),
        dg.TableColumn("words", "int"),
        dg.TableColumn("silenced", "int", description="cases that exemptions silence, by list, together"),
        dg.TableColumn("withdrawn", "int"),
    ]
)


def insights_assets(settings: Settings, catalogue: Catalogue, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The assets of this domain; `progress` is told how far a count is, where somebody watches."""
    storage = Storage(settings.warehouse_location)

    @dg.asset(
        key=STATISTICS,
        partitions_def=RECALL_BATCHES,
        deps=[CASES],
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=INSIGHTS_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                ACCOUNTED, asset=STATISTICS, blocking=True, description="Every case is counted once in each division of cases."
            )
        ],
    )
    def statistics(context: dg.AssetExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.MaterializeResult:
        """What the tasks of a batch found, by word, list, feature, product, period and more; what they share; what exemptions silence."""
        from srp_assets.insights.statistics.keeping import KeptStatistics, bring_up_to_date

        workshop = Workshop(registry.engine, storage, catalogue, settings, spark.session)
        record = bring_up_to_date(workshop, context.partition_key, run_id=context.run.run_id, progress=progress)
        kept = KeptStatistics.read(storage, record)
        with registry.engine.connect() as connection:
            found = [kept.of_task(connection, catalogue, task_id) for task_id in record.tasks]
            cases = {task.task_id: task.cases for task in tasks(connection, batch_id=context.partition_key)}
        return _counted(record, kept.tallies, found, cases)

    @dg.asset(
        key=REPORTS,
        partitions_def=RECALL_BATCHES,
        deps=[STATISTICS],
        group_name=DOMAIN,
        kinds={"html"},
        owners=OWNERS,
        pool=INSIGHTS_POOL,
        check_specs=[
            dg.AssetCheckSpec(SELF_CONTAINED, asset=REPORTS, blocking=True, description="No report holds what could run or load anything.")
        ],
    )
    def reports(context: dg.AssetExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.MaterializeResult:
        """One self-contained HTML page for each task of a batch: charts, tables, cases with their hits marked.

        Once people have marked cases as right or wrong, also precision and recommended words.
        """
        from srp_assets.insights.report.building import Reports, recommended

        with registry.engine.connect() as connection:
            record = statistics_record(connection, context.partition_key)
        if record is None:
            raise Conflict(
                "the batch was not counted yet", where=context.partition_key, remedy="materialize insights/statistics of it first"
            )
        workshop = Workshop(registry.engine, storage, catalogue, settings, spark.session)
        pages = Reports(registry.engine, storage, catalogue, settings, record)
        written = pages.write_all(lambda task_id: recommended(workshop, task_id, progress=progress))
        links = {task_id: dg.MetadataValue.path(storage.path(path)) for task_id, path in written.items()}
        # People look for reports where they look for the batch.
        context.log_event(dg.AssetObservation(CASES, partition=context.partition_key, metadata=links))
        return _written(storage, written, links)

    return [statistics, reports]


def _counted(
    record: StatisticsRecord, tallies: pa.Table, found: "Sequence[TaskStatistics]", cases: dict[str, int | None]
) -> dg.MaterializeResult:
    from srp_assets.insights.report.charts import batch_picture, task_pictures
    from srp_assets.insights.statistics.accounting import unaccounted

    by_size = sorted(found, key=lambda statistics: (-statistics.cases, statistics.task_id))
    pictures: dict[str, Any] = {}
    if (of_batch := batch_picture(found)) is not None:
        pictures["cases by task"] = dg.MetadataValue.md(of_batch.markdown)
    for statistics in by_size[:PICTURED_TASKS]:
        drawn = "\n\n".join(f"**{picture.title}**\n\n{picture.markdown}" for picture in task_pictures(statistics))
        if drawn:
            pictures[f"charts of {statistics.task_id}"] = dg.MetadataValue.md(drawn)
    wrong = [line for statistics in found for line in unaccounted(statistics, cases.get(statistics.task_id))]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": tallies.num_rows,
            "dagster/column_schema": dg.TableSchema([dg.TableColumn(field.name, str(field.type)) for field in tallies.schema]),
            "tasks": dg.MetadataValue.table([_task_record(statistics) for statistics in by_size], schema=TASK_COLUMNS),
            "cases": sum(statistics.cases for statistics in found),
            "hits": sum(statistics.hits for statistics in found),
            "seconds": record.seconds,
            "folder": record.folder,
            **pictures,
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not wrong,
                check_name=ACCOUNTED,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"tasks": len(found), "wrong": dg.MetadataValue.json(wrong)},
            )
        ],
    )


def _task_record(found: "TaskStatistics") -> dg.TableRecord:
    return dg.TableRecord(
        {
            "task": found.task_id,
            "strategy": found.strategy,
            "cases": found.cases,
            "hits": found.hits,
            "words": len(found.words),
            "silenced": sum(silenced.cases for silenced in found.silenced),
            "withdrawn": found.withdrawn,
        }
    )


def _written(storage: Storage, written: dict[str, str], links: dict[str, Any]) -> dg.MaterializeResult:
    from srp_assets.insights.report.self_contained import problems_of

    wrong: dict[str, list[str]] = {}
    for task_id, path in written.items():
        with storage.filesystem.open_input_stream(storage.path(path)) as stream:
            problems = problems_of(stream.read().decode())
        if problems:
            wrong[task_id] = problems
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(written), **links},
        check_results=[
            dg.AssetCheckResult(
                passed=not wrong,
                check_name=SELF_CONTAINED,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"reports": len(written), "wrong": dg.MetadataValue.json(wrong)},
            )
        ],
    )
