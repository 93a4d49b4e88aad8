"""Statistics that are kept: brings those of a batch up to date, and reads them.

The statistics of a batch are a function of the cases that its tasks have now. What was counted of a task is counted again only when a
refill has changed its cases. Counts stay when the cases go; keys, samples of texts and reports lie beside the cases and go with them.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from srp_assets.errors import Conflict, NotFound
from srp_assets.insights.registry_statistics import CountedTask, StatisticsRecord, record_statistics, statistics_record
from srp_assets.insights.statistics.case_files import CaseSource
from srp_assets.insights.statistics.model import SilencedList, TaskStatistics, TaskTallies, shared_cases, task_statistics
from srp_assets.insights.statistics.overlaps import KeyedTask, Overlap, overlaps
from srp_assets.insights.statistics.silencing import SWITCHED_OFF, runnable, silenced_cases
from srp_assets.insights.statistics.tallies import TALLY_SCHEMA
from srp_assets.progress import Progress
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.cases import CASE_SCHEMA, case_json
from srp_assets.recall.registry import Task
from srp_assets.recall.registry_refills import refill
from srp_assets.recall.service import BATCHES_FOLDER, Workshop
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STATISTICS_FOLDER = "insights/statistics"
"""Folder of the warehouse with a folder for each batch."""

DETAILS_FOLDER = "insights"
"""Folder beside a batch's cases with what goes when they go."""

TALLIES, OVERLAPS, SILENCED, SAMPLES, KEYS = "tallies.parquet", "overlaps.parquet", "silenced.parquet", "samples.parquet", "keys"

OVERLAP_SCHEMA = pa.schema([pa.field("first", pa.string()), pa.field("second", pa.string()), pa.field("cases", pa.int64())])
SILENCED_SCHEMA = pa.schema(
    [
        pa.field("task_id", pa.string()),
        pa.field("list_id", pa.string()),
        pa.field("word", pa.string()),
        pa.field("cases", pa.int64()),
    ]
)
SAMPLE_SCHEMA = pa.schema([pa.field("list_id", pa.string()), pa.field("rank", pa.int32()), *CASE_SCHEMA])


def bring_up_to_date(workshop: Workshop, batch_id: str, *, run_id: str | None = None, progress: Progress | None = None) -> StatisticsRecord:
    """Counts what is not counted yet of a batch; what is up to date is left as it is.

    Args:
        workshop: what it works with.
        batch_id: the batch.
        run_id: recorded with it.
        progress: told what is being done.

    Raises:
        NotFound: if there is no such batch, or its cases are gone.
        Conflict: if none of its tasks is done.
    """
    with workshop.engine.connect() as connection:
        batch = registry.batch(connection, batch_id)
        tasks = countable(registry.tasks(connection, batch_id=batch_id, state="done"))
        kept = statistics_record(connection, batch_id)
        if not tasks:
            if batch.state == "removed":
                raise NotFound("the batch's cases are no longer kept", where=batch_id, remedy="submit its tasks again")
            raise Conflict(f"the batch is {batch.state}: no task of it is done", where=batch_id, remedy="run `srp recall --now`")
        specs = registry.task_specs(connection, [task.task_id for task in tasks])
    counting = _Counting(workshop, batch_id, tasks, specs, kept)
    if kept is not None and not counting.outdated and set(kept.tasks) == {task.task_id for task in tasks}:
        return kept
    try:
        return counting.count(run_id, progress)
    except BaseException:
        counting.delete_unless_recorded()
        raise


