"""Marks by the command line: sheets are exported, filled in and imported, single cases marked, and precision told. Without Spark."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.recall import registry
from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.command_line import srp
from support.recall import START, add_task, later

ERROR, USAGE = 1, 2
CASES = 60


def case(number: int) -> dict[str, Any]:
    """Every case has the word `often`, each tenth also `seldom`; one text begins like a formula."""
    words = ["often", "seldom"] if number % 10 == 0 else ["often"]
    hits = [{"object": "comment", "feature": "text", "list": "lures", "word": word, "spans": [[0, 5]]} for word in words]
    text = f'=HYPERLINK("x") often {number}, "quoted"\nand more'
    return {
        "product": "aurora" if number % 2 else "lotus",
        "object": "comment",
        "id": str(number // 2),
        "key_order": f"{number:05}",
        "root": "1",
        "hits": hits,
        "texts": [("comment.text", text)],
        "extra": "{}",
        "joined": [],
    }


@pytest.fixture
def task_id(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> str:
    """A task that is done, with its cases in a file."""
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue, products=("aurora", "lotus"))
        batch = {"batch_id": "b-1", "state": "done", "created_at": START, "finished_at": later(9), "attempt": 1}
        connection.execute(registry.recall_batch.insert().values(**batch))
        done = {"state": "done", "batch_id": "b-1", "cases": CASES, "complete": True, "cases_folder": "cases/b-1/attempt-1/cases"}
        connection.execute(registry.recall_task.update().where(registry.recall_task.c.task_id == task_id).values(**done))
    rows = [{"task_id": task_id, **case(number)} for number in range(CASES)]
    storage.write("cases/b-1/attempt-1/cases/part.parquet", pa.Table.from_pylist(rows, schema=CASE_SCHEMA))
    return task_id


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def filled(path: Path, lines: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_a_sheet_is_marked_and_says_how_right_the_task_is(task_id: str, tmp_path: Path) -> None:
    target = tmp_path / "sheet.csv"
    drawn = srp("cases", task_id, "--sample", 20, "--seed", 5, "--export", target)
    assert (drawn["cases"], drawn["controls"]) == (20, 0)
    assert {stratum["name"]: stratum["population"] for stratum in drawn["strata"]} == {"lures: often": 54, "lures: seldom": 6}
    lines = lines_of(target)
    assert len(lines) == 20
    assert lines[0]["words"] == "lures: often" or "seldom" in lines[0]["words"]
    assert 'comment.text: =HYPERLINK("x") often' in lines[0]["texts"]
    for line in lines[:-1]:
        line["verdict"] = "wrong" if "seldom" in line["words"] else "right"
    stored = srp("marks", "import", filled(tmp_path / "marked.csv", lines), "--author", "mia")
    assert (sum(stored["verdicts"].values()), stored["on_sheets"], stored["unmarked"]) == (19, 19, 1)
    found = srp("precision", task_id)
    by_name = {(row["level"], row["name"]): row for row in found["rows"]}
    assert by_name["task", task_id]["estimate"] == pytest.approx(0.9)
    assert by_name["word", "lures: often"]["estimate"] == pytest.approx(0.9)
    seldom = by_name["word", "lures: seldom"]
    assert (seldom["estimate"], seldom["right"], seldom["marked"] >= 5) == (0.0, 0, True)
    assert (found["recall"], found["sampled"]) == (None, 19)
    # The same is asked for again: the same sheet, and no second one.
    again = srp("cases", task_id, "--sample", 20, "--seed", 5, "--export", tmp_path / "again.jsonl")
    assert again["sheet_id"] == drawn["sheet_id"]
    rows = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["product"], row["id"]) for row in rows] == [(line["product"], line["id"]) for line in lines]


def test_later_marks_win_and_all_are_kept(task_id: str) -> None:
    srp("marks", "set", task_id, "aurora/comment/3", "right", "--author", "mia")
    srp("marks", "set", task_id, "aurora/comment/3", "wrong", "--note", "bought", "--author", "noe")
    marks = srp("marks", "list", task_id)["marks"]
    assert [(mark["verdict"], mark["author"], mark["note"], mark["counts"]) for mark in marks] == [
        ("right", "mia", None, False),
        ("wrong", "noe", "bought", True),
    ]
    task = next(row for row in srp("precision", task_id)["rows"] if row["level"] == "task")
    assert (task["marked"], task["right"], task["wrong"], task["estimate"]) == (1, 0, 1, None)


def test_an_id_of_two_products_must_be_written_whole(task_id: str) -> None:
    error = srp("marks", "set", task_id, "3", "right", code=ERROR)["error"]
    assert error["message"] == "2 cases have the id '3'"
    assert "aurora/comment/3" in error["remedy"]
    assert srp("marks", "set", task_id, "lotus/comment/3", "unsure")["mark"]["product"] == "lotus"
    assert srp("marks", "set", task_id, "999", "right", code=ERROR)["error"]["code"] == "not_found"
    assert srp("marks", "set", "t-none", "3", "right", code=ERROR)["error"]["code"] == "not_found"
    assert srp("marks", "set", task_id, "3", "perhaps", code=USAGE)["error"]["code"] == "usage"


def test_a_file_is_imported_whole_or_not_at_all(task_id: str, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(
        "product,object,id,verdict,sheet\naurora,comment,1,right,\naurora,comment,777,right,\naurora,comment,2,right,s-none\n",
        encoding="utf-8",
    )
    error = srp("marks", "import", path, "--task", task_id, code=ERROR)["error"]
    places = sorted((problem["where"].rsplit(":", 1)[1], problem["message"]) for problem in error["problems"])
    assert places == [("3", f"aurora/comment/777 is no case of task {task_id}"), ("4", "there is no sheet 's-none'")]
    assert srp("marks", "list", task_id)["marks"] == []
    path.write_text("product,object,id,verdict\naurora,comment,1,right\n", encoding="utf-8")
    assert "no task is named" in srp("marks", "import", path, code=ERROR)["error"]["message"]
    assert srp("marks", "import", path, "--task", task_id)["verdicts"] == {"right": 1, "wrong": 0, "unsure": 0}


def test_marks_on_a_sheet_must_be_of_its_cases(task_id: str, tmp_path: Path) -> None:
    target = tmp_path / "sheet.csv"
    sheet_id = srp("cases", task_id, "--sample", 4, "--export", target)["sheet_id"]
    on_sheet = {(line["product"], line["id"]) for line in lines_of(target)}
    other = next(
        (product, str(number)) for number in range(30) for product in ("aurora", "lotus") if (product, str(number)) not in on_sheet
    )
    path = tmp_path / "marks.csv"
    path.write_text(f"product,object,id,verdict,sheet\n{other[0]},comment,{other[1]},right,{sheet_id}\n", encoding="utf-8")
    assert "is not on sheet" in srp("marks", "import", path, code=ERROR)["error"]["message"]


def test_marks_outlive_the_cases(task_id: str, tmp_path: Path, engine: Engine, storage: Storage) -> None:
    target = tmp_path / "sheet.csv"
    srp("cases", task_id, "--sample", 10, "--export", target)
    srp("marks", "import", filled(tmp_path / "marked.csv", [line | {"verdict": "right"} for line in lines_of(target)]))
    before = srp("precision", task_id)
    storage.delete_tree("cases/b-1")
    with engine.begin() as connection:
        connection.execute(registry.recall_task.update().values(cases_folder=None))
    assert srp("precision", task_id) == before
    assert srp("marks", "set", task_id, "1", "right", code=ERROR)["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "5"], "--sample needs --export FILE"),
        (["--controls", "5", "--export", "x.csv"], "--controls needs --sample"),
    ],
)
def test_what_a_sheet_needs_is_told(task_id: str, arguments: list[str], message: str) -> None:
    assert srp("cases", task_id, *arguments, code=USAGE)["error"]["message"] == message


def test_a_sheet_has_a_known_form(task_id: str, tmp_path: Path) -> None:
    error = srp("cases", task_id, "--sample", 5, "--export", tmp_path / "sheet.parquet", code=ERROR)["error"]
    assert error["remedy"] == "end it in .csv or .jsonl"


def test_only_finished_tasks_are_marked(engine: Engine, sample_catalogue: Catalogue, settings: Settings) -> None:
    with engine.begin() as connection:
        waiting = add_task(connection, sample_catalogue, now=datetime(2026, 3, 1, tzinfo=UTC))
    assert srp("marks", "set", waiting, "1", "right", code=ERROR)["error"]["code"] == "conflict"
