"""Finds the tasks that already answer slices of a range."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.registry import recall_task, task_specs
from srp_assets.recall.tasks import TaskState


def tasks_of_version(connection: Connection, task: TaskSpec) -> Mapping[tuple[datetime, datetime], tuple[str, TaskState]]:
    """By their range, id and state of the tasks with the strategy and products of a task, every version pinned alike.

    Of several for one range the newest. A task whose cases were removed after their retention is left out.
    """
    columns = recall_task.c
    has_range = columns.published_from.is_not(None) & columns.published_to.is_not(None)
    is_kept = (columns.state != "done") | columns.cases_folder.is_not(None)
    query = select(columns.task_id, columns.state).where(
        columns.strategy == task.strategy.id, columns.version == task.strategy.version, has_range, is_kept
    )
    states = {row.task_id: row.state for row in connection.execute(query)}
    return {
        (spec.published_from, spec.published_to): (spec.task_id, states[spec.task_id])
        for spec in task_specs(connection, states)
        if spec.published_from is not None
        and spec.published_to is not None
        and spec.strategy == task.strategy
        and set(spec.products) == set(task.products)
    }
