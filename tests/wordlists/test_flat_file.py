"""A saved scanner is the same scanner, mapped from one file; a file that is anything else is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.wordlists import flat_file, scanner
from srp_assets.wordlists.flat_file import FlatFileError
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList

LISTS = [
    ResolvedList(id="plain", version=1, words=("ab", "西安", "é"), exempt=(ExemptGroup(words=("x~y",), transforms=("delete",)),)),
    ResolvedList(id="rules", version=1, words=("a&b", "b|c~d", "ab"), transforms=("normalize",)),
    ResolvedList(id="empty", version=1, words=()),
    ResolvedList(id="patterns", version=1, type="regex", words=("a+b", "^西")),
    ResolvedList(id="similar", version=1, type="similar", threshold=0.5, words=("abcd",)),
]
TEXTS = pa.array(["ab", "西安 ab", None, "", "x", "aabcd", "É", "b", "ab x"] * 40)


def answers(found: scanner.Scanner) -> list[list[int]]:
    hits = found.scan_parts([TEXTS, TEXTS.slice(1).cast(pa.string()).take(pa.array([*range(len(TEXTS) - 1), 0]))])
    return [array.tolist() for array in (hits.row, hits.list, hits.word, hits.crosses, hits.silenced)]


def test_a_saved_scanner_answers_the_same(tmp_path: Path) -> None:
    built = scanner.compile(LISTS)
    built.save(tmp_path / "lists")
    loaded = scanner.load(tmp_path / "lists")
    assert answers(loaded) == answers(built)
    assert any(answers(built)[0])
    assert loaded.nbytes == built.nbytes
    assert built.nbytes <= (tmp_path / "lists").stat().st_size < built.nbytes + 64_000
    assert [path.name for path in tmp_path.iterdir()] == ["lists"]
    loaded.save(tmp_path / "again")
    assert answers(scanner.load(tmp_path / "again")) == answers(built)


def test_the_tables_are_mapped_and_not_copied(tmp_path: Path) -> None:
    scanner.compile(LISTS).save(tmp_path / "lists")
    arrays = [array for array in flat_file.load(tmp_path / "lists").values() if array.size]
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in arrays)
    assert all(array.ctypes.data % 64 == 0 for array in arrays)


def test_a_scanner_without_lists_is_saved_too(tmp_path: Path) -> None:
    scanner.compile([]).save(tmp_path / "none")
    assert len(scanner.load(tmp_path / "none").scan(TEXTS)) == 0


def other_version(contents: bytes) -> bytes:
    return contents.replace(json.dumps({"version": flat_file.VERSION})[1:-1].encode(), json.dumps({"version": 7})[1:-1].encode(), 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda contents: b"", "no scanner"),
        (lambda contents: b"PK\3\4" + contents, "no scanner"),
        (lambda contents: contents[:40], "header"),
        (lambda contents: contents[:-1], "cut or damaged"),
        (lambda contents: contents + b"\0", "cut or damaged"),
        (lambda contents: contents[:-100] + b"\1" + contents[-99:], "cut or damaged"),
        (other_version, "format version 7"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = tmp_path / "lists"
    scanner.compile(LISTS).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FlatFileError, match=message) as refused:
        scanner.load(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        scanner.compile(LISTS).save(tmp_path / "lists")
    assert list(tmp_path.iterdir()) == []
