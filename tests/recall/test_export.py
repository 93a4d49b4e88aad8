"""Exported cases: the same in all three forms, in order, whole or not at all."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.recall.cases import CASE_SCHEMA, case_json, read_cases
from srp_assets.recall.export import export_cases
from srp_assets.warehouse.storage import Storage

FOLDER = "cases/batch/attempt-1/cases"


def case(task_id: str, number: int) -> dict[str, Any]:
    """A kept case with everything that a CSV might trip over."""
    return {
        "task_id": task_id,
        "product": "aurora",
        "object": "comment",
        "id": str(number),
        "key_order": f"1{number:019d}",
        "hits": [{"object": "comment", "feature": "text", "list": "scam", "word": 'say "yes", now', "spans": []}],
        "texts": [("comment.text", 'line one\nline "two", 作业;')],
        "extra": json.dumps({"like_count": number}),
        "joined": [{"object": "post", "rows": 1, "keys": ["5"]}],
    }


@pytest.fixture
def kept(storage: Storage) -> list[dict[str, Any]]:
    """The cases of the task in the JSON shape; another task's lie in the same folder."""
    for name in ("a", "b"):
        rows = [case(f"t-{name}", number) for number in range(1, 8)]
        storage.write(f"{FOLDER}/part-{name}.parquet", pa.Table.from_pylist(rows, schema=CASE_SCHEMA))
    return read_cases(storage, FOLDER, "t-a")


def export(storage: Storage, target: Path, *, limit: int | None = None) -> int:
    return export_cases(storage, FOLDER, "t-a", target, limit=limit, total=7, progress=lambda step, done, total: None)


def test_json_lines(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    assert export(storage, tmp_path / "cases.jsonl") == 7
    assert [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text(encoding="utf-8").splitlines()] == kept


def test_parquet(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    assert export(storage, tmp_path / "cases.parquet") == 7
    assert [case_json(row) for row in pq.read_table(tmp_path / "cases.parquet").to_pylist()] == kept


def test_csv(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    assert export(storage, tmp_path / "cases.csv") == 7
    with (tmp_path / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {name: value if name in ("product", "object", "id") else json.loads(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
    assert rows == kept


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_limit(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path, form: str) -> None:
    assert export(storage, tmp_path / f"cases.{form}", limit=3) == 3
    assert export(storage, tmp_path / f"none.{form}", limit=0) == 0
    assert [path.name for path in sorted(tmp_path.glob("*.*"))] == [f"cases.{form}", f"none.{form}"]


def test_a_form_that_nobody_knows(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="end it in .csv, .jsonl or .parquet"):
        export(storage, tmp_path / "cases.xlsx")


def test_a_place_that_cannot_be_written(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot write"):
        export(storage, tmp_path / "no such folder" / "cases.csv")


def test_an_export_that_breaks_off_leaves_the_old_file(storage: Storage, kept: list[dict[str, Any]], tmp_path: Path) -> None:
    target = tmp_path / "cases.jsonl"
    target.write_text("old", encoding="utf-8")

    def breaks(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_cases(storage, FOLDER, "t-a", target, limit=None, total=7, progress=breaks)
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.glob(".cases*")) == []
