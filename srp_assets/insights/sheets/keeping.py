"""Sheets of a task: drawn once, kept with their design, written as files that people mark and give back. No framework but pyarrow.

The registry keeps what estimates need, also when the cases are long gone; the texts lie beside the task's cases and go with them.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import Connection

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.insights.marks import CaseKey
from srp_assets.insights.registry_marks import add_sheet, sheets_of, texts_paths
from srp_assets.insights.sheets.case_words import read_case_words, read_cases_at
from srp_assets.insights.sheets.model import Sheet, SheetRow, Stratum
from srp_assets.insights.sheets.sample_sheet import LEAST_DRAWN, draw, strata_by_word
from srp_assets.recall.registry import Task
from srp_assets.recall.service import BATCHES_FOLDER
from srp_assets.warehouse.storage import Storage

TEXTS_SCHEMA = pa.schema([*((name, pa.string()) for name in CaseKey._fields), ("texts", pa.map_(pa.string(), pa.string()))])

COLUMNS = ("sheet", "task", "product", "object", "id", "verdict", "note", "stratum", "probability", "words", "texts")
"""Of an exported sheet: `verdict` and `note` are empty, to be filled in."""

FREE_TEXTS = ("stratum", "words", "texts")
"""Columns in which anything may stand, and which nobody reads back."""

Texts = dict[CaseKey, dict[str, str]]
"""The texts of cases by `object.feature`."""


class Controls(NamedTuple):
    """Rows that a task evaluated and that are no cases, sampled by strata: to be marked with its cases."""

    strata: tuple[Stratum, ...]
    rows: tuple[SheetRow, ...]


def sheet_id_of(task: Task, size: int, controls: int, seed: int) -> str:
    """The name of a sheet: who asks for the same again gets the same."""
    asked = f"{task.task_id} {task.refills} {size} {controls} {seed}"
    return f"s-{sha256(asked.encode()).hexdigest()[:10]}"


def find_sheet(connection: Connection, storage: Storage, task: Task, sheet_id: str) -> Sheet | None:
    """A sheet that was drawn before, with the texts of its rows; None if there is none, or its texts are gone."""
    kept = next((sheet for sheet in sheets_of(connection, task.task_id) if sheet.sheet_id == sheet_id), None)
    if kept is None:
        return None
    path = texts_paths(connection, task.task_id)[sheet_id]
    if not storage.exists(path):
        return None
    texts = read_texts(storage, path)
    rows = tuple(replace(row, texts=tuple(texts[row.case].items())) for row in kept.rows)
    return replace(kept, rows=rows)


def draw_sheet(
    storage: Storage,
    task: Task,
    folder: str,
    *,
    size: int,
    seed: int,
    sheet_id: str,
    author: str,
    now: datetime,
    controls: Controls | None = None,
) -> Sheet:
    """Draws a sheet of a task's cases.

    Args:
        storage: the warehouse.
        task: the task, which is done.
        folder: its cases.
        size: how many cases are drawn; all of them where there are fewer.
        seed: another seed draws others.
        sheet_id: its name.
        author: who asked for it.
        now: when.
        controls: rows that are no cases, drawn already.
    """
    words = read_case_words(storage, folder, task.task_id)
    strata = strata_by_word(words, max(1, size // LEAST_DRAWN))
    drawn, places = draw(strata, size, seed)
    sizes = [int((strata.of_case == number).sum()) for number in range(len(strata.names))]
    own = tuple(Stratum("case", name, *counts) for name, *counts in zip(strata.names, sizes, drawn, strict=True))
    cases = read_cases_at(storage, folder, task.task_id, places)
    rows = [SheetRow(case.key, int(strata.of_case[place]), case.causes, case.texts) for case, place in zip(cases, places, strict=True)]
    if controls is not None:
        rows += [SheetRow(row.case, len(own) + row.stratum, (), row.texts) for row in controls.rows]
        own += controls.strata
        rows = in_random_order(rows, seed)
    return Sheet(sheet_id, task.task_id, seed, now, author, task.cases or 0, task.refills, own, tuple(rows))


def in_random_order(rows: Sequence[SheetRow], seed: int) -> list[SheetRow]:
    """Rows in an order that only the seed and their keys decide."""
    return sorted(rows, key=lambda row: sha256(f"{seed} {row.case}".encode("utf-8", "surrogatepass")).digest())


def keep_sheet(connection: Connection, storage: Storage, task: Task, sheet: Sheet) -> None:
    """Keeps a sheet: its texts beside the cases, all else in the registry."""
    path = f"{BATCHES_FOLDER}/{task.batch_id}/sheets/{sheet.sheet_id}.parquet"
    rows = [{**row.case._asdict(), "texts": list(row.texts)} for row in sheet.rows]
    storage.write(path, pa.Table.from_pylist(rows, schema=TEXTS_SCHEMA))
    if all(kept.sheet_id != sheet.sheet_id for kept in sheets_of(connection, task.task_id)):
        add_sheet(connection, sheet, path)


def read_texts(storage: Storage, path: str) -> Texts:
    """The texts of a sheet's rows."""
    found = storage.read(path).to_pylist(maps_as_pydicts="strict")
    return {CaseKey(row["product"], row["object"], row["id"]): row["texts"] for row in found}


def require_form(target: Path) -> None:
    """Makes sure that a sheet can be written to a file: before it is drawn, which may take a while.

    Raises:
        InvalidInput: if the file's ending says neither CSV nor JSON Lines.
    """
    if target.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidInput(f"no form of sheet is known by {target.suffix!r}", where=str(target), remedy="end it in .csv or .jsonl")


def export_sheet(sheet: Sheet, target: Path) -> None:
    """Writes a sheet as CSV or JSON Lines, by the file's ending; it appears whole or not at all.

    Raises:
        InvalidInput: if the file's ending says none of the two.
        Unavailable: if it cannot be written.
    """
    require_form(target)
    write = _write_csv if target.suffix.lower() == ".csv" else _write_json_lines
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        write(partial, sheet)
        partial.replace(target)
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(target), remedy="choose another place, or free space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _lines(sheet: Sheet) -> Iterator[dict[str, Any]]:
    for row in sheet.rows:
        stratum = sheet.strata[row.stratum]
        yield {
            "sheet": sheet.sheet_id,
            "task": sheet.task_id,
            **row.case._asdict(),
            "verdict": "",
            "note": "",
            "stratum": stratum.name,
            "probability": stratum.probability,
            "words": [f"{cause.list}: {cause.word}" for cause in row.causes],
            "texts": dict(row.texts),
        }


def _write_csv(path: Path, sheet: Sheet) -> None:
    # With a mark of the byte order, without which spreadsheets take UTF-8 for something else.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for line in _lines(sheet):
            shown = {"words": "; ".join(line["words"]), "texts": "\n".join(f"{place}: {text}" for place, text in line["texts"].items())}
            cells = {name: str(value) for name, value in (line | shown).items()}
            writer.writerow([_harmless_cell(cells[name]) if name in FREE_TEXTS else cells[name] for name in COLUMNS])


def _harmless_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _write_json_lines(path: Path, sheet: Sheet) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in _lines(sheet):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
