"""Generated tasks in the form that a batch takes."""

from collections.abc import Iterable

from srp_assets.recall.batch import TaskSpec
from support.generators import Task


def task_specs(tasks: Iterable[Task]) -> list[TaskSpec]:
    """Tasks with ids by their place."""
    return [
        TaskSpec(
            task_id=f"task-{number}",
            strategy=task.strategy,
            products=task.products,
            published_from=task.published_from,
            published_to=task.published_to,
        )
        for number, task in enumerate(tasks)
    ]
