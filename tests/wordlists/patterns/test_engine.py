"""The pattern engine against the naive reference, on generated patterns and texts."""

import sys
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference
from srp_assets.wordlists.patterns import engine as pattern_engine
from srp_assets.wordlists.patterns.engine import PatternEngine, PatternOutOfTime
from srp_assets.wordlists.patterns.entries import PatternEntry, check_entry
from srp_assets.wordlists.resolved import ListType
from srp_assets.wordlists.syntax import WordError

CHARACTERS = ["a", "b", "A", "é", "É", "ſ", "i", "İ", "ı", "1", "٣", "_", " ", "\n", "-", ",", "。", "西", "安", "Ａ", "🔥", "\0", "\u200d"]

texts = st.lists(st.sampled_from(CHARACTERS) | st.characters(exclude_categories=["Cs"]), max_size=12).map("".join)

transforms = st.sampled_from([(), ("delete",), ("normalize",), ("emoji", "normalize"), ("simplify", "pinyin_char")])

ATOMS = [
    *["a", "b", "A", "é", "i", "1", "-", " ", r"\n", "西", "🔥", ".", r"\d", r"\w", r"\W", r"\s", r"\S", r"\p{P}", r"\p{Lu}", r"\x41"],
    *["[ab]", "[^a]", "[a-z]", r"[\w-]", r"[^\s西]", "[[:punct:]]", "[À-ÿ]", r"\.", r"\u897f"],
    *["^", "$", r"\b", r"\B", r"\A", r"\Z"],
]


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}", "*?", "+?", "{1,9}", "{9,}"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda branches: f"(?:{'|'.join(branches)})"),
        st.tuples(inner, quantifiers).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?-i:", "(?s:", "(?m:"]), inner).map(
            lambda pair: f"{pair[0]}{pair[1]})"
        ),
    )


regexes = st.recursive(st.sampled_from(ATOMS), _grown, max_leaves=8)

tried = st.sampled_from(
    [r"(a|b)\1", r"(.)\1{2,}", r"(\w+)\s+\1", r"(?P<x>[ab]|西)-?(?P=x)", "(?>a|ab)b", "a++b", r"\b(.)(.)\2\1", r"(a)?b\1"]
)

beginnings = st.sampled_from(["a", "b", "A", "西", "ab", "é", "1", r"\,", "a\n", "-", "🔥"])


def is_good(entry: PatternEntry) -> bool:
    try:
        check_entry(entry)
    except WordError:
        return False
    return True


@st.composite
def entries(draw: st.DrawFn) -> PatternEntry:
    type_: ListType = draw(st.sampled_from(["regex", "similar_char", "acrostic"]))
    rows = st.lists(beginnings, min_size=1, max_size=3).map(",".join)
    words = {
        "regex": (regexes | tried).map(lambda word: (word,)),
        "acrostic": rows.map(lambda word: (word,)),
        "similar_char": st.lists(rows, min_size=1, max_size=3).map(tuple),
    }
    entry = PatternEntry(type_, draw(words[type_]), draw(transforms), draw(st.booleans()))
    # A refused pattern is no example; to filter would throw away most of what is drawn together with it.
    return entry if is_good(entry) else entry._replace(words=("a",))


def scanned(engine: PatternEngine, *parts: pa.Array) -> list[tuple[int, int]]:
    found = engine.scan(parts)
    assert not found.crosses.any()
    return sorted(zip(found.row.tolist(), found.entry.tolist(), strict=True))


def expected(patterns: list[PatternEntry], *parts: Sequence[str | None]) -> list[tuple[int, int]]:
    rows = zip(*parts, strict=True)
    return [(row, number) for row, text in enumerate(rows) for number, entry in enumerate(patterns) if reference.pattern_hits(entry, text)]


@given(st.lists(entries(), max_size=4), st.lists(st.none() | texts, max_size=8))
def test_engine_says_what_the_reference_says(patterns: list[PatternEntry], rows: list[str | None]) -> None:
    assert scanned(PatternEngine.build(patterns), pa.array(rows, pa.string())) == expected(patterns, rows)


@given(st.lists(entries(), min_size=1, max_size=3), st.lists(st.tuples(st.none() | texts, st.none() | texts), max_size=6), st.data())
def test_parts_and_slices_hold_the_same_texts(
    patterns: list[PatternEntry], rows: list[tuple[str | None, str | None]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(rows)))
    columns = [row[0] for row in rows], [row[1] for row in rows]
    arrays = pa.array(columns[0], pa.string()).slice(start), pa.array(columns[1], pa.large_string()).slice(start)
    assert scanned(PatternEngine.build(patterns), *arrays) == expected(patterns, columns[0][start:], columns[1][start:])


