"""What a table promises, handed to the suites as plain data by the domain that owns the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnContract:
    """One column: its Spark type in simple form (`array<string>`), whether null is forbidden, and what an enum may hold (open if empty)."""

    name: str
    type: str
    required: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableContract:
    """One table: its columns, what identifies a row, and the pairs of columns that must agree (a time's own period and its partition)."""

    columns: tuple[ColumnContract, ...]
    key: tuple[str, ...]
    equal_columns: tuple[tuple[str, str], ...] = ()
