"""Similar words: the engine against brute force, and the two observations that keep it from comparing everything."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference
from srp_assets.wordlists.similar import engine as similar_engine
from srp_assets.wordlists.similar import signatures as similar_signatures
from srp_assets.wordlists.similar.engine import SimilarEngine, SimilarEntry
from srp_assets.wordlists.similar.limit import limit_of
from srp_assets.wordlists.similar.pieces import cut
from srp_assets.wordlists.transforms import fold_of

CHARACTERS = ["a", "b", "c", "A", "é", "西", "安", "測", "测", "Ａ", "🔥", "-", " ", "\0", "\u0301"]

short = st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=6).map("".join)
long = st.lists(
    st.sampled_from(["homework", "help", "with", "my", "西安", "测试文本", "一下吧", " ", "é", "🔥"]), min_size=1, max_size=9
).map("".join)

thresholds = st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.81, 0.9, 0.95, 1.0, 1 / 3]) | st.floats(0.01, 1.0)

transforms = st.sampled_from([(), ("delete",), ("normalize",), ("simplify",), ("pinyin",)])


@st.composite
def edited(draw: st.DrawFn, words: list[str]) -> str:
    """A text that is a word after some edits."""
    text = draw(st.sampled_from(words))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(["", *CHARACTERS])) + text[place + draw(st.integers(0, 1)) :]
    return text


@st.composite
def entries(draw: st.DrawFn) -> SimilarEntry:
    names, case_sensitive = draw(transforms), draw(st.booleans())
    word = draw((short | long).filter(fold_of(names, case_sensitive)))
    return SimilarEntry(word, draw(thresholds), names, case_sensitive)


def scanned(engine: SimilarEngine, *parts: pa.Array) -> list[tuple[int, int]]:
    found = engine.scan(parts)
    assert not found.crosses.any()
    return sorted(zip(found.row.tolist(), found.entry.tolist(), strict=True))


def expected(words: list[SimilarEntry], *parts: Sequence[str | None]) -> list[tuple[int, int]]:
    found = []
    for row, texts in enumerate(zip(*parts, strict=True)):
        for number, (word, threshold, names, case_sensitive) in enumerate(words):
            fold = fold_of(names, case_sensitive)
            if any(reference.is_similar(fold(word), fold(text), threshold) for text in texts if text is not None):
                found.append((row, number))
    return found


@given(st.lists(entries(), min_size=1, max_size=5), st.data())
def test_engine_says_what_brute_force_says(words: list[SimilarEntry], data: st.DataObject) -> None:
    near = edited([entry.word for entry in words])
    rows = data.draw(st.lists(st.none() | near | near | short | st.just(""), max_size=8))
    assert scanned(SimilarEngine.build(words), pa.array(rows, pa.string())) == expected(words, rows)
    start = data.draw(st.integers(0, len(rows)))
    engine = SimilarEngine.from_arrays(SimilarEngine.build(words).to_arrays())
    parts = pa.array(rows, pa.string()).slice(start), pa.array(rows[::-1], pa.large_string()).slice(start)
    assert scanned(engine, *parts) == expected(words, rows[start:], rows[::-1][start:])


@given(long.filter(lambda word: len(word) > 8), st.sampled_from([0.7, 0.8, 0.9, 0.95]), st.data())
def test_long_words_are_found_by_their_pieces(word: str, threshold: float, data: st.DataObject) -> None:
    words = [SimilarEntry(word, threshold, (), False), SimilarEntry(word + "!", threshold, (), False)]
    rows = data.draw(st.lists(edited([word, word + word[:2]]), min_size=1, max_size=5))
    assert scanned(SimilarEngine.build(words), pa.array(rows)) == expected(words, rows)


@given(st.integers(1, 60), thresholds, st.integers(0, 200))
@example(10, 0.9, 11)
def test_a_length_is_left_out_only_if_no_text_of_it_could_be_similar(length: int, threshold: float, other: int) -> None:
    limit = limit_of(length, threshold)
    # The most alike that two texts of these lengths can be: the shorter one is the beginning of the longer.
    possible = reference.is_similar("a" * length, "a" * other, threshold)
    assert (limit.shortest <= other <= limit.longest) == possible or other == 0


@pytest.mark.parametrize(
    ("threshold", "edits", "length", "is_similar"),
    [(0.8, 1, 5, True), (0.81, 1, 5, False), (0.1, 9, 10, True), (0.9, 1, 10, True), (0.7, 3, 10, True)],
)
def test_thresholds_are_the_decimal_numbers_that_people_wrote(threshold: float, edits: int, length: int, is_similar: bool) -> None:
    word, text = "a" * length, "b" * edits + "a" * (length - edits)
    assert reference.is_similar(word, text, threshold) == is_similar
    assert scanned(SimilarEngine.build([SimilarEntry(word, threshold, (), False)]), pa.array([text])) == [(0, 0)] * is_similar


def test_words_are_cut_where_their_pieces_are_rare() -> None:
    assert cut("homeworkhelp", 2) == [(0, "homewo"), (6, "rkhelp")]
    assert cut("homeworkhelp", 3) is None
    assert cut("测试一下吧好", 2) == [(0, "测试一"), (3, "下吧好")]
    assert cut("测试一下吧", 2) is None


def test_nothing_but_a_null_has_no_text() -> None:
    engine = SimilarEngine.build([SimilarEntry("a", 1.0, (), False)])
    assert scanned(engine, pa.array([None, "", "a", "ab"])) == [(2, 0)]
    assert scanned(engine, pa.nulls(2, pa.string())) == []
    assert scanned(SimilarEngine.build([]), pa.array(["a"])) == []


@given(st.lists(short, min_size=1, max_size=6), st.sampled_from([0.2, 0.5, 0.8]), st.lists(st.none() | short, max_size=12))
def test_words_that_signatures_do_not_tell_apart_are_compared_in_blocks(words: list[str], threshold: float, rows: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similar_signatures, "SAMPLE", 1)
        patch.setattr(similar_signatures, "WORTHWHILE", 0.1)
        patch.setattr(similar_engine, "BLOCK", 2)
        patch.setattr(similar_engine, "MAX_ROWS", 5)
        patched = [SimilarEntry(word, threshold, (), True) for word in words]
        assert scanned(SimilarEngine.build(patched), pa.array(rows, pa.string())) == expected(patched, rows)


def test_signatures_are_made_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar_engine, "MAX_ROWS", 5)
    words = [SimilarEntry(word, 0.5, (), False) for word in ("abc", "abd", "xyz")]
    rows = ["abc", "xbd", "", "abcd", None, "xyzab", "xyz"] * 3
    assert scanned(SimilarEngine.build(words), pa.array(rows)) == expected(words, rows)
