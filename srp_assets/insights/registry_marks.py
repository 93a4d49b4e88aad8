"""Marks and sheets in the registry database: the tables, what is added to them, and what is read of them. Nothing in them ever changes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.errors import NotFound, nearest
from srp_assets.insights.marked_sample import TaskMarks
from srp_assets.insights.marks import CaseKey, Cause, Mark
from srp_assets.insights.sheets.model import Sheet, SheetRow, Stratum
from srp_assets.recall import registry

metadata = sa.MetaData()

sheet_table = sa.Table(
    "insights_sheet",
    metadata,
    sa.Column("sheet_id", sa.String, primary_key=True),
    sa.Column("task_id", sa.String, nullable=False, index=True),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("cases", sa.BigInteger, nullable=False),
    sa.Column("refills", sa.Integer, nullable=False),
    sa.Column("strata", sa.JSON, nullable=False),
    sa.Column("texts_path", sa.String, nullable=False),
)

sheet_row_table = sa.Table(
    "insights_sheet_row",
    metadata,
    sa.Column("sheet_id", sa.String, sa.ForeignKey("insights_sheet.sheet_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("object", sa.String, nullable=False),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("stratum", sa.Integer, nullable=False),
    sa.Column("causes", sa.JSON, nullable=False),
)

mark_table = sa.Table(
    "insights_mark",
    metadata,
    sa.Column("mark_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("task_id", sa.String, nullable=False, index=True),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("object", sa.String, nullable=False),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("verdict", sa.String, nullable=False),
    sa.Column("note", sa.String),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("sheet_id", sa.String, sa.ForeignKey("insights_sheet.sheet_id")),
    sa.Column("causes", sa.JSON, nullable=False),
)


def add_marks(connection: Connection, marks: Sequence[Mark]) -> None:
    """Stores marks, in the order in which they were made."""
    rows = [
        {
            "task_id": mark.task_id,
            "product": mark.case.product,
            "object": mark.case.object,
            "case_id": mark.case.id,
            "verdict": mark.verdict,
            "note": mark.note,
            "author": mark.author,
            "made_at": mark.made_at,
            "sheet_id": mark.sheet_id,
            "causes": [list(cause) for cause in mark.causes],
        }
        for mark in marks
    ]
    if rows:
        connection.execute(sa.insert(mark_table), rows)


def marks_of(connection: Connection, task_id: str) -> list[Mark]:
    """All marks of a task, in the order in which they were made."""
    query = sa.select(mark_table).where(mark_table.c.task_id == task_id).order_by(mark_table.c.mark_id)
    return [_mark(row) for row in connection.execute(query)]


def add_sheet(connection: Connection, sheet: Sheet, texts_path: str) -> None:
    """Stores a sheet; `texts_path` is the file with its texts, relative to the warehouse."""
    values = {name: getattr(sheet, name) for name in ("sheet_id", "task_id", "seed", "created_at", "author", "cases", "refills")}
    strata = [asdict(stratum) for stratum in sheet.strata]
    connection.execute(sa.insert(sheet_table).values(**values, strata=strata, texts_path=texts_path))
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "number": number,
            "product": row.case.product,
            "object": row.case.object,
            "case_id": row.case.id,
            "stratum": row.stratum,
            "causes": [list(cause) for cause in row.causes],
        }
        for number, row in enumerate(sheet.rows)
    ]
    if rows:
        connection.execute(sa.insert(sheet_row_table), rows)


def sheet(connection: Connection, sheet_id: str) -> Sheet:
    """One sheet, without the texts of its rows.

    Raises:
        NotFound: if there is none of this id; the remedy names the nearest.
    """
    found = _sheets(connection, sheet_table.c.sheet_id == sheet_id)
    if not found:
        known = connection.execute(sa.select(sheet_table.c.sheet_id)).scalars()
        raise NotFound(f"there is no sheet {sheet_id!r}", where="sheets", remedy=nearest(sheet_id, known))
    return found[0]


def sheets_of(connection: Connection, task_id: str) -> list[Sheet]:
    """The sheets of a task, the oldest first, without the texts of their rows."""
    return _sheets(connection, sheet_table.c.task_id == task_id)


def texts_paths(connection: Connection, task_id: str) -> dict[str, str]:
    """The file with the texts of each sheet of a task."""
    query = sa.select(sheet_table.c.sheet_id, sheet_table.c.texts_path).where(sheet_table.c.task_id == task_id)
    return {row.sheet_id: row.texts_path for row in connection.execute(query)}


def task_marks(connection: Connection, task_id: str) -> TaskMarks:
    """A task's marks with its sheets.

    Raises:
        NotFound: if there is no such task.
    """
    task = registry.task(connection, task_id)
    marks, sheets = marks_of(connection, task_id), sheets_of(connection, task_id)
    return TaskMarks(task_id, task.cases or 0, task.refills, tuple(marks), tuple(sheets))


def tasks_of_version(connection: Connection, strategy: str, version: int) -> list[str]:
    """The tasks that ran with a version of a strategy and have marks."""
    columns = registry.recall_task.c
    marked = sa.select(mark_table.c.task_id).distinct()
    query = sa.select(columns.task_id).where(columns.strategy == strategy, columns.version == version, columns.task_id.in_(marked))
    return list(connection.execute(query.order_by(columns.submitted_at, columns.task_id)).scalars())


def _sheets(connection: Connection, chosen: sa.ColumnElement[bool]) -> list[Sheet]:
    found = []
    for row in connection.execute(sa.select(sheet_table).where(chosen).order_by(sheet_table.c.created_at, sheet_table.c.sheet_id)).all():
        query = sa.select(sheet_row_table).where(sheet_row_table.c.sheet_id == row.sheet_id).order_by(sheet_row_table.c.number)
        rows = tuple(
            SheetRow(CaseKey(one.product, one.object, one.case_id), one.stratum, _causes(one.causes)) for one in connection.execute(query)
        )
        strata = tuple(Stratum(**stratum) for stratum in row.strata)
        values = {name: row._mapping[name] for name in ("sheet_id", "task_id", "seed", "created_at", "author", "cases", "refills")}
        found.append(Sheet(**values, strata=strata, rows=rows))
    return found


def _causes(written: Iterable[Sequence[str]]) -> tuple[Cause, ...]:
    return tuple(Cause(*cause) for cause in written)


def _mark(row: sa.Row[Any]) -> Mark:
    return Mark(
        task_id=row.task_id,
        case=CaseKey(row.product, row.object, row.case_id),
        verdict=row.verdict,
        note=row.note,
        author=row.author,
        made_at=row.made_at,
        sheet_id=row.sheet_id,
        causes=_causes(row.causes),
    )
