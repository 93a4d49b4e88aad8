"""Marking: marks of a file, or one by one, are checked against the task's cases and sheets and stored; what they say is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.insights.marks import CaseKey, Cause, InvalidMarks, Mark, MarkFile, Verdict, WrittenMark
from srp_assets.insights.precision import PrecisionReport, precision_of_task
from srp_assets.insights.registry_marks import add_marks, sheet, sheets_of, task_marks, tasks_of_version
from srp_assets.insights.sheets.case_words import find_cases, keys_with_id
from srp_assets.insights.sheets.model import Sheet
from srp_assets.recall import registry
from srp_assets.recall.registry import Task
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class Imported:
    """What became of a file: the tasks whose cases were marked, how many marks of each verdict were stored, and lines still without one."""

    tasks: tuple[str, ...]
    verdicts: dict[str, int]
    on_sheets: int
    unmarked: int


def import_marks(connection: Connection, storage: Storage, found: MarkFile, *, task_id: str | None, author: str, now: datetime) -> Imported:
    """Stores the marks of a file: all of them if every one is of a case that is there, else none.

    Args:
        connection: the registry, in a transaction.
        storage: the warehouse.
        found: the file.
        task_id: the task of lines that name none.
        author: who marked.
        now: when.

    Raises:
        InvalidMarks: with everything that is wrong.
    """
    problems: list[InvalidInput] = []
    by_task: dict[str, list[WrittenMark]] = {}
    for written in found.marks:
        named = _task_of(connection, written, task_id, problems)
        if named is not None:
            by_task.setdefault(named, []).append(written)
    marks: list[Mark] = []
    for named, lines in by_task.items():
        marks += _checked(connection, storage, named, lines, author, now, problems)
    if problems:
        raise InvalidMarks(problems)
    add_marks(connection, marks)
    verdicts = {verdict: sum(mark.verdict == verdict for mark in marks) for verdict in ("right", "wrong", "unsure")}
    return Imported(tuple(by_task), verdicts, sum(mark.sheet_id is not None for mark in marks), found.unmarked)


def set_mark(
    connection: Connection, storage: Storage, task_id: str, case: str, verdict: Verdict, *, note: str | None, author: str, now: datetime
) -> Mark:
    """Marks one case.

    Args:
        connection: the registry, in a transaction.
        storage: the warehouse.
        task_id: the task.
        case: the case's id, or `PRODUCT/OBJECT/ID` where ids are not unique.
        verdict: what it is.
        note: why.
        author: who says so.
        now: when.

    Raises:
        NotFound: if the task has no such case.
        InvalidInput: if several cases have this id.
    """
    task = registry.task(connection, task_id)
    sheets = sheets_of(connection, task_id)
    key = _meant(storage, task, sheets, case)
    found = find_cases(storage, cases_folder(task), task_id, {key})
    causes = found[key].causes if key in found else ()
    mark = Mark(task_id, key, verdict, note or None, author, now, None, causes)
    add_marks(connection, [mark])
    return mark


def precision_report(connection: Connection, task_id: str, *, threshold: float) -> PrecisionReport:
    """Everything that the marks of a task, and of others with the same strategy version, say of its precision.

    Args:
        connection: the registry.
        task_id: the task.
        threshold: what lies under it is flagged.

    Raises:
        NotFound: if there is no such task.
    """
    task = registry.task(connection, task_id)
    others = [other for other in tasks_of_version(connection, task.strategy, task.version) if other != task_id]
    return precision_of_task(
        task_marks(connection, task_id),
        strategy=task.strategy,
        version=task.version,
        others=[task_marks(connection, other) for other in others],
        threshold=threshold,
    )


def cases_folder(task: Task) -> str:
    """Where the cases of a task lie.

    Raises:
        Conflict: if it is not done.
        NotFound: if they are no longer kept.
    """
    if task.state != "done":
        raise Conflict(f"the task is {task.state}: its cases come when it is done", where=task.task_id, remedy="run `srp recall --now`")
    if task.cases_folder is None:
        raise NotFound(task.note or "its cases are no longer kept", where=task.task_id, remedy="submit it again")
    return task.cases_folder


def _task_of(connection: Connection, written: WrittenMark, task_id: str | None, problems: list[InvalidInput]) -> str | None:
    """The task of a line: its own, that of its sheet, or that of the call."""
    try:
        of_sheet = sheet(connection, written.sheet_id).task_id if written.sheet_id else None
    except NotFound as error:
        problems.append(InvalidInput(error.message, where=written.place, remedy=error.remedy))
        return None
    named = written.task_id or of_sheet or task_id
    if named is None:
        problems.append(InvalidInput("no task is named", where=written.place, remedy="add a column task, or give --task"))
    elif of_sheet is not None and named != of_sheet:
        remedy = f"leave task out, or write {of_sheet}"
        problems.append(InvalidInput(f"sheet {written.sheet_id} is of task {of_sheet}", where=written.place, remedy=remedy))
        return None
    return named


def _checked(
    connection: Connection,
    storage: Storage,
    task_id: str,
    lines: Sequence[WrittenMark],
    author: str,
    now: datetime,
    problems: list[InvalidInput],
) -> Iterable[Mark]:
    """The marks of one task; what is no case of it, and no row of its sheet, is a problem."""
    try:
        task = registry.task(connection, task_id)
        on_sheets = {(one.sheet_id, row.case): row.causes for one in sheets_of(connection, task_id) for row in one.rows}
        elsewhere = {line.case for line in lines if (line.sheet_id or "", line.case) not in on_sheets}
        found = find_cases(storage, cases_folder(task), task_id, elsewhere) if elsewhere else {}
    except (NotFound, Conflict) as error:
        problems.append(InvalidInput(error.message, where=lines[0].place, remedy=error.remedy))
        return
    for line in lines:
        causes: tuple[Cause, ...] | None = on_sheets.get((line.sheet_id or "", line.case))
        if causes is None and line.sheet_id is not None:
            remedy = "leave sheet empty for cases that were not sampled"
            problems.append(InvalidInput(f"{line.case} is not on sheet {line.sheet_id}", where=line.place, remedy=remedy))
        elif causes is None and line.case not in found:
            remedy = f"write product, object and id as `srp cases {task_id}` does"
            problems.append(InvalidInput(f"{line.case} is no case of task {task_id}", where=line.place, remedy=remedy))
        else:
            known = found[line.case].causes if causes is None else causes
            yield Mark(task_id, line.case, line.verdict, line.note, author, now, line.sheet_id, known)


def _meant(storage: Storage, task: Task, sheets: Sequence[Sheet], case: str) -> CaseKey:
    """The case, or the row of a sheet, that a text names."""
    folder = cases_folder(task)
    parts = case.split("/", 2)
    named = [CaseKey(*parts)] if len(parts) == 3 else []
    rows = {row.case for one in sheets for row in one.rows}
    exact = [key for key in named if key in rows or find_cases(storage, folder, task.task_id, {key})]
    found = exact or sorted({*keys_with_id(storage, folder, task.task_id, case), *(key for key in rows if key.id == case)})
    if not found:
        raise NotFound(f"the task has no case {case!r}", where=task.task_id, remedy=f"take an id that `srp cases {task.task_id}` shows")
    if len(found) > 1:
        raise InvalidInput(
            f"{len(found)} cases have the id {case!r}", where=task.task_id, remedy=f"write one of them whole, like {found[0]}"
        )
    return found[0]
