"""Readers on clean and on dirty files: a broken row rejects only itself, with its raw text; what cannot be read at all is one reject."""

import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.readers import base, csv, json_lines, parquet, stackexchange
from srp_assets.warehouse.readers.base import MALFORMED, UNREADABLE, Ignored, RawBatch, Reject, Request
from srp_assets.warehouse.readers.choice import reader_named


@pytest.fixture(scope="session")
def dump_catalogue() -> Catalogue:
    return load_catalogue(PROJECT_ROOT / "examples" / "stackexchange" / "catalogue.yaml")


@pytest.fixture(params=["large batches", "small batches"])
def batches(request, monkeypatch):
    if request.param == "small batches":
        for module in (csv, json_lines, parquet, stackexchange):
            monkeypatch.setattr(module, "BATCH_ROWS", 2)


def rows_and_rejects(read, path, catalogue, entity=None):
    """Rows as (entity, source row, values that are not null, raw text), and rejects as (reason, source row, raw text)."""
    rows, rejects = [], []
    for item in read(Request(Path(path), catalogue, entity)):
        if isinstance(item, Reject):
            rejects.append((item.reason, item.source_row, item.raw_text))
        elif isinstance(item, RawBatch):
            values = {name: column if isinstance(column, list) else column.to_pylist() for name, column in item.columns.items()}
            for place in range(item.rows):
                row = {name: column[place] for name, column in values.items() if column[place] is not None}
                rows.append((item.entity, item.source_rows[place].as_py(), row, item.raw_text(place)))
    return rows, rejects


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_lines(batches, town, tmp_path):
    lines = [
        b'\xef\xbb\xbf{"post_id": 1, "tags": ["a"]}\r\n',
        b"\n",
        b'{"post_id": 2',
        b"\n[1]\n",
        b'"text"\n',
        b'{"title": "\xff"}\n',
        b"[" * 100_000 + b"\n",
        b'{"post_id": 3, "title": "\\ud800"}\n',
        b'{"post_id": 4}',
    ]
    rows, rejects = rows_and_rejects(json_lines.read, written(tmp_path, "posts.jsonl", b"".join(lines)), town, "post")
    assert [(number, row) for _, number, row, _ in rows] == [
        (1, {"post_id": 1, "tags": ["a"]}),
        (8, {"post_id": 3, "title": "\ud800"}),
        (9, {"post_id": 4}),
    ]
    assert [raw for *_, raw in rows] == ['{"post_id": 1, "tags": ["a"]}', '{"post_id": 3, "title": "\\ud800"}', '{"post_id": 4}']
    assert [(reason, number) for reason, number, _ in rejects] == [(MALFORMED, number) for number in (3, 4, 5, 6, 7)]
    assert [raw[:20] for *_, raw in rejects] == ['{"post_id": 2', "[1]", '"text"', '{"title": "\\xff"}', "[" * 20]
    assert len(rejects[-1][2]) == base.RAW_CHARACTERS


def test_json_lines_in_a_folder_and_compressed(town, tmp_path):
    written(tmp_path, "b.jsonl", '{"post_id": 2}\n')
    written(tmp_path, "a.jsonl.gz", gzip.compress(b'{"post_id": 1}\n'))
    written(tmp_path, "c.jsonl.gz", b"no gzip at all")
    written(tmp_path, "other.txt", "nothing")
    rows, rejects = rows_and_rejects(json_lines.read, tmp_path, town, "post")
    assert [row for _, _, row, _ in rows] == [{"post_id": 1}, {"post_id": 2}]
    assert [(reason, number) for reason, number, _ in rejects] == [(UNREADABLE, None)]


def test_a_line_without_end_does_not_fill_the_memory(town, tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 20)
    path = written(tmp_path, "a.jsonl", '{"title": "' + "x" * 100 + '"}\n{"post_id": 5}\n')
    rows, rejects = rows_and_rejects(json_lines.read, path, town, "post")
    assert [row for _, _, row, _ in rows] == [{"post_id": 5}]
    assert [number for _, number, _ in rejects] == [1]


def test_csv(batches, town, tmp_path):
    lines = [
        "\ufeffpost_id,title,body\r\n",
        "1,one,\r\n",
        '2,"",x\r\n',
        '3,"two\r\nlines, and ""quotes""",x\r\n',
        "4,too few\r\n",
        "5,too,many,fields\r\n",
        '6,"closed" badly,x\r\n',
        '7,12" vinyl,x\r\n',
        '8,"never closed,x\r\n',
        "9,good,x\r\n",
        "\r\n",
        "10,last,x",
    ]
    rows, rejects = rows_and_rejects(csv.read, written(tmp_path, "posts.csv", "".join(lines)), town, "post")
    assert [(number, row) for _, number, row, _ in rows] == [
        (2, {"post_id": "1", "title": "one"}),
        (3, {"post_id": "2", "title": "", "body": "x"}),
        (4, {"post_id": "3", "title": 'two\r\nlines, and "quotes"', "body": "x"}),
        (9, {"post_id": "7", "title": '12" vinyl', "body": "x"}),
        (11, {"post_id": "9", "title": "good", "body": "x"}),
        (13, {"post_id": "10", "title": "last", "body": "x"}),
    ]
    assert rejects == [
        (MALFORMED, 6, "4,too few"),
        (MALFORMED, 7, "5,too,many,fields"),
        (MALFORMED, 8, '6,"closed" badly,x'),
        (MALFORMED, 10, '8,"never closed,x'),
    ]


