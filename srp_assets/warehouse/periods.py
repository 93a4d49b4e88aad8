"""Periods: the partition unit of the warehouse and its arithmetic. All times are UTC.

A period is written as the start of its unit, cut off (`2018`, `2018-03`, `2018-03-09`, `2018-03-09T14`), so that the text order is the
time order. The same text is the Dagster partition key, the folder name and the registry column.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

Unit = Literal["hour", "day", "month", "year"]

UNKNOWN = "unknown"
"""Where rejects without a usable publish time are counted."""

FORMATS: dict[Unit, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


def period_of(moment: datetime, unit: Unit) -> str:
    """The period that holds `moment`."""
    return moment.astimezone(UTC).strftime(FORMATS[unit])


def start_of(period: str, unit: Unit) -> datetime:
    """The first instant of a period.

    Raises:
        ValueError: if the text is no period of this unit.
    """
    start = datetime.strptime(period, FORMATS[unit]).replace(tzinfo=UTC)
    if start.strftime(FORMATS[unit]) != period:
        raise ValueError(f"{period!r} is not written as {FORMATS[unit]}")
    return start


def end_of(period: str, unit: Unit) -> datetime:
    """The first instant after a period."""
    start = start_of(period, unit)
    if unit == "hour":
        return start + timedelta(hours=1)
    if unit == "day":
        return start + timedelta(days=1)
    if unit == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)


def periods_between(first: str, last: str, unit: Unit) -> Iterator[str]:
    """All periods from `first` to `last`, both included, in order."""
    current = start_of(first, unit)
    stop = start_of(last, unit)
    while current <= stop:
        period = period_of(current, unit)
        yield period
        current = end_of(period, unit)
