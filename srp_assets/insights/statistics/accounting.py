"""Whether statistics add up: every case of a task is counted once in each statistic that divides them."""

from collections.abc import Iterator

from srp_assets.insights.statistics.model import TaskStatistics


def unaccounted(found: TaskStatistics, cases: int | None) -> list[str]:
    """What does not add up to the task's cases; nothing if all does.

    Args:
        found: the statistics.
        cases: how many cases the task has.
    """
    return [
        f"{found.task_id}: {counted:,} of {expected:,} cases by {name}"
        for name, counted, expected in _sums(found, cases or 0)
        if counted != expected
    ]


def _sums(found: TaskStatistics, cases: int) -> Iterator[tuple[str, int, int]]:
    yield "task", found.cases, cases
    yield "product", sum(line.cases for line in found.products), found.cases
    yield "period", sum(line.cases for line in found.periods), found.cases
    # Cases from before there were facts have no publish period, and count by no column.
    known = found.cases - sum(line.cases for line in found.periods if not line.name)
    for values in found.values:
        yield values.column, sum(line.cases for line in values.lines) + values.missing, known
    for metric in found.metrics:
        yield metric.column, sum(count for _, count in metric.buckets) + metric.missing, known
