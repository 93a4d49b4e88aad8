"""Files of marks: what is read of them, and what is refused, by line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.insights.marks import CaseKey, InvalidMarks, Mark, newest_marks, read_marks

HEAD = "product,object,id,verdict,note\n"


def written(folder: Path, text: str, name: str = "marks.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    table = written(tmp_path, HEAD + 'aurora,comment,7,Right,"two\nlines, quoted"\naurora,comment,8,,\nlotus,post,a/b,unsure,\n')
    lines = written(
        tmp_path,
        '{"product": "aurora", "object": "comment", "id": 7, "verdict": "right", "note": "two\\nlines, quoted", "texts": {}}\n\n'
        '{"product": "aurora", "object": "comment", "id": "8"}\n'
        '{"product": "lotus", "object": "post", "id": "a/b", "verdict": "unsure"}\n',
        "marks.jsonl",
    )
    for found in (read_marks(table), read_marks(lines)):
        assert [(mark.case, mark.verdict, mark.note) for mark in found.marks] == [
            (CaseKey("aurora", "comment", "7"), "right", "two\nlines, quoted"),
            (CaseKey("lotus", "post", "a/b"), "unsure", None),
        ]
        assert found.unmarked == 1


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + "aurora,post,1,wrong,\n").encode())
    assert read_marks(path).marks[0].case == CaseKey("aurora", "post", "1")


def test_the_last_line_of_a_case_counts(tmp_path: Path) -> None:
    found = read_marks(written(tmp_path, HEAD + "aurora,post,1,wrong,\naurora,post,2,right,\naurora,post,1,right,\n"))
    assert [(mark.case.id, mark.verdict) for mark in found.marks] == [("2", "right"), ("1", "right")]


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "aurora,post,1,rihgt,\naurora,post,,wrong,\naurora,post,3\naurora,post,4,right,fine\n")
    with pytest.raises(InvalidMarks) as refused:
        read_marks(path)
    assert [problem.where for problem in refused.value.problems] == [f"{path}:2", f"{path}:3", f"{path}:4"]
    assert [problem.message for problem in refused.value.problems] == [
        "'rihgt' is no verdict",
        "id is empty",
        "the line has not as many cells as the first",
    ]
    assert refused.value.problems[0].remedy == "did you mean 'right'?"
    assert "2 more problems" in refused.value.message


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("marks.csv", "product,object,verdict\n", "column 'id' is missing"),
        ("marks.csv", "", "column 'product' is missing"),
        ("marks.csv", HEAD + "aurora,post,1,right," + "x" * 2_001 + "\n", "the note has 2,001 characters"),
        ("marks.jsonl", "[1]\n", "the line is no JSON object"),
        ("marks.jsonl", "{\n", "this is no JSON"),
        ("marks.jsonl", '{"product": "aurora", "object": "post", "id": true, "verdict": "right"}\n', "id is not a text"),
        ("marks.txt", "", "no form of marks is known by '.txt'"),
    ],
)
def test_what_is_no_file_of_marks_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")):
        read_marks(written(tmp_path, text, name))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_bytes(HEAD.encode() + b"aurora,post,1,right,\xff\n")
    with pytest.raises(InvalidMarks, match="the file is not UTF-8"):
        read_marks(path)
    with pytest.raises(NotFound):
        read_marks(tmp_path / "none.csv")


def test_later_marks_win() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    cases = [CaseKey("aurora", "post", id_) for id_ in "121"]
    marks = [
        Mark("t", case, verdict, None, "x", start + timedelta(seconds=number))
        for number, (case, verdict) in enumerate(zip(cases, ("right", "wrong", "unsure"), strict=True))
    ]
    assert {case.id: mark.verdict for case, mark in newest_marks(marks).items()} == {"1": "unsure", "2": "wrong"}