def countable(tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose cases can be counted."""
    return [task for task in tasks if task.state == "done" and task.cases_folder is not None]


class _Counting:
    """One count of a batch."""

    def __init__(
        self, workshop: Workshop, batch_id: str, tasks: Sequence[Task], specs: Sequence[TaskSpec], kept: StatisticsRecord | None
    ) -> None:
        self._workshop = workshop
        self._storage = workshop.storage
        self._batch_id = batch_id
        self._tasks = {task.task_id: task for task in tasks}
        self._specs = {spec.task_id: spec for spec in specs}
        self._kept = kept
        counted = {} if kept is None else {task_id: found.cases_folder for task_id, found in kept.tasks.items()}
        self.outdated = [task.task_id for task in tasks if counted.get(task.task_id) != task.cases_folder]
        # Names begin with the time: the newest is the last.
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{uuid4().hex[:8]}"
        self._folder = f"{STATISTICS_FOLDER}/{batch_id}/{name}"
        self._details = f"{BATCHES_FOLDER}/{batch_id}/{DETAILS_FOLDER}/{name}"

    def count(self, run_id: str | None, progress: Progress | None) -> StatisticsRecord:
        """Counts, writes and records."""
        from srp_assets.insights.statistics.plan_statistics import count_cases, write_keys  # brings pyspark

        started = time.monotonic()
        spark = self._workshop.session()
        if progress:
            progress("counting cases", 0, 0)
        counted = count_cases(spark, self._storage, self._workshop.catalogue, self._sources(self.outdated), f"{self._details}/scratch")
        if progress:
            progress("comparing tasks", 0, 0)
        keyed = [KeyedTask(spec.task_id, self._workshop.catalogue.objects[spec.strategy.recall].entity) for spec in self._specs.values()]
        by_tasks = write_keys(spark, self._storage, self._sources(list(self._tasks)), keyed, f"{self._details}/{KEYS}")
        silenced, samples, unknown = self._silenced(spark, progress)
        shared = pa.Table.from_pylist([overlap._asdict() for overlap in overlaps(by_tasks, keyed)], schema=OVERLAP_SCHEMA)
        self._write(self._folder, TALLIES, counted, TALLY_SCHEMA)
        self._write(self._folder, SILENCED, silenced, SILENCED_SCHEMA)
        self._write(self._details, SAMPLES, samples, SAMPLE_SCHEMA)
        self._storage.write(f"{self._folder}/{OVERLAPS}", shared)
        self._storage.delete_tree(f"{self._details}/scratch")
        found = StatisticsRecord(
            batch_id=self._batch_id,
            folder=self._folder,
            details_folder=self._details,
            tasks={
                task.task_id: CountedTask(self._tasks[task.task_id].cases_folder or "", bit, unknown.get(task.task_id))
                for bit, task in enumerate(keyed)
            },
            computed_at=datetime.now(UTC),
            seconds=round(time.monotonic() - started, 3),
            run_id=run_id,
        )
        with self._workshop.engine.begin() as connection:
            record_statistics(connection, found)
        self._delete_outdated()
        return found

    def _sources(self, task_ids: Sequence[str]) -> list[CaseSource]:
        folders: dict[str, list[str]] = {}
        for task_id in task_ids:
            folders.setdefault(self._tasks[task_id].cases_folder or "", []).append(task_id)
        return [CaseSource(folder, tuple(found)) for folder, found in folders.items()]

    def _silenced(self, spark: "SparkSession", progress: Progress | None) -> tuple[pa.Table, pa.Table, dict[str, str]]:
        """Counts and samples of what exemptions silence in outdated tasks, and why it is not known, by task."""
        kept = {} if self._kept is None else self._kept.tasks
        unknown = {task_id: found.silenced_unknown for task_id, found in kept.items() if found.silenced_unknown}
        for task_id in self.outdated:
            unknown.pop(task_id, None)
        counts, samples = [SILENCED_SCHEMA.empty_table()], [SAMPLE_SCHEMA.empty_table()]
        specs = [self._specs[task_id] for task_id in self.outdated]
        if not self._workshop.settings.statistics_exemptions:
            return counts[0], samples[0], unknown | {spec.task_id: SWITCHED_OFF for spec in specs}
        with self._workshop.engine.connect() as connection:
            found = runnable(connection, self._storage, self._workshop.catalogue, specs)
        for number, group in enumerate(found.groups):
            sources = self._sources([spec.task_id for spec in group.specs])
            of_group = silenced_cases(self._workshop, spark, group, sources, f"{self._details}/scratch/{number}", progress)
            counts.append(of_group[0].cast(SILENCED_SCHEMA))
            samples.append(of_group[1].cast(SAMPLE_SCHEMA))
        return pa.concat_tables(counts), pa.concat_tables(samples), unknown | found.unknown

    def _write(self, folder: str, name: str, found: pa.Table, schema: pa.Schema) -> None:
        """Writes what was found of outdated tasks with what is kept of the others."""
        tables = [found]
        before = None if self._kept is None else {self._folder: self._kept.folder, self._details: self._kept.details_folder}[folder]
        if before is not None and self._storage.exists(f"{before}/{name}"):
            known = self._storage.read(f"{before}/{name}").cast(schema)
            current = [task_id for task_id in self._tasks if task_id not in self.outdated]
            tables.append(known.filter(pc.is_in(known["task_id"], value_set=pa.array(current, pa.string()))))
        self._storage.write(f"{folder}/{name}", pa.concat_tables(tables))

    def _delete_outdated(self) -> None:
        """Deletes statistics that were replaced before these replaced the last: whoever reads those began two counts ago."""
        if self._kept is not None:
            for folder in (self._kept.folder, self._kept.details_folder):
                parent, last = folder.rsplit("/", 1)
                for name in self._storage.folders(parent):
                    if name < last:
                        self._storage.delete_tree(f"{parent}/{name}")

    def delete_unless_recorded(self) -> None:
        """Where the answer of a commit was lost, the registry may name the folders."""
        with self._workshop.engine.connect() as connection:
            recorded = statistics_record(connection, self._batch_id)
        if recorded is None or recorded.folder != self._folder:
            self._storage.delete_tree(self._folder)
            self._storage.delete_tree(self._details)


@dataclass(frozen=True)
class KeptStatistics:
    """The statistics of a batch as they are kept: read once for all of its tasks."""

    record: StatisticsRecord
    tallies: pa.Table
    overlaps: tuple[Overlap, ...]
    silenced: pa.Table
    samples: pa.Table

    @classmethod
    def read(cls, storage: Storage, record: StatisticsRecord) -> "KeptStatistics":
        """Reads what a record names; samples are gone where the batch's cases are."""
        shared = storage.read(f"{record.folder}/{OVERLAPS}").to_pylist()
        samples = f"{record.details_folder}/{SAMPLES}"
        return cls(
            record,
            storage.read(f"{record.folder}/{TALLIES}"),
            tuple(Overlap(**row) for row in shared),
            storage.read(f"{record.folder}/{SILENCED}"),
            storage.read(samples) if storage.exists(samples) else SAMPLE_SCHEMA.empty_table(),
        )

    def of_task(self, connection: Connection, catalogue: Catalogue, task_id: str) -> TaskStatistics:
        """The statistics of one of the batch's tasks."""
        tasks = {task.task_id: task for task in registry.tasks(connection, batch_id=self.record.batch_id)}
        task = tasks[task_id]
        (spec,) = registry.task_specs(connection, [task_id])
        last_refill = refill(connection, task)
        return task_statistics(
            catalogue,
            task,
            spec.strategy.recall,
            self.tallies,
            computed_at=iso_utc(self.record.computed_at),
            withdrawn=0 if last_refill is None else last_refill.withdrawn_in_all,
            shared=shared_cases(task_id, self.overlaps, tasks),
            silenced=self._silenced(spec),
            silenced_unknown=self.record.tasks[task_id].silenced_unknown,
        )

    def _silenced(self, spec: TaskSpec) -> list[SilencedList]:
        if self.record.tasks[spec.task_id].silenced_unknown is not None:
            return []
        counts: dict[str, dict[str | None, int]] = {}
        for row in self._of_task(self.silenced, spec.task_id):
            counts.setdefault(row["list_id"], {})[row["word"]] = row["cases"]
        samples: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(self._of_task(self.samples, spec.task_id), key=lambda row: row["rank"]):
            samples.setdefault(row["list_id"], []).append(case_json(row))
        hit = {line.name[0]: line.cases for line in TaskTallies(self.tallies, spec.task_id).by_frequency("list")}
        exempting = dict.fromkeys(words.id for words in spec.strategy.lists.values() if words.exempt)
        return [
            SilencedList(
                list_id=list_id,
                cases=counts.get(list_id, {}).get(None, 0),
                hit=hit.get(list_id, 0),
                exemptions=tuple(
                    sorted(
                        ((word, cases) for word, cases in counts.get(list_id, {}).items() if word is not None),
                        key=lambda found: (-found[1], found[0]),
                    )
                ),
                samples=tuple(samples.get(list_id, ())),
            )
            for list_id in exempting
        ]

    @staticmethod
    def _of_task(table: pa.Table, task_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = table.filter(pc.equal(table["task_id"], task_id)).to_pylist()
        return rows
