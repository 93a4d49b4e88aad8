"""Words found by their bytes are those that the automaton finds, and a way is taken only where it is faster."""

import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.columns import units_of
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.simple import literals, strides
from srp_assets.wordlists.simple.byte_search import suspects_of
from srp_assets.wordlists.simple.engine import TRIAL_EVERY_BYTES, SimpleEngine
from srp_assets.wordlists.simple.literals import Literals
from srp_assets.wordlists.simple.strides import Strides, planned
from srp_assets.wordlists.transforms import fold_of

CASES = fold_of((), case_sensitive=False)

pieces = st.sampled_from(["k", "K", "\u212a", "s", "ſ", "ß", "é", "É", "e\u0301", "в", "В", "西", "安", "🔥", "ab", " "])
texts = st.lists(pieces, max_size=12).map("".join)
words = st.lists(st.lists(pieces, min_size=1, max_size=3).map("".join), min_size=1, max_size=6, unique=True)


def engine_of(found: scanner.Scanner) -> SimpleEngine:
    [only] = found._passes
    assert isinstance(only.engine, SimpleEngine)
    return only.engine


def pairs(row: np.ndarray, entry: np.ndarray) -> set[tuple[int, int]]:
    found = list(zip(row.tolist(), entry.tolist(), strict=True))
    assert len(set(found)) == len(found)
    return set(found)


@given(words.filter(lambda found: all(map(str.strip, found))), st.lists(st.none() | texts, max_size=8), st.booleans())
def test_all_ways_answer_the_same(found: list[str], rows: list[str | None], case_sensitive: bool) -> None:
    list_ = ResolvedList(id="list", version=1, words=tuple(found), case_sensitive=case_sensitive)
    engine = engine_of(scanner.compile([list_]))
    units = units_of([pa.array(rows, pa.string())])
    by_automaton = engine.automaton.scan_units(units)
    expected = pairs(by_automaton.row, by_automaton.entry)
    assert "literals" in engine.searches
    for search in engine.searches.values():
        hits = engine.by_bytes(search, units)
        assert pairs(hits.row, hits.entry) == expected


letters = st.text(st.sampled_from("abcABC éÉ西安🔥"), min_size=1, max_size=12)


@given(
    st.lists(letters.filter(lambda word: len(word.encode()) > 1 and word.strip()), min_size=1, max_size=30, unique=True),
    st.lists(st.none() | st.lists(letters, max_size=8).map("".join), max_size=30),
    st.booleans(),
    st.data(),
)
def test_strides_find_words_however_they_lie(found: list[str], rows: list[str | None], case_sensitive: bool, data: st.DataObject) -> None:
    rows = [*rows, *(data.draw(letters) + word + data.draw(letters) for word in found[:5]), found[-1]]
    fold = fold_of((), case_sensitive=case_sensitive)
    engine = SimpleEngine.build(list(dict.fromkeys(map(fold, found))), [], fold)
    units = units_of([pa.array(rows, pa.string())])
    by_automaton = engine.automaton.scan_units(units)
    hits = engine.by_bytes(engine.searches["strides"], units)
    assert pairs(hits.row, hits.entry) == pairs(by_automaton.row, by_automaton.entry)


@pytest.mark.parametrize("lengths", [[3] * 5 + [9] * 1_000, [2] * 3 + [5] * 900, [7] * 1_000, [12] * 50_000, [3] * 4_000, [40]])
def test_every_plan_reads_whole_windows_of_its_words(lengths: list[int]) -> None:
    lengths = [max(3, length) for length in lengths]
    plan = planned(np.array(lengths))
    short, long = ([length for length in lengths if (length < plan.long_from) == is_short] for is_short in (True, False))
    assert plan.long_window <= min(8, *long)
    assert plan.stride < plan.long_window
    if plan.has_short:
        assert plan.stride < plan.short_window <= min(short)
    else:
        assert not short


