from pathlib import Path

import pytest

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.strategy import loading
from srp_assets.strategy.loading import find_files, load_file


def load(folder: Path, content: str | bytes, name: str = "documents.yaml") -> list:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [document.content for document in load_file(path)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".nan", ".nan"),
        ("2024-03-09", "2024-03-09"),
        ("12:30:45", "12:30:45"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("[a, 1]", ["a", 1]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("{}", {}),
    ],
)
def test_yaml_values_are_what_they_look_like(tmp_path: Path, text: str, value: object) -> None:
    (document,) = load(tmp_path, f"value: {text}")
    assert document == {"value": value}
    assert type(document["value"]) is type(value)


def test_several_documents_and_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "several.yaml"
    path.write_text("# first\na: 1\n---\n---\nb: 2\n...\n")
    assert [(document.place, document.content) for document in load_file(path)] == [(f"{path}:2", {"a": 1}), (f"{path}:5", {"b": 2})]


def test_an_alias_repeats_what_its_anchor_holds(tmp_path: Path) -> None:
    assert load(tmp_path, "a: &words [x, y]\nb: *words\nc: &one 1\nd: *one") == [{"a": ["x", "y"], "b": ["x", "y"], "c": 1, "d": 1}]


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfa: 1") == [{"a": 1}]


def test_json_holds_one_document_or_a_list(tmp_path: Path) -> None:
    assert load(tmp_path, '{"a": "é\\ud83d\\ude00"}', "one.json") == [{"a": "é😀"}]
    assert load(tmp_path, '[{"a": 1}, {"b": 2}]', "two.json") == [{"a": 1}, {"b": 2}]


LAUGHS = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{place + 1}: &a{place + 1} [{', '.join([f'*a{place}'] * 10)}]\n" for place in range(9)
)
CHAIN = "chain:\n- &a0 [1]\n" + "".join(f"- &a{place + 1} [*a{place}]\n" for place in range(200))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "x.yaml", "x.yaml:2: key 'c' stands twice in one mapping"),
        ("a: [1", "x.yaml", "this is no YAML"),
        ("- a\n- b", "x.yaml", "x.yaml:1: a document is a mapping of keys"),
        ("just text", "x.yaml", "a document is a mapping of keys"),
        ("", "x.yaml", "the file holds no document"),
        ("---\n---\n", "x.yaml", "the file holds no document"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "x.yaml",
            "x.yaml:1: tag tag:yaml.org,2002:python/object/apply:os.system is not allowed",
        ),
        ("a: !mine x", "x.yaml", "tag !mine is not allowed"),
        ("? [a]\n: 1", "x.yaml", "a key is not a text"),
        ("a: &x [*x]", "x.yaml", "alias *x is not defined before it"),
        (LAUGHS, "x.yaml", "more than 2,000,000 values with its aliases written out"),
        (CHAIN, "x.yaml", "nests deeper than 64 levels"),
        ("a: " + "[" * 65 + "]" * 65, "x.yaml", "nests deeper than 64 levels"),
        ("a: 1e999", "x.yaml", "a number is not finite"),
        ("a: " + "9" * 5000, "x.yaml", "a number has too many digits"),
        (b"a: \xff", "x.yaml", "x.yaml:1: the file is not UTF-8"),
        ("a: \x01", "x.yaml", "this is no YAML: control characters are not allowed"),
        ('{"a": 1, "a": 2}', "x.json", "key 'a' stands twice in one object"),
        ('{"a": [{"b": 1, "b": 2}]}', "x.json", "key 'b' stands twice in one object"),
        ('{"a": NaN}', "x.json", "a number is not finite"),
        ('{"a": 1e999}', "x.json", "a number is not finite"),
        ('{"a": "\\ud800"}', "x.json", "a text holds half of a surrogate pair"),
        ('{"a": 1', "x.json", "x.json:1: this is no JSON"),
        ("[" * 100_000, "x.json", "the file nests too deeply"),
        ('{"a": ' + "[" * 65 + "]" * 65 + "}", "x.json", "nests deeper than 64 levels"),
        ('{"a": ' + "9" * 5000 + "}", "x.json", "a number of too many digits"),
        ("[1, 2]", "x.json", "a document is a mapping of keys"),
        ("", "x.json", "this is no JSON"),
    ],
)
def test_bad_files_are_refused_with_their_place(tmp_path: Path, content: str | bytes, name: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, content, name)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert caught.value.remedy


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_BYTES", 10)
    with pytest.raises(InvalidInput, match="larger than 10 bytes"):
        load(tmp_path, "a: 12345678901")


def test_folders_give_their_documents_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "deep/c.JSON", "notes.txt", ".hidden.yaml", ".git/d.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: 1")
    found = find_files([tmp_path, tmp_path / "b.yaml"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.yml", "b.yaml", "deep/c.JSON"]


def test_paths_without_documents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such file or folder"):
        find_files([tmp_path / "absent.yaml"])
    with pytest.raises(NotFound, match="the folder holds no YAML or JSON file"):
        find_files([tmp_path])
