"""Schedules over days of logs: each tick is for the day that ended before it.

Partitions of logs reach beyond yesterday (`partitions.py`), and Dagster's own schedule of a partitioned job asks for the last partition:
for a day that has not begun.
"""

from datetime import UTC, timedelta
from typing import Any

import dagster as dg


def schedule_of_yesterday(
    job: Any, name: str, *, hour: int, minute: int, weekdays: str = "*", run_config: dg.RunConfig | None = None
) -> dg.ScheduleDefinition:
    """Runs a job for the day before, in UTC.

    Args:
        job: partitioned by day.
        name: of the schedule.
        hour: of the tick.
        minute: of the tick.
        weekdays: of the tick, as cron writes them: 0 is Sunday, `1-6` are the other days.
        run_config: of the runs.
    """

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=f"{minute} {hour} * * {weekdays}",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """Asks for the run of the day before."""
        day = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date().isoformat()
        return dg.RunRequest(run_key=day, partition_key=day, run_config=run_config)

    return yesterday
