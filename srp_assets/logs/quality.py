"""What the declaration of a log promises of the rows that landed of it, in the words of the expectations."""

from datetime import UTC, datetime, timedelta

from expectations.contracts import ColumnContract, Freshness, TableContract
from srp_assets.logs.catalogue import Log
from srp_assets.warehouse.catalogue import Column
from srp_assets.warehouse.plan_types import SPARK_TYPES


def column_contract(name: str, column: Column, *, required: bool = False) -> ColumnContract:
    """What is declared of a column."""
    type_ = SPARK_TYPES[column.value_type]
    return ColumnContract(name, type_, column.required or required, column.values, column.least, column.most)


def landed_contract(log: Log, day: str, now: datetime) -> TableContract:
    """What a day of a log promises: types, nulls, values, ranges, each event once, and that it did not stop before the day was over.

    Args:
        log: as declared.
        day: as 2024-03-09.
        now: of a day that is not over yet, as much is promised as has passed.
    """
    columns = tuple(column_contract(name, column, required=name == "event_id") for name, column in log.columns.items())
    freshness = None
    if log.fresh_within is not None:
        end = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
        freshness = Freshness("event_time", min(end, now) - log.fresh_within)
    return TableContract(columns, ("event_id",), freshness=freshness)
