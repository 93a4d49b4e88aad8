"""Marks: what people say about cases, and how a file of marks is read. No framework.

A mark says of one case of one task whether it is what the strategy looks for. Marks are never changed: a later one of the same case wins,
and all of them are kept with their author and time (`registry_marks.py`).
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from srp_assets.errors import InvalidInput, NotFound, nearest

Verdict = Literal["right", "wrong", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

LONGEST_NOTE = 2_000
"""Characters of a note: more than anybody reads in a table (arbitrary)."""

NEEDED = ("product", "object", "id", "verdict")
"""What each line of a file of marks names."""

OPTIONAL = ("task", "sheet", "note")
"""What it may name beside; other columns, as of an exported sheet, are for the reader alone."""


class CaseKey(NamedTuple):
    """One case of a task, as `srp cases` names it."""

    product: str
    object: str
    id: str

    def __str__(self) -> str:
        return f"{self.product}/{self.object}/{self.id}"


class Cause(NamedTuple):
    """One word of a list that brought a case, and in which feature of which object it stands."""

    object: str
    feature: str
    list: str
    word: str


@dataclass(frozen=True)
class Mark:
    """What somebody said about one case of a task.

    `sheet_id` names the sampled sheet on which it was made; without one the case was chosen by its author, and says nothing about others.
    `causes` are the words that had brought the case; of a control row of a sheet, which is no case, there are none.
    """

    task_id: str
    case: CaseKey
    verdict: Verdict
    note: str | None
    author: str
    made_at: datetime
    sheet_id: str | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class WrittenMark:
    """A mark as a line of a file has it; `place` is the file and the line."""

    place: str
    case: CaseKey
    verdict: Verdict
    note: str | None
    task_id: str | None
    sheet_id: str | None


@dataclass(frozen=True)
class MarkFile:
    """The marks of a file, and how many of its lines have no verdict yet."""

    marks: tuple[WrittenMark, ...]
    unmarked: int


class InvalidMarks(InvalidInput):
    """A file of marks was refused and none of it was stored. `problems` are all that was found; it reads like the first."""

    def __init__(self, problems: Sequence[InvalidInput]) -> None:
        self.problems = tuple(problems)
        first, more = problems[0], len(problems) - 1
        also = f"; {more:,} more {'problem' if more == 1 else 'problems'}" if more else ""
        super().__init__(first.message + also, where=first.where, remedy=first.remedy)


def read_marks(path: Path) -> MarkFile:
    """Reads a CSV or a JSON Lines file of marks, an exported sheet for example.

    Each line names `product`, `object`, `id` and `verdict`, and may name `task`, `sheet` and `note`. Lines without a verdict are still to
    be marked. A case that stands there twice has its last verdict.

    Raises:
        NotFound: if there is no such file.
        InvalidMarks: with everything that is wrong with it, each with its line.
    """
    if not path.is_file():
        raise NotFound("there is no such file", where=str(path), remedy="check the path")
    readers = {".csv": _csv_lines, ".jsonl": _json_lines}
    if path.suffix.lower() not in readers:
        raise InvalidInput(f"no form of marks is known by {path.suffix!r}", where=str(path), remedy="end it in .csv or .jsonl")
    problems: list[InvalidInput] = []
    marks: dict[tuple[str | None, CaseKey], WrittenMark] = {}
    unmarked = 0
    try:
        for place, line in readers[path.suffix.lower()](path, problems):
            found = _written(place, line, problems)
            if found is None:
                unmarked += 1
            elif not isinstance(found, InvalidInput):
                marks.pop((found.task_id, found.case), None)
                marks[found.task_id, found.case] = found
    except UnicodeDecodeError as error:
        problems.append(InvalidInput("the file is not UTF-8", where=str(path), remedy=f"save it as UTF-8 (byte {error.start:,} is none)"))
    if problems:
        raise InvalidMarks(problems)
    return MarkFile(tuple(marks.values()), unmarked)


def newest_marks(marks: Iterable[Mark]) -> dict[CaseKey, Mark]:
    """The mark of each case that counts: the last one, where marks come in the order in which they were made."""
    return {mark.case: mark for mark in marks}


def require_verdict(text: str, where: str) -> Verdict:
    """A text as a verdict.

    Raises:
        InvalidInput: if it is none.
    """
    if text not in VERDICTS:
        raise InvalidInput(f"{text[:60]!r} is no verdict", where=where, remedy=nearest(text, VERDICTS))
    return text


def _csv_lines(path: Path, problems: list[InvalidInput]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Spreadsheets put a mark of the byte order before the first name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        missing = [name for name in NEEDED if name not in names]
        if missing:
            remedy = f"name the columns {', '.join(NEEDED)} in the first line"
            problems.append(InvalidInput(f"column {missing[0]!r} is missing", where=f"{path}:1", remedy=remedy))
            return
        try:
            for line in reader:
                if None in line or None in line.values():
                    remedy = "give it as many cells as the first line, texts with commas or lines in quotes"
                    problems.append(
                        InvalidInput("the line has not as many cells as the first", where=f"{path}:{reader.line_num}", remedy=remedy)
                    )
                else:
                    yield f"{path}:{reader.line_num}", line
        except csv.Error as error:
            problems.append(InvalidInput(f"this is no CSV: {error}", where=f"{path}:{reader.line_num}", remedy="save it as CSV again"))


def _json_lines(path: Path, problems: list[InvalidInput]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            place = f"{path}:{number}"
            try:
                line = json.loads(text)
            except (ValueError, RecursionError) as error:
                problems.append(InvalidInput(f"this is no JSON: {error}", where=place, remedy="write one object a line"))
                continue
            if isinstance(line, dict):
                yield place, line
            else:
                problems.append(InvalidInput("the line is no JSON object", where=place, remedy='write {"product": .., "id": ..}'))


def _written(place: str, line: Mapping[str, Any], problems: list[InvalidInput]) -> WrittenMark | InvalidInput | None:
    """A line as a mark; None where it has no verdict yet. A problem is noted and returned."""
    try:
        cells = {name: _cell(line, name, place) for name in (*NEEDED, *OPTIONAL)}
        if not cells["verdict"]:
            return None
        for name in NEEDED:
            if not cells[name]:
                raise InvalidInput(f"{name} is empty", where=place, remedy=f"name the {name} of the case, as `srp cases` does")
        if len(cells["note"]) > LONGEST_NOTE:
            raise InvalidInput(f"the note has {len(cells['note']):,} characters", where=place, remedy=f"write at most {LONGEST_NOTE:,}")
        case = CaseKey(cells["product"], cells["object"], cells["id"])
        verdict = require_verdict(cells["verdict"].lower(), place)
        return WrittenMark(place, case, verdict, cells["note"] or None, cells["task"] or None, cells["sheet"] or None)
    except InvalidInput as error:
        problems.append(error)
        return error


def _cell(line: Mapping[str, Any], name: str, place: str) -> str:
    value = line.get(name)
    if value is None:
        return ""
    # Tools write ids that are numbers as numbers.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"{name} is not a text", where=place, remedy=f"write {name} as a text")
    return str(value).strip()