@given(st.lists(entries(), min_size=1, max_size=3), st.lists(st.none() | texts, max_size=6))
def test_re2_finds_the_same_where_hyperscan_is_not_there(patterns: list[PatternEntry], rows: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hyperscan", None)
        engine = PatternEngine.build(patterns)
        assert all(len(array) == 0 for name, array in engine.to_arrays().items() if name.startswith("database"))
        assert scanned(engine, pa.array(rows, pa.string())) == expected(patterns, rows)


def opened(arrays: dict[str, np.ndarray]) -> PatternEngine:
    for array in arrays.values():
        array.setflags(write=False)
    return PatternEngine.from_arrays(arrays)


@given(st.lists(entries(), max_size=3), st.lists(st.none() | texts, max_size=6), st.booleans())
def test_an_engine_that_was_written_says_the_same(patterns: list[PatternEntry], rows: list[str | None], has_hyperscan: bool) -> None:
    arrays = {name: array.copy() for name, array in PatternEngine.build(patterns).to_arrays().items()}
    with pytest.MonkeyPatch.context() as patch:
        if not has_hyperscan:
            patch.setitem(sys.modules, "hyperscan", None)
        assert scanned(opened(arrays), pa.array(rows, pa.string())) == expected(patterns, rows)


def regex_entry(word: str) -> PatternEntry:
    return PatternEntry("regex", (word,), (), False)


def test_a_database_of_another_machine_is_compiled_anew() -> None:
    patterns = [regex_entry("homework"), regex_entry("essay")]
    arrays = {name: array.copy() for name, array in PatternEngine.build(patterns).to_arrays().items()}
    arrays["database_0"] = arrays["database_0"][:-1]
    assert scanned(opened(arrays), pa.array(["an essay", "", "Homework"])) == [(0, 1), (2, 0)]


def test_a_filter_that_hyperscan_does_not_take_is_looked_for_in_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = [regex_entry("homework"), regex_entry("essay"), regex_entry("thesis")]
    monkeypatch.setattr(pattern_engine, "filter_of", lambda pattern: "(" if pattern.source == "essay" else pattern.source)
    engine = PatternEngine.build(patterns)
    rows = pa.array(["an essay", "", "a thesis", "homework"])
    assert scanned(engine, rows) == [(0, 1), (2, 2), (3, 0)]
    assert scanned(opened(engine.to_arrays()), rows) == [(0, 1), (2, 2), (3, 0)]


def test_texts_that_only_together_hold_a_pattern_do_not_hit() -> None:
    engine = PatternEngine.build([regex_entry("homework"), regex_entry("^work"), regex_entry("home$"), regex_entry("(.)(.)k$")])
    assert scanned(engine, pa.array(["xhome", "workx", None, "home", "work"])) == [(0, 2), (1, 1), (3, 2), (4, 1), (4, 3)]


def test_patterns_without_a_filter_are_looked_for_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_engine, "MAX_PAIRS", 5)
    patterns = [regex_entry(word) for word in (r"\d", "a", "^(?!.*b)", r"\w$", "b")]
    rows = ["a1", "b", None, "", "ab"]
    assert scanned(PatternEngine.build(patterns), pa.array(rows)) == expected(patterns, rows)


def test_bytes_behind_a_null_and_bytes_that_are_no_utf8_hit_nothing() -> None:
    offsets = pa.py_buffer(np.array([0, 1, 2, 5], np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(bytes([0b101])), offsets, pa.py_buffer(b"aa\xffa\xc3")])
    assert scanned(PatternEngine.build([regex_entry("a"), regex_entry("^(?!.*b)"), regex_entry("^.a.$")]), column) == [
        *((0, 0), (0, 1)),
        *((2, 0), (2, 1), (2, 2)),
    ]


def test_a_pattern_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_engine, "TRIAL_SECONDS", 0.05)
    engine = PatternEngine.build([regex_entry("homework"), regex_entry(r"(\w+)(\w+)(\w+)\3\2\1!")])
    with pytest.raises(PatternOutOfTime) as caught:
        engine.scan([pa.array(["ab" * 1000 + "ab!"] * 3)])
    assert caught.value.entry == 1


def test_an_engine_may_be_used_in_several_threads() -> None:
    patterns = [regex_entry("homework|essay"), regex_entry(r"\bthesis\b")]
    rows = pa.array(["an essay", "a thesis", "homework"] * 500)
    engine = PatternEngine.build(patterns)
    results: list[list[tuple[int, int]]] = []
    threads = [threading.Thread(target=lambda: results.append(scanned(engine, rows))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [scanned(engine, rows)] * 4


@pytest.mark.parametrize("pattern", [r"\b(?:a|b)c.*d", r"(?=.*x)(?=.*y).*z", r"a.*b.*c.*d.*e", r"(?<=a.*)b$"])
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    """Backtracking would take hours for each of these texts."""
    engine = PatternEngine.build([regex_entry(pattern)])
    assert scanned(engine, pa.array(["ac" * 50_000, "xy" * 50_000, "abcd" * 25_000])) == []


@example("a,b", "a\n. b")
@given(st.lists(beginnings, min_size=1, max_size=4).map(",".join), texts)
def test_acrostics_are_found_among_boundaries(word: str, text: str) -> None:
    patterns = [PatternEntry("acrostic", (written,), (), False) for written in (word, "a,b", "西", word + ",a")]
    dense = text.replace("_", ", ").replace("1", "\n")
    assert scanned(PatternEngine.build(patterns), pa.array([dense, text])) == expected(patterns, [dense, text])


def test_many_acrostics_are_followed_at_once() -> None:
    words = [f"{first},{second},{third}" for first in "abcdef" for second in "abcdef" for third in "abcdef"]
    patterns = [PatternEntry("acrostic", (word,), (), False) for word in words]
    rows = ["a b c", "a\nb\nc", "ax bx. dx", "f, e, d, c", "", "fa", "a x\ny\nb c"]
    assert scanned(PatternEngine.build(patterns), pa.array(rows)) == expected(patterns, rows)