def test_csv_with_wrong_encoding_in_the_middle(town, tmp_path):
    path = written(tmp_path, "a.csv", b"post_id,title\n1,a\n2,\xff\xfe\n3,b\n")
    rows, rejects = rows_and_rejects(csv.read, path, town, "post")
    assert [row["post_id"] for _, _, row, _ in rows] == ["1", "3"]
    assert rejects == [(MALFORMED, 3, "2,\\xff\\xfe")]


@pytest.mark.parametrize("content", ["a,,b\n1,2,3\n", "a,a\n1,2\n", '"a\n1\n'])
def test_csv_without_a_usable_header(town, tmp_path, content):
    rows, rejects = rows_and_rejects(csv.read, written(tmp_path, "a.csv", content), town, "post")
    assert rows == []
    assert [(reason, number) for reason, number, _ in rejects] == [(UNREADABLE, None)]


FIELDS = st.lists(st.none() | st.text(alphabet='a",\n\r ', max_size=5), min_size=3, max_size=3)


@given(st.lists(FIELDS, max_size=6))
def test_csv_reads_what_csv_writes(town, tmp_path, records):
    def quoted(field):
        return "" if field is None else '"' + field.replace('"', '""') + '"'

    text = "x,y,z\n" + "".join(",".join(map(quoted, fields)) + "\n" for fields in records)
    rows, rejects = rows_and_rejects(csv.read, written(tmp_path, "a.csv", text), town, "post")
    assert rejects == []
    expected = [{name: field for name, field in zip("xyz", fields, strict=True) if field is not None} for fields in records]
    assert [row for _, _, row, _ in rows] == expected


