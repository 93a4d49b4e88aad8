"""Which batches have statistics, what these were counted from, and where they are kept: tallies and overlaps lie in files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import UtcDateTime
from srp_assets.recall.registry import recall_task

metadata = sa.MetaData()

statistics_table = sa.Table(
    "insights_statistics",
    metadata,
    sa.Column("batch_id", sa.String, primary_key=True),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("details_folder", sa.String, nullable=False),
    sa.Column("tasks", sa.JSON, nullable=False),
    sa.Column("computed_at", UtcDateTime, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("run_id", sa.String),
)


@dataclass(frozen=True)
class CountedTask:
    """What a task's statistics were counted from: the folder of its cases, which a refill changes.

    `bit` is its place in the bitmaps of the kept keys. `silenced_unknown` says why nothing is known about exemptions, where that is so.
    """

    cases_folder: str
    bit: int
    silenced_unknown: str | None


@dataclass(frozen=True)
class StatisticsRecord:
    """The statistics of a batch.

    `folder` holds counts and stays; `details_folder` holds keys, samples and reports, which go with the batch's cases.
    """

    batch_id: str
    folder: str
    details_folder: str
    tasks: Mapping[str, CountedTask]
    computed_at: datetime
    seconds: float
    run_id: str | None


def statistics_record(connection: Connection, batch_id: str) -> StatisticsRecord | None:
    """The record of a batch; None if nothing was counted yet."""
    row = connection.execute(sa.select(statistics_table).where(statistics_table.c.batch_id == batch_id)).one_or_none()
    return None if row is None else _record(row)


def statistics_records(connection: Connection) -> list[StatisticsRecord]:
    """The records of all batches in the order of their names, which begin with a time."""
    return [_record(row) for row in connection.execute(sa.select(statistics_table).order_by(statistics_table.c.batch_id))]


def record_statistics(connection: Connection, found: StatisticsRecord) -> None:
    """Makes this the record of its batch, in the caller's transaction."""
    connection.execute(sa.delete(statistics_table).where(statistics_table.c.batch_id == found.batch_id))
    values = asdict(found) | {"tasks": {task_id: asdict(counted) for task_id, counted in found.tasks.items()}}
    connection.execute(sa.insert(statistics_table).values(**values))


def uncounted_batches(connection: Connection) -> dict[str, dict[str, str]]:
    """The batches of which a finished task was not counted, or was refilled since: for each the cases folders of its tasks."""
    columns = recall_task.c
    done = sa.select(columns.batch_id, columns.task_id, columns.cases_folder)
    rows = connection.execute(done.where(columns.state == "done", columns.cases_folder.is_not(None)).order_by(columns.batch_id)).all()
    current: dict[str, dict[str, str]] = {}
    for row in rows:
        current.setdefault(row.batch_id, {})[row.task_id] = row.cases_folder
    counted = {record.batch_id: _folders(record) for record in statistics_records(connection)}
    return {batch_id: folders for batch_id, folders in current.items() if counted.get(batch_id) != folders}


def _folders(record: StatisticsRecord) -> dict[str, str]:
    return {task_id: counted.cases_folder for task_id, counted in record.tasks.items()}


def _record(row: sa.Row[Any]) -> StatisticsRecord:
    tasks = {task_id: CountedTask(**counted) for task_id, counted in row.tasks.items()}
    return StatisticsRecord(**{**row._mapping, "tasks": tasks})
