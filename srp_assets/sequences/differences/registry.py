"""The records of differences in the registry database: what each comparison of a day found. Records are added, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.sequences.differences.model import DayFigures

metadata = sa.MetaData()

difference_table = sa.Table(
    "sequences_difference",
    metadata,
    sa.Column("difference_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("day", sa.String, nullable=False, index=True),
    sa.Column("document", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("problems", sa.JSON, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("compared_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
)


@dataclass(frozen=True)
class DifferenceRecord:
    """One comparison of a day.

    Args:
        difference_id: identity; 0 before it is recorded. Of a day's records the one with the greatest counts.
        day: of the requests.
        document: name of the declaration.
        reads: digest of what was compared.
        passed: whether every sequence is within its limits.
        reasons: why nothing could be compared.
        versions: of each sequence that was compared, by its name.
        problems: what speaks against each of them.
        figures: what was found; None where nothing could be compared.
        compared_at: when.
        run_id: of the run, if there was one.
    """

    difference_id: int
    day: str
    document: str
    reads: str
    passed: bool
    reasons: tuple[str, ...]
    versions: Mapping[str, str]
    problems: Mapping[str, tuple[str, ...]]
    figures: DayFigures | None
    compared_at: datetime
    run_id: str | None


def record_difference(connection: Connection, record: DifferenceRecord) -> int:
    """Adds a record; returns its identity."""
    values: dict[str, Any] = {name: value for name, value in vars(record).items() if name != "difference_id"}
    values["reasons"] = list(record.reasons)
    values["versions"] = dict(record.versions)
    values["problems"] = {name: list(found) for name, found in record.problems.items()}
    values["figures"] = {} if record.figures is None else record.figures.model_dump(mode="json")
    return int(connection.execute(difference_table.insert().returning(difference_table.c.difference_id), values).scalar_one())


def newest_differences(connection: Connection, first: str | None = None, last: str | None = None) -> dict[str, DifferenceRecord]:
    """The record that counts of each day, in order; `first` and `last` (as 2024-03-09) are both included."""
    columns = difference_table.c
    newest = sa.select(sa.func.max(columns.difference_id)).group_by(columns.day)
    if first is not None:
        newest = newest.where(columns.day >= first)
    if last is not None:
        newest = newest.where(columns.day <= last)
    rows = connection.execute(sa.select(difference_table).where(columns.difference_id.in_(newest)).order_by(columns.day)).mappings()
    return {row["day"]: _record(dict(row)) for row in rows}


def _record(row: dict[str, Any]) -> DifferenceRecord:
    problems = {name: tuple(found) for name, found in row.pop("problems").items()}
    figures = row.pop("figures")
    reasons = tuple(row.pop("reasons"))
    return DifferenceRecord(**row, reasons=reasons, problems=problems, figures=DayFigures.model_validate(figures) if figures else None)