def test_words_of_many_pieces_of_text_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = fold_of((), case_sensitive=True)
    rows = [f"{'hay ' * (number % 7)}needle{number % 3} {'straw' * 40}" for number in range(2_000)]
    units = units_of([pa.array(rows)])
    built = Strides.build(["needle1", "straw h", "eedle2 s"], fold)
    hits = built.scan(units)
    assert pairs(hits.row, hits.word) == {
        (row, word) for row, text in enumerate(rows) for word, wanted in enumerate(("needle1", "straw h", "eedle2 s")) if wanted in text
    }
    monkeypatch.setattr(strides, "MOST_HITS_PER_BYTE", 0)
    assert built.scan(units) is None  # 1,333 hits are more than there is room for


@pytest.mark.parametrize("found", [[], ["a"], ["ab\0"], ["ab\ufffd"], [f"{number:02x}" for number in range(strides.MOST_TOO_SHORT + 1)]])
def test_words_that_strides_cannot_find_are_left_to_others(found: list[str]) -> None:
    assert Strides.build(found, CASES) is None


@pytest.mark.parametrize(
    ("found", "fold"),
    [
        ([], CASES),
        (["a\0"], CASES),
        (["a\ufffd"], CASES),
        (["ab"], fold_of(("delete",), case_sensitive=False)),
        ([str(number) for number in range(literals.MOST_WORDS + 1)], CASES),
    ],
)
def test_what_hyperscan_cannot_find_exactly_is_left_to_the_automaton(found: list[str], fold) -> None:
    assert Literals.build(found, fold) is None


def test_characters_of_no_word_are_not_suspect() -> None:
    assert suspects_of(["köln"], CASES) == ["Ö", "\u212a"]
    assert suspects_of(["西安"], CASES) == []
    assert suspects_of(["Köln"], fold_of((), case_sensitive=True)) == []


def test_too_many_hits_are_left_to_the_automaton() -> None:
    built = Literals.build(["a"], CASES)
    assert built.scan(units_of([pa.array(["a" * 100_000])])) is None
    assert len(built.scan(units_of([pa.array(["a" + "b" * 1_000] * 100)])).row) == 100


def test_the_fastest_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    list_ = ResolvedList(id="list", version=1, words=("needle", "pin"))
    rows = [*["hay " * 20] * 2_000, "a needle in hay", "PIN"]
    column = pa.array(rows)
    found = scanner.compile([list_])
    engine = engine_of(found)
    taken = []
    fast = [""]

    def slowed(way: str, scan):
        def scanned(*args: object):
            taken.append(way)
            if way != fast[0]:
                began = time.thread_time()
                while time.thread_time() < began + 0.02:
                    pass
            return scan(*args)

        return scanned

    object.__setattr__(engine.automaton, "scan_units", slowed("automaton", engine.automaton.scan_units))
    for way, search in engine.searches.items():
        monkeypatch.setattr(search, "scan", slowed(way, search.scan))
    expected = reference.scan([list_], [[row] for row in rows])
    assert list(engine.searches) == ["strides", "literals"]
    for fast[0] in ("automaton", "strides", "literals"):
        for again in range(2):
            taken.clear()
            hits = found.scan(column)
            assert list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True)) == expected
            if again:  # the first time all are tried
                assert taken == [fast[0]]
        engine._bytes_to_trial = 0
    assert len(rows[0]) < TRIAL_EVERY_BYTES


def test_rules_are_for_the_automaton() -> None:
    assert engine_of(scanner.compile([ResolvedList(id="list", version=1, words=("ab", "a&b"))])).searches == {}


def test_without_hyperscan_the_others_do_all(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    list_ = ResolvedList(id="list", version=1, words=("ab",))
    with_hyperscan = scanner.compile([list_])
    with_hyperscan.save(tmp_path / "lists")
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    for found in (scanner.compile([list_]), scanner.load(tmp_path / "lists")):
        assert list(engine_of(found).searches) == ["strides"]
        assert found.scan(pa.array(["xAb", "b"])).row.tolist() == [0]


def test_a_database_of_another_machine_is_not_used() -> None:
    arrays = SimpleEngine.build(["ab"], [], CASES).to_arrays()
    arrays["literals.database"] = np.zeros(100, np.uint8)
    engine = SimpleEngine.from_arrays(arrays)
    assert list(engine.searches) == ["strides"]
    assert engine.scan([pa.array(["ab"])]).row.tolist() == [0]
