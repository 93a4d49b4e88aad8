"""Words by hyperscan answer as the automaton does, and are chosen only where that is faster."""

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
from srp_assets.wordlists.simple import literals
from srp_assets.wordlists.simple.engine import TRIAL_EVERY_BYTES, SimpleEngine
from srp_assets.wordlists.simple.literals import Literals
from srp_assets.wordlists.transforms import fold_of

CASES = fold_of((), case_sensitive=False)

pieces = st.sampled_from(["k", "K", "\u212a", "s", "ſ", "ß", "é", "É", "e\u0301", "в", "В", "西", "安", "🔥", "ab", " "])
texts = st.lists(pieces, max_size=12).map("".join)
words = st.lists(st.lists(pieces, min_size=1, max_size=3).map("".join), min_size=1, max_size=6, unique=True)


def engine_of(found: scanner.Scanner) -> SimpleEngine:
    [only] = found._passes
    assert isinstance(only.engine, SimpleEngine)
    return only.engine


@given(words.filter(lambda found: all(map(str.strip, found))), st.lists(st.none() | texts, max_size=8), st.booleans())
def test_both_ways_answer_the_same(found: list[str], rows: list[str | None], case_sensitive: bool) -> None:
    list_ = ResolvedList(id="list", version=1, words=tuple(found), case_sensitive=case_sensitive)
    engine = engine_of(scanner.compile([list_]))
    units = units_of([pa.array(rows, pa.string())])
    by_literals = engine._by_literals(engine._literals, units)
    by_automaton = engine.automaton.scan_units(units)
    assert set(zip(by_literals.row, by_literals.entry, strict=True)) == set(zip(by_automaton.row, by_automaton.entry, strict=True))
    assert len(by_literals.row) == len(by_automaton.row)


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
    assert literals._suspects(["köln"], CASES) == ["Ö", "\u212a"]
    assert literals._suspects(["西安"], CASES) == []
    assert literals._suspects(["Köln"], fold_of((), case_sensitive=True)) == []


def test_too_many_hits_are_left_to_the_automaton() -> None:
    built = Literals.build(["a"], CASES)
    assert built.scan(units_of([pa.array(["a" * 100_000])])) is None
    assert len(built.scan(units_of([pa.array(["a" + "b" * 1_000] * 100)])).row) == 100


def test_the_faster_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    list_ = ResolvedList(id="list", version=1, words=("needle", "pin"))
    rows = [*["hay " * 20] * 2_000, "a needle in hay", "PIN"]
    column = pa.array(rows)
    found = scanner.compile([list_])
    engine = engine_of(found)
    taken = []
    scan_units, by_literals = engine.automaton.scan_units, engine._by_literals

    slow = [""]

    def slowly(way: str, scan):
        def scanned(*args: object):
            taken.append(way)
            if way == slow[0]:
                time.sleep(0.05)
            return scan(*args)

        return scanned

    object.__setattr__(engine.automaton, "scan_units", slowly("automaton", scan_units))
    monkeypatch.setattr(engine, "_by_literals", slowly("literals", by_literals))
    expected = reference.scan([list_], [[row] for row in rows])
    for slow[0], fast in (("automaton", "literals"), ("literals", "automaton")):
        for again in range(3):
            taken.clear()
            hits = found.scan(column)
            assert list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True)) == expected
            if again:  # the first time both are tried
                assert taken == [fast]
        engine._bytes_to_trial = 0
    assert len(rows[0]) < TRIAL_EVERY_BYTES


def test_rules_are_for_the_automaton() -> None:
    assert engine_of(scanner.compile([ResolvedList(id="list", version=1, words=("a", "a&b"))]))._literals is None


def test_without_hyperscan_the_automaton_does_all(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    list_ = ResolvedList(id="list", version=1, words=("ab",))
    with_hyperscan = scanner.compile([list_])
    with_hyperscan.save(tmp_path / "lists")
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    for found in (scanner.compile([list_]), scanner.load(tmp_path / "lists")):
        assert engine_of(found)._literals is None
        assert found.scan(pa.array(["xAb", "b"])).row.tolist() == [0]


def test_a_database_of_another_machine_is_not_used(tmp_path) -> None:
    arrays = SimpleEngine.build(["ab"], [], CASES).to_arrays()
    arrays["literals.database"] = np.zeros(100, np.uint8)
    engine = SimpleEngine.from_arrays(arrays)
    assert engine._literals is None
    assert engine.scan([pa.array(["ab"])]).row.tolist() == [0]
