"""The retention of replaced builds: an hourly job for each domain that keeps some."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Engine

from resources.registry_database import RegistryResource
from srp_assets.settings import Settings


def retention_schedule(
    name: str, settings: Settings, delete: Callable[[Engine, datetime], str], *, minute: int, description: str
) -> dg.ScheduleDefinition:
    """Deletes every hour what was replaced longer ago than the retention, which is counted in hours.

    Args:
        name: of the job.
        settings: with the retention.
        delete: deletes what was replaced before an instant, and says what it deleted.
        minute: of the hour; different ones keep the domains apart, and all of them off full hours.
        description: what the job says of itself in Dagster.
    """

    @dg.op(name=f"delete_for_{name}", description=description)
    def delete_replaced(context: dg.OpExecutionContext, registry: RegistryResource) -> None:
        before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        context.log.info("%s", delete(registry.engine, before))

    @dg.job(name=name, executor_def=dg.in_process_executor, description=description)
    def retention() -> None:
        delete_replaced()

    return dg.ScheduleDefinition(job=retention, cron_schedule=f"{minute} * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