def test_parquet(batches, town, tmp_path):
    table = pa.table({"post_id": [1, 2, 3], "title": ["a", None, "c"]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    written(tmp_path, "b.parquet", b"PAR1 this is none PAR1")
    content = (tmp_path / "a.parquet").read_bytes()
    written(tmp_path, "c.parquet", content[: len(content) // 2])
    rows, rejects = rows_and_rejects(parquet.read, tmp_path, town, "post")
    assert [(number, row, raw) for _, number, row, raw in rows] == [
        (1, {"post_id": 1, "title": "a"}, '{"post_id": 1, "title": "a"}'),
        (2, {"post_id": 2}, '{"post_id": 2}'),
        (3, {"post_id": 3, "title": "c"}, '{"post_id": 3, "title": "c"}'),
    ]
    assert [(reason, number) for reason, number, _ in rejects] == [(UNREADABLE, None)] * 2


def test_parquet_that_breaks_in_the_middle_keeps_what_was_read(town, tmp_path):
    pq.write_table(pa.table({"post_id": list(range(1000))}), tmp_path / "a.parquet", row_group_size=500, compression="zstd")
    path = tmp_path / "a.parquet"
    content = bytearray(path.read_bytes())
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    rows, rejects = rows_and_rejects(parquet.read, path, town, "post")
    assert len(rows) == 500
    assert [(reason, number) for reason, number, _ in rejects] == [(UNREADABLE, None)]


POSTS = b"""\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r
<posts>\r
  <row Id="1" PostTypeId="1" Title="A &lt;b&gt; &amp;amp; &#xA;line" Tags="&lt;a-1&gt;&lt;c++&gt;" Body="" />\r
  <row Id="2" PostTypeId="2" ParentId="1" Body='single "quotes"' />\r
  <row Id="3" PostTypeId="5" />\r
  <row Id="4" />\r
  <row Id="5" PostTypeId="1" Title="unclosed />\r
  <row Id="6" PostTypeId="1" Title="a < b" />\r
  <row Id="7" PostTypeId="1" Title="&unknown;" />\r
  <row Id="8" PostTypeId="1" Id="9" />\r
  <row Id="10" PostTypeId="1" Title="\xff" />\r
  <row Id="11" PostTypeId="1" Title="&#x0;" />\r
  <row Id="12" PostTypeId="1" Tags="|x|y|" Title="two
lines" />\r
  nonsense\r
  <row Id="13" PostTypeId="1"></row>\r
  <row Id="14" PostTypeId="2"/><row Id="15" PostTypeId="1"/>\r
  <row Id="16" PostTypeId="1" Title="cut of"""


def test_a_dump_file_with_everything_wrong(batches, dump_catalogue, tmp_path):
    rows, rejects = rows_and_rejects(stackexchange.read, written(tmp_path, "Posts.xml", POSTS), dump_catalogue)
    assert sorted((row["Id"], entity, number) for entity, number, row, _ in rows) == [
        ("1", "post", 3),
        ("12", "post", 13),
        ("13", "post", 16),
        ("14", "answer", 17),
        ("15", "post", 17),
        ("2", "answer", 4),
    ]
    by_id = {row["Id"]: row for _, _, row, _ in rows}
    assert by_id["1"] == {"Id": "1", "PostTypeId": "1", "Title": "A <b> &amp; \nline", "Tags": ["a-1", "c++"], "Body": ""}
    assert by_id["2"]["Body"] == 'single "quotes"'
    assert by_id["12"]["Tags"] == ["x", "y"]
    assert by_id["12"]["Title"] == "two lines"
    assert [(reason, number) for reason, number, _ in rejects] == [
        (stackexchange.UNKNOWN_POST_TYPE, 5),
        (stackexchange.UNKNOWN_POST_TYPE, 6),
        (MALFORMED, 7),
        (MALFORMED, 8),
        (MALFORMED, 9),
        (MALFORMED, 10),
        (MALFORMED, 11),
        (MALFORMED, 12),
        (MALFORMED, 15),
        (MALFORMED, 18),
    ]
    raw = [text for _, _, text in rejects]
    assert raw[2] == '<row Id="5" PostTypeId="1" Title="unclosed />'
    assert raw[6] == '<row Id="10" PostTypeId="1" Title="\\xff" />'
    assert raw[8] == "nonsense"


@pytest.mark.parametrize("content", [b"", b"  \n", b"Id,Title\n1,a\n", "<posts/>".encode("utf-16"), b"\x00\x01\x02"])
def test_a_file_that_is_no_xml_in_utf8(dump_catalogue, tmp_path, content):
    rows, rejects = rows_and_rejects(stackexchange.read, written(tmp_path, "Posts.xml", content), dump_catalogue)
    assert rows == []
    assert [(reason, number) for reason, number, _ in rejects] == [(UNREADABLE, None)]


def test_a_dump_on_one_line(dump_catalogue, tmp_path):
    content = b'<?xml version="1.0"?><users><row Id="1" DisplayName="a&gt;b"/><row Id="2" DisplayName="a>b"/></users>'
    rows, rejects = rows_and_rejects(stackexchange.read, written(tmp_path, "any_name.xml", content), dump_catalogue)
    assert [(entity, row["DisplayName"]) for entity, _, row, _ in rows] == [("user", "a>b"), ("user", "a>b")]
    assert rejects == []


def test_other_files_of_a_dump_are_named(dump_catalogue, tmp_path):
    written(tmp_path, "Users.xml", '<users>\n<row Id="1"/>\n</users>')
    written(tmp_path, "Votes.xml", '<votes>\n<row Id="1"/>\n</votes>')
    written(tmp_path, "license.txt", "CC BY-SA")
    items = list(stackexchange.read(Request(tmp_path, dump_catalogue)))
    assert [Path(item.source).name for item in items if isinstance(item, Ignored)] == ["Votes.xml", "license.txt"]
    assert sum(item.rows for item in items if isinstance(item, RawBatch)) == 1


def test_a_dump_for_a_catalogue_without_its_entities(town, tmp_path):
    written(tmp_path, "Users.xml", "<users/>")
    catalogue = town.model_copy(update={"entities": {"member": town.entities["member"]}})
    with pytest.raises(InvalidInput, match="no entity of a Stack Exchange dump"):
        list(stackexchange.read(Request(tmp_path, catalogue)))


@pytest.mark.parametrize(
    ("site", "rows", "other_posts"),
    [
        ("quantumcomputing", {"post": 612, "answer": 1060, "comment": 3413, "user": 3461}, 314),
        ("french.meta", {"post": 274, "answer": 487, "comment": 1305, "user": 1703}, 20),
        ("conlang.meta", {"post": 54, "answer": 115, "comment": 230, "user": 272}, 8),
    ],
)
def test_real_dumps(shared_data, dump_catalogue, site, rows, other_posts):
    found, rejects = rows_and_rejects(stackexchange.read, shared_data / "stackexchange" / site, dump_catalogue)
    assert Counter(entity for entity, *_ in found) == rows
    assert Counter(reason for reason, *_ in rejects) == {stackexchange.UNKNOWN_POST_TYPE: other_posts}


def test_unknown_names_and_places(town, tmp_path):
    with pytest.raises(InvalidInput, match="did you mean 'jsonl'"):
        reader_named("json")
    with pytest.raises(InvalidInput, match="did you mean 'post'"):
        list(json_lines.read(Request(tmp_path, town, "posts")))
    with pytest.raises(InvalidInput, match="needs to know the entity"):
        list(json_lines.read(Request(tmp_path, town)))
    with pytest.raises(InvalidInput, match="no file or folder"):
        list(json_lines.read(Request(tmp_path / "gone", town, "post")))
    with pytest.raises(InvalidInput, match="no file to read"):
        list(json_lines.read(Request(tmp_path, town, "post")))
