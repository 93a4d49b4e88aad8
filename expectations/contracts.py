"""What a table promises, handed to the suites as plain data by the domain that owns the table."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ColumnContract:
    """One column: its Spark type in simple form (`array<string>`), whether null is forbidden, and what it may hold.

    `values` are those of an enum (open if empty); `least` and `most` bound numbers, where they are not None.
    """

    name: str
    type: str
    required: bool = False
    values: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Freshness:
    """The newest value of a column of times is not before `since`."""

    column: str
    since: datetime


@dataclass(frozen=True)
class TableContract:
    """One table.

    Args:
        columns: its columns.
        key: what identifies a row.
        equal_columns: pairs of columns that must agree (a time's own period and its partition).
        freshness: how new it has to be, if that is declared.
        strict: whether a number beyond its bounds, or a table that is not fresh, is an error: where the values are our own. Else it warns.
    """

    columns: tuple[ColumnContract, ...]
    key: tuple[str, ...]
    equal_columns: tuple[tuple[str, str], ...] = ()
    freshness: Freshness | None = None
    strict: bool = False
