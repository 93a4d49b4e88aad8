"""Every partition set of the project, each with its reason."""

from datetime import timedelta

import dagster as dg

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import FORMATS, Unit

STARTS: dict[Unit, str] = {"hour": "0 * * * *", "day": "0 0 * * *", "month": "0 0 1 * *", "year": "0 0 1 1 *"}
"""When a period of each unit begins, as a cron schedule in UTC."""

PERIODS_AHEAD: dict[Unit, int] = {"hour": 25, "day": 2, "month": 2, "year": 2}
"""How far the partitions reach beyond the last whole period: the period that is not over yet, and what a publish time of up to a day after
its landing (clocks differ; landing accepts it) may fall into."""

LOG_DAYS_AHEAD = 2
"""How far the days of logs reach beyond yesterday: today, and tomorrow, into which clocks that run ahead may put an event."""

RECALL_BATCHES = dg.DynamicPartitionsDefinition(name="recall_batch")
"""A partition for each batch of recall tasks: when one comes is up to the tasks, so no calendar can list them. The retention job takes old
ones away, since Dagster is comfortable with no more than 100,000 partitions of an asset."""


def log_days(catalogue: LogCatalogue) -> dg.DailyPartitionsDefinition:
    """The days of events: what is stitched, replaced and backfilled by."""
    return dg.DailyPartitionsDefinition(start_date=catalogue.first_day.isoformat(), timezone="UTC", end_offset=LOG_DAYS_AHEAD)


def log_weeks(catalogue: LogCatalogue) -> dg.WeeklyPartitionsDefinition:
    """The weeks of events, from Monday to Sunday: vectors are trained once a week, and a week is there when it has ended."""
    monday = catalogue.first_day - timedelta(days=catalogue.first_day.weekday())
    return dg.WeeklyPartitionsDefinition(start_date=monday.isoformat(), day_offset=1, timezone="UTC")


def period_partitions(catalogue: Catalogue) -> dg.TimeWindowPartitionsDefinition:
    """The publish periods of the warehouse: what the tables are built, replaced and backfilled by."""
    unit = catalogue.partition_unit
    return dg.TimeWindowPartitionsDefinition(
        start=catalogue.first_period, fmt=FORMATS[unit], cron_schedule=STARTS[unit], timezone="UTC", end_offset=PERIODS_AHEAD[unit]
    )
