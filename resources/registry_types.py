"""Column types of the registry database that mean the same on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Identifier = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up: SQLite does so for its own INTEGER alone."""


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware UTC datetime with microseconds, kept as whole microseconds since 1970.

    A number, because SQLite has no time type and PostgreSQL's answers in the zone of the session: so both order, compare and give back the
    same. A naive datetime is refused: nothing tells what it means.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turns a datetime of any time zone into microseconds.

        Raises:
            ValueError: if the datetime has no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without time zone cannot be stored: {value.isoformat()}")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turns microseconds into a datetime in UTC."""
        return None if value is None else EPOCH + timedelta(microseconds=int(value))
