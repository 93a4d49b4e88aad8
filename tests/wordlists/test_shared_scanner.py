"""Scanners in the user's cache: compiled once, opened by all, and never believed when spoilt."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from srp_assets.wordlists import scanner
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.shared_scanner import UNUSED_SECONDS, digest_of, shared

LISTS = (ResolvedList(id="greetings", version=1, words=("hello", "good&day")), ResolvedList(id="numbers", version=3, words=("one", "two")))
TEXTS = pa.array(["hello", "a good day", "one and two", None, ""])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "srp" / "scanners"


def found() -> list[tuple[int, int, int]]:
    hits = shared(LISTS).scan(TEXTS)
    return list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True))


HITS = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (2, 1, 1)]


def test_a_scanner_is_compiled_once_and_opened_from_then_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == HITS
    assert [path.name for path in folder.iterdir()] == [f"{digest_of(LISTS)}.scanner"]
    monkeypatch.setattr(scanner, "compile", None)
    assert found() == HITS


def test_other_words_versions_and_orders_are_other_scanners(folder: Path) -> None:
    others = [LISTS, LISTS[::-1], LISTS[:1], (LISTS[0].model_copy(update={"version": 2}), LISTS[1])]
    assert len({digest_of(lists) for lists in others}) == len(others)
    for lists in others:
        shared(lists)
    assert len(list(folder.iterdir())) == len(others)


def test_a_spoilt_file_is_compiled_anew(folder: Path) -> None:
    assert found() == HITS
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for spoilt in (b"", whole[:100], whole[:-10], whole[:-10] + bytes(10), bytes(len(whole))):
        path.write_bytes(spoilt)
        assert found() == HITS
    assert path.read_bytes() == whole


def test_where_nothing_may_be_written_each_process_compiles_its_own(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    assert found() == HITS


def test_files_that_nobody_opened_for_long_are_deleted(folder: Path) -> None:
    shared(LISTS[:1])
    (unused,) = folder.iterdir()
    long_ago = time.time() - UNUSED_SECONDS - 60
    os.utime(unused, (long_ago, long_ago))
    assert found() == HITS
    assert not unused.exists()
    shared(LISTS[:1])
    assert unused.exists()
