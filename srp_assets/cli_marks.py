"""The commands on marks: say of cases whether they are right, and see what that says of words, lists, rules and strategy versions."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, Home, answer, iso, json_option, open_home

if TYPE_CHECKING:
    from srp_assets.insights.marks import Mark
    from srp_assets.insights.precision import Precision, PrecisionReport
    from srp_assets.insights.sheets.keeping import Controls
    from srp_assets.recall.registry import Task

SHOWN_ROWS = 50
"""Words that people are shown of each level, flagged ones first; `--json` has all."""

author_option = click.option("--author", metavar="NAME", help="Who marks; by default the user who runs this.")


@click.group("marks")
def marks_command() -> None:
    """Mark cases right, wrong or unsure: by file, or one by one; with --json for machines.

    A later mark of the same case wins; all are kept with author and time. Marks on a sheet of `srp cases TASK --sample` say how right all
    cases are; marks of cases that somebody chose speak for themselves alone.
    """


@marks_command.command("import")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--task", "task_id", metavar="TASK", help="The task of lines that name neither a task nor a sheet.")
@author_option
@json_option
def import_command(path: Path, task_id: str | None, author: str | None, as_json: bool) -> int:
    """Store the marks of FILE, .csv or .jsonl: all of them, or none if a line is wrong.

    Each line names product, object, id and verdict (right, wrong, unsure), and may name task, sheet and note: an exported sheet with its
    verdicts filled in. Lines without a verdict are left for later.
    """
    from srp_assets.console import say
    from srp_assets.insights.marking import import_marks
    from srp_assets.insights.marks import read_marks

    found = read_marks(path)
    with open_home() as home, home.engine.begin() as connection:
        done = import_marks(connection, home.storage, found, task_id=task_id, author=_author(author), now=datetime.now(UTC))
    if as_json:
        answer({"tasks": list(done.tasks), "verdicts": done.verdicts, "on_sheets": done.on_sheets, "unmarked": done.unmarked})
        return OK
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in done.verdicts.items())
    say(
        f"{sum(done.verdicts.values()):,} marks stored: {counts}; {done.on_sheets:,} on sheets; {done.unmarked:,} lines have no verdict yet"
    )
    return OK


@marks_command.command("set")
@click.argument("task_id", metavar="TASK")
@click.argument("case", metavar="CASE")
@click.argument("verdict", type=click.Choice(["right", "wrong", "unsure"]))
@click.option("--note", metavar="TEXT", help="Why.")
@author_option
@json_option
def set_command(task_id: str, case: str, verdict: Any, note: str | None, author: str | None, as_json: bool) -> int:
    """Mark one case of TASK. CASE is its id, or PRODUCT/OBJECT/ID where ids are not unique."""
    from srp_assets.console import say
    from srp_assets.insights.marking import set_mark

    with open_home() as home, home.engine.begin() as connection:
        mark = set_mark(connection, home.storage, task_id, case, verdict, note=note, author=_author(author), now=datetime.now(UTC))
    if as_json:
        answer({"mark": _mark_summary(mark)})
    else:
        say(f"{mark.case} of {task_id} is marked {verdict}")
    return OK


@marks_command.command("list")
@click.argument("task_id", metavar="TASK")
@json_option
def list_command(task_id: str, as_json: bool) -> int:
    """Show all marks of TASK in the order in which they were made; the last one of a case counts."""
    from srp_assets.console import moment, shortened, table
    from srp_assets.insights.marks import newest_marks
    from srp_assets.insights.registry_marks import marks_of
    from srp_assets.recall import registry

    with open_home() as home, home.engine.connect() as connection:
        registry.task(connection, task_id)
        marks = marks_of(connection, task_id)
    counted = {id(mark) for mark in newest_marks(marks).values()}
    if as_json:
        answer({"task_id": task_id, "marks": [_mark_summary(mark) | {"counts": id(mark) in counted} for mark in marks]})
        return OK
    rows = [
        (
            str(mark.case),
            mark.verdict if id(mark) in counted else f"{mark.verdict} (replaced)",
            shortened(mark.note or "", 60),
            mark.author,
            moment(mark.made_at),
            mark.sheet_id or "",
        )
        for mark in marks
    ]
    table(f"marks of {task_id}", ("case", "verdict", "note", "author", "made at", "sheet"), rows)
    return OK


@click.command("precision")
@click.argument("task_id", metavar="TASK")
@json_option
def precision_command(task_id: str, as_json: bool) -> int:
    """Show how right the cases of TASK are: by word, list, rule, task and strategy version, from marks on sampled sheets.

    Intervals hold with a confidence of 95 %. What lies wholly under SRP_PRECISION_THRESHOLD is flagged.
    """
    from srp_assets.insights.marking import precision_report

    with open_home() as home, home.engine.connect() as connection:
        report = precision_report(connection, task_id, threshold=home.settings.precision_threshold)
    if as_json:
        answer(precision_json(report))
    else:
        _show(report)
    return OK


def precision_json(report: "PrecisionReport") -> dict[str, Any]:
    """What marks say, in the JSON shape that users see; an exact share has no effective sample size."""
    rows = [asdict(row) | {"effective_sample_size": _finite(row.effective_sample_size)} for row in report.rows]
    return asdict(report) | {"rows": rows, "notes": list(report.notes)}


def tell_sheet(home: Home, task: "Task", folder: str, target: Path, *, size: int, controls: int, seed: int, as_json: bool) -> int:
    """What `srp cases TASK --sample N --export FILE` does: draws a sheet, keeps its design, and writes it to be marked."""
    from srp_assets.console import say
    from srp_assets.insights.sheets.keeping import draw_sheet, export_sheet, find_sheet, keep_sheet, require_form, sheet_id_of

    require_form(target)
    sheet_id = sheet_id_of(task, size, controls, seed)
    with home.engine.connect() as connection:
        sheet = find_sheet(connection, home.storage, task, sheet_id)
    if sheet is None:
        drawn = _controls(home, task, controls, seed, as_json) if controls else None
        sheet = draw_sheet(
            home.storage,
            task,
            folder,
            size=size,
            seed=seed,
            sheet_id=sheet_id,
            author=_author(None),
            now=datetime.now(UTC),
            controls=drawn,
        )
        with home.engine.begin() as connection:
            keep_sheet(connection, home.storage, task, sheet)
    export_sheet(sheet, target)
    sampled = sum(sheet.strata[row.stratum].frame == "case" for row in sheet.rows)
    others = len(sheet.rows) - sampled
    if as_json:
        strata = [asdict(stratum) | {"probability": stratum.probability} for stratum in sheet.strata]
        told = {"task_id": task.task_id, "sheet_id": sheet_id, "cases": sampled, "controls": others, "strata": strata}
        answer(told | {"file": str(target)})
    else:
        also = f" and {others:,} rows that are none" if others else ""
        say(f"sheet {sheet_id}: {sampled:,} of {sheet.cases:,} cases{also} written to {target}")
        say(f"fill in verdict (right, wrong, unsure), then: srp marks import {target}")
    return OK


def _controls(home: Home, task: "Task", size: int, seed: int, as_json: bool) -> "Controls":
    """Rows that are no cases: found by Spark, in two passes over the rows that the task reads."""
    from resources.spark import open_session
    from srp_assets.console import progress
    from srp_assets.insights.recommend.recommending import control_rows
    from srp_assets.recall.service import Workshop

    with progress("control rows", shown=not as_json) as report:
        workshop = Workshop(home.engine, home.storage, home.catalogue, home.settings, lambda: open_session(home.settings))
        return control_rows(workshop, task, size=size, seed=seed, progress=report)


def _show(report: "PrecisionReport") -> None:
    from srp_assets.console import hint, say, table

    columns = ("what", "marked", "right", "wrong", "unsure", "precision", "95 % interval", "effective marks", "")
    rows = []
    for level in ("strategy_version", "task", "rule", "list", "word"):
        found = sorted(report.of(level), key=lambda row: (not row.flagged, -row.marked))
        rows += [(row.name, row.marked, row.right, row.wrong, row.unsure, *_interval_cells(row)) for row in found[:SHOWN_ROWS]]
        if len(found) > SHOWN_ROWS:
            hint(f"{len(found) - SHOWN_ROWS:,} more of level {level}; --json tells all")
    right = ("marked", "right", "wrong", "unsure", "precision", "effective marks")
    table(f"precision of {report.task_id} ({report.strategy} version {report.version})", columns, rows, right=right)
    if report.recall is not None:
        recall = report.recall
        say(f"recall: {recall.estimate:.0%} ({recall.low:.0%} to {recall.high:.0%}), from {recall.controls:,} control rows")
    for note in report.notes:
        hint(note)


def _interval_cells(row: "Precision") -> Sequence[str]:
    if row.estimate is None:
        return ("", "", "", "")
    size = "all" if not isfinite(row.effective_sample_size) else f"{row.effective_sample_size:.0f}"
    return (f"{row.estimate:.1%}", f"{row.low:.1%} to {row.high:.1%}", size, "flagged" if row.flagged else "")


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _author(given: str | None) -> str:
    from srp_assets.strategy.written import applying_user

    return given or applying_user() or "unknown"


def _mark_summary(mark: "Mark") -> dict[str, Any]:
    return {
        **mark.case._asdict(),
        "verdict": mark.verdict,
        "note": mark.note,
        "author": mark.author,
        "made_at": iso(mark.made_at),
        "sheet": mark.sheet_id,
    }
