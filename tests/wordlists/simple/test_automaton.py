"""The automaton in all its ways of working: every choice of windows, several parts, forks and threads, and what it may cost."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.wordlists import kernels, reference, scanner
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.simple import windows

WINDOWS = [(), (2,), (3, 2), (5, 2), (9, 2), (4, 3, 2), (7, 4, 2)]
"""None, one, two and three; shorter than most words and longer."""

letters = st.sampled_from(["a", "b", "A", "西", "é", "🔥"])
short_words = st.text(letters, min_size=1, max_size=7)
"""Of so few letters that words stand within and across one another everywhere."""

logical_words = st.builds(
    lambda required, operators, others: required[0] + "".join(map("".join, zip(operators, others, strict=False))),
    st.lists(short_words, min_size=1, max_size=1),
    st.lists(st.sampled_from("&~|"), max_size=3),
    st.lists(short_words, min_size=3, max_size=3),
)

lists = st.builds(
    lambda words, exempt, transforms, case_sensitive: ResolvedList(
        id="list",
        version=1,
        words=tuple(words),
        transforms=transforms,
        case_sensitive=case_sensitive,
        exempt=(ExemptGroup(words=tuple(exempt)),) if exempt else (),
    ),
    st.lists(short_words | logical_words, min_size=1, max_size=8),
    st.lists(short_words, max_size=1),
    st.sampled_from([(), ("normalize",), ("pinyin",), ("pinyin_char",)]),
    st.booleans(),
)


def triples(hits: scanner.Hits) -> list[tuple[int, int, int]]:
    return list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True))


@pytest.mark.parametrize("chosen", WINDOWS, ids=str)
@given(found=st.lists(lists, min_size=1, max_size=2), rows=st.lists(st.text(letters, max_size=30), max_size=4))
def test_every_choice_of_windows_answers_the_same(
    monkeypatch: pytest.MonkeyPatch, chosen: tuple[int, ...], found: list[ResolvedList], rows: list[str]
) -> None:
    monkeypatch.setattr(windows, "chosen", lambda lengths, counts: chosen)
    assert triples(scanner.compile(found).scan(pa.array(rows, pa.string()))) == reference.scan(found, [[row] for row in rows])


@given(found=lists, rows=st.lists(st.lists(st.none() | st.text(letters, max_size=12), min_size=3, max_size=3), max_size=4))
def test_a_hit_crosses_if_no_part_alone_would_have_hit(found: ResolvedList, rows: list[list[str | None]]) -> None:
    hits = scanner.compile([found]).scan_parts([pa.array([row[part] for row in rows], pa.string()) for part in range(3)])
    assert triples(hits) == reference.scan([found], rows)
    alone = [[reference.words_hit(found, [part]) for part in row] for row in rows]
    crosses = [not any(word in part for part in alone[row]) for row, word in zip(hits.row.tolist(), hits.word.tolist(), strict=True)]
    assert hits.crosses.tolist() == crosses


def test_segments_in_different_parts_are_marked() -> None:
    words = ResolvedList(id="list", version=1, words=("a&b", "a", "a|b&a|b", "b~c"))
    hits = scanner.compile([words]).scan_parts([pa.array(["a", "ab", "a"]), pa.array(["b", "b", None])])
    found = list(zip(*(array.tolist() for array in (hits.row, hits.word, hits.crosses)), strict=True))
    assert found == [
        *[(0, 0, True), (0, 1, False), (0, 2, True), (0, 3, False)],
        *[(1, 0, False), (1, 1, False), (1, 2, False), (1, 3, False)],
        (2, 1, False),
    ]


def test_the_windows_fit_the_words() -> None:
    symbols = np.concatenate([[0], np.full(26, 1000)])
    assert windows.chosen(np.full(1000, 12), symbols)[0] >= 5
    mixed = windows.chosen(np.array([2, 3, *[9] * 1000]), symbols)
    assert len(mixed) > 1
    assert mixed[-1] == 2
    assert windows.chosen(np.full(5_000, 2), symbols) == ()
    assert windows.chosen(np.array([1]), np.array([0, 1])) != (1,)
    assert windows.chosen(np.array([], np.int64), np.array([0])) == (2,)


FORKED = """
import os
import signal
import pyarrow as pa
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.scanner import compile

scanner = compile([ResolvedList(id="list", version=1, words=("ab", "b&c")), ResolvedList(id="plain", version=1, words=("x",))])
texts = pa.array(["ab", "cb", "x"] * 30_000)
hits = lambda: (lambda found: (found.row.tolist(), found.list.tolist(), found.word.tolist()))(scanner.scan(texts))
in_parent = hits()
assert len(in_parent[0]) == 90_000
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if hits() == in_parent else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0)
"""


def test_a_scanner_that_was_used_still_works_after_a_fork() -> None:
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=120, check=False).returncode == 0


def test_threads_may_share_a_scanner() -> None:
    found = [ResolvedList(id="list", version=1, words=("ab", "b&c", "c~a")), ResolvedList(id="plain", version=1, words=("xyz", "bc"))]
    shared = scanner.compile(found)
    columns = [pa.array([("ab", "cb", "xyz", "bca")[(row + shift) % 4] for row in range(20_000)]) for shift in range(4)]
    alone = [triples(shared.scan(column)) for column in columns]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda column: triples(shared.scan(column)), columns * 4)) == alone * 4


MEASURED = """
import resource
from random import Random
from srp_assets.wordlists import scanner
from srp_assets.wordlists.resolved import ResolvedList

chance = Random(1)
letters = [chr(code) for code in range(0x4E00, 0x4E00 + 6000)]
words = tuple({"".join(chance.choices(letters, k=chance.randint(1, 5))) for _ in range(100_000)})
scanner.compile([ResolvedList(id="few", version=1, words=words[:10])])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
compiled = scanner.compile([ResolvedList(id="many", version=1, words=words)])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * RSS_UNIT, compiled.nbytes)
"""

MOST_BYTES = 64 << 20


def test_a_hundred_thousand_words_fit_in_64_megabytes() -> None:
    unit = "1" if sys.platform == "darwin" else "1024"  # what `ru_maxrss` counts in
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.replace("RSS_UNIT", unit)], timeout=120, check=True, capture_output=True, text=True
    )
    grown, flat = map(int, run.stdout.split())
    assert grown < MOST_BYTES
    assert flat < MOST_BYTES / 2


def test_kernels_are_compiled_anew_where_nothing_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = kernels.njit
    asked = []

    def without_cache(signature: object, *, cache: bool = False, **flags: object) -> object:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return compile_(signature, **flags)

    monkeypatch.setattr(kernels, "njit", without_cache)

    @kernels.kernel(kernels.types.int64(kernels.types.int64))
    def doubled(number: int) -> int:
        return 2 * number

    assert doubled(4) == 8
    assert asked == [True, False]
