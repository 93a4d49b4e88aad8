"""The scanner against the naive reference, on generated lists and texts and on every shape in which Arrow may hold a text."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.simple import automaton
from srp_assets.wordlists.syntax import WordError, parse, rule_of
from srp_assets.wordlists.transforms import TRANSFORMS, fold_of

PIECES = [
    *["a", "b", "A", "ab", "aa", "ba", "hello", "World", "é", "É", "e\u0301", "ß", "ẞ", "ss", "В", "в", "İ", "Σ", "ς"],
    *["Ａ", "①", "𝜢", "ⓞ", "½", "12", "1", " ", "  ", "-", "*", "\n", "\0", "\t", "\u200d", "\ufe0f"],
    *[
        "西",
        "安",
        "西安",
        "喜昂",
        "先",
        "现",
        "xi",
        "an",
        " xi an",
        "xian",
        "測",
        "测",
        "蟲",
        "艸",
        "虫艹",
        "妳",
        "你",
        "一",
        "万",
        "⾝",
        "か",
        "안",
    ],
    *[
        "🔥",
        "🚒",
        "fire",
        "❤",
        "👍🏽",
        "&",
        "~",
        "|",
        "\\",
        "&b",
        "\ue000",
        "\x01",
        "\x02",
        "\U00100000",
        "\U001000b6",
        "\U0010fffd",
        "\ufffd",
    ],
]

texts = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=8).map("".join)


def escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "&~|\\" else character for character in text)


alternatives = st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=2).map("".join).map(escaped), min_size=1, max_size=3)


@st.composite
def words(draw: st.DrawFn) -> str:
    pool = draw(st.lists(alternatives.map("|".join), min_size=1, max_size=3))
    required = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
    forbidden = draw(st.lists(st.sampled_from(pool) | alternatives.map("|".join), max_size=2))
    operators = [f"&{segment}" for segment in required[1:]] + [f"~{segment}" for segment in forbidden]
    return required[0] + "".join(draw(st.permutations(operators)))


transforms = st.sampled_from(
    [
        (),
        *((name,) for name in TRANSFORMS),
        ("delete", "normalize"),
        ("emoji", "delete"),
        ("simplify", "pinyin"),
        ("simplify", "delete", "normalize"),
        ("emoji", "normalize", "simplify", "delete", "pinyin_char"),
    ]
)


def readable(word: str, names: tuple[str, ...], case_sensitive: bool) -> bool:
    try:
        rule_of(parse(word), fold_of(names, case_sensitive))
    except WordError:
        return False
    return True


@st.composite
def groups(draw: st.DrawFn, max_words: int) -> dict[str, object]:
    names, case_sensitive = draw(transforms), draw(st.booleans())
    found = draw(st.lists(words(), max_size=max_words))
    return {
        "words": tuple(word for word in found if readable(word, names, case_sensitive)),
        "transforms": names,
        "case_sensitive": case_sensitive,
    }


@st.composite
def resolved_lists(draw: st.DrawFn) -> ResolvedList:
    exempt = draw(st.lists(groups(max_words=2), max_size=2))
    return ResolvedList(id="list", version=1, exempt=tuple(ExemptGroup(**group) for group in exempt), **draw(groups(max_words=5)))


def scanned(lists: list[ResolvedList], *parts: pa.Array | pa.ChunkedArray) -> tuple[list[tuple[int, int, int]], list[int]]:
    hits = scanner.compile(lists).scan_parts(parts)
    assert hits.row.dtype == hits.list.dtype == hits.word.dtype == np.int32
    return list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True)), hits.silenced.tolist()


def expected(lists: list[ResolvedList], *parts: list[str | None]) -> tuple[list[tuple[int, int, int]], list[int]]:
    rows = list(zip(*parts, strict=True))
    return reference.scan(lists, rows), reference.silenced(lists, rows)


def plain(*words: str, **rules: object) -> ResolvedList:
    return ResolvedList(id="plain", version=1, words=words, **rules)


@given(st.lists(resolved_lists(), max_size=4), st.lists(st.none() | texts, max_size=6), st.sampled_from([pa.string(), pa.large_string()]))
@example(
    [plain("a|b&a|b", "a|b&b|a", "a|a&a|a", "aa&aa", "abc&bc&c", "a~b~b", "apple~pp")],
    ["a", "ab", "aaa", "abc", "abb", "apple"],
    pa.string(),
)
@example([plain("\\&", "a\\&b&\\~", "\x01", "\0", "\\\\")], ["&", "a&b~", "\x01", "\0", "\\", "a\0b"], pa.string())
def test_scanner_says_what_the_reference_says(lists: list[ResolvedList], rows: list[str | None], type_: pa.DataType) -> None:
    assert scanned(lists, pa.array(rows, type_)) == expected(lists, rows)


@given(st.data(), st.lists(resolved_lists(), min_size=1, max_size=3), st.integers(1, 3))
def test_parts_are_scanned_as_the_reference_says(data: st.DataObject, lists: list[ResolvedList], part_count: int) -> None:
    rows = data.draw(st.lists(st.lists(st.none() | texts, min_size=part_count, max_size=part_count), max_size=5))
    parts = [[row[number] for row in rows] for number in range(part_count)]
    arrays = [pa.array(part, pa.large_string() if number % 2 else pa.string()) for number, part in enumerate(parts)]
    assert scanned(lists, *arrays) == expected(lists, *parts)


def test_no_segment_crosses_the_seam_but_a_logical_word_may() -> None:
    lists = [plain("ab", "a&b", "b~c")]
    parts = ["xa", "a", None, "b"], ["bx", None, "ab", "c"]
    assert scanned(lists, *map(pa.array, parts))[0] == [(0, 0, 1), (0, 0, 2), (2, 0, 0), (2, 0, 1), (2, 0, 2)]
    assert scanned(lists, *map(pa.array, parts)) == expected(lists, *parts)


@given(st.lists(resolved_lists(), min_size=1, max_size=2), st.lists(st.none() | texts, max_size=9), st.data())
def test_slices_and_chunks_hold_the_same_texts(lists: list[ResolvedList], rows: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    whole = pa.array(rows, pa.string())
    assert scanned(lists, whole.slice(start, stop - start)) == expected(lists, rows[start:stop])
    chunks = pa.chunked_array([whole.slice(0, start), whole.slice(start, stop - start), whole.slice(stop)])
    assert scanned(lists, chunks) == expected(lists, rows)
    assert scanned(lists, chunks.slice(start)) == expected(lists, rows[start:])


@pytest.mark.parametrize("room", [1, 2, 7])
def test_a_row_that_finds_no_room_is_scanned_again_with_more(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(automaton, "ROOM", room)
    rows = [None if number % 5 == 0 else "ab" * (number % 3) for number in range(20)]
    lists = [plain("a", "b&b", exempt=(ExemptGroup(words=("ba",)),)), plain("B", case_sensitive=True), plain("aB", "a&b", "b~aba", "bab")]
    assert scanned(lists, pa.array(rows)) == expected(lists, rows)
    assert scanned(lists, pa.array(rows), pa.array(rows[::-1])) == expected(lists, rows, rows[::-1])


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.null()])
def test_nothing_hits_nulls_and_empty_columns(type_: pa.DataType) -> None:
    assert scanned([plain("a")], pa.nulls(3, type_)) == ([], [0])
    assert scanned([plain("a")], pa.array([], type_)) == ([], [0])
    assert scanned([plain("a")], pa.chunked_array([], type_)) == ([], [0])


def test_a_scanner_without_lists_or_words_hits_nothing() -> None:
    assert scanned([], pa.array(["a"])) == ([], [])
    assert scanned([ResolvedList(id="empty", version=1, words=(), exempt=(ExemptGroup(words=("a",)),))], pa.array(["a"])) == ([], [0])


def test_bytes_behind_a_null_are_no_text() -> None:
    validity = pa.py_buffer(bytes([0b101]))
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 3, [validity, offsets, pa.py_buffer(b"aaa")])
    assert scanned([plain("a")], column)[0] == [(0, 0, 0), (2, 0, 0)]


def test_bytes_that_are_no_utf8_spoil_neither_their_row_nor_others() -> None:
    offsets = pa.py_buffer(np.array([0, 4, 7], np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffab\xc3" + "西".encode())])
    assert scanned([plain("ab", "西", "\ufffd")], column)[0] == [(0, 0, 0), (0, 0, 2), (1, 0, 1)]


def test_a_character_that_two_rows_share_belongs_to_neither() -> None:
    text = "西".encode()
    offsets = pa.py_buffer(np.array([0, 1, 1, 3], np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(text)])
    assert scanned([plain("西", "\ufffd")], column)[0] == [(0, 0, 1), (2, 0, 1)]


def test_an_exemption_silences_its_own_list_alone_and_is_counted() -> None:
    lists = [plain("help", exempt=(ExemptGroup(words=("no&help", "NOT", "unused"), case_sensitive=True),)), plain("help")]
    rows = ["help", "no help", "help NOT", "help n.o.t", "NOT"]
    assert scanned(lists, pa.array(rows)) == ([(0, 0, 0), (0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 0, 0), (3, 1, 0)], [2, 0])


def test_lists_with_other_transforms_do_not_disturb_each_other() -> None:
    lists = [
        plain("西安", transforms=("pinyin",)),
        plain("西安", transforms=("pinyin_char",)),
        plain("西安"),
        plain("a1", transforms=("normalize",)),
    ]
    assert scanned(lists, pa.array(["洗按", "先", "西安", "Ａ①"]))[0] == [
        (0, 0, 0),
        (0, 1, 0),
        (1, 1, 0),
        (2, 0, 0),
        (2, 1, 0),
        (2, 2, 0),
        (3, 3, 0),
    ]


def test_a_word_may_have_as_many_segments_as_are_allowed() -> None:
    segments = [f"<{number}>" for number in range(255)]
    lists = [plain("&".join(segments)), plain("q" + "".join(f"~{segment}" for segment in segments[:254]))]
    rows = ["".join(segments), "".join(segments[1:]), "q", "q<253>"]
    assert scanned(lists, pa.array(rows))[0] == [(0, 0, 0), (2, 1, 0)]


@given(texts, words())
def test_a_word_hits_whatever_text_is_made_of_its_own_segments(surroundings: str, word: str) -> None:
    assume(word.strip())
    parsed = parse(word)
    assume(not parsed.forbidden)
    text = surroundings + "\n".join(segment[0] for segment in parsed.required)
    assert scanned([plain(word)], pa.array([text]))[0] == [(0, 0, 0)]


@pytest.mark.parametrize("column", [pa.array([1]), pa.array([b"a"])])
def test_other_columns_than_texts_are_refused(column: pa.Array) -> None:
    with pytest.raises(TypeError, match="string or large_string"):
        scanner.compile([plain("a")]).scan(column)


def test_parts_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        scanner.compile([plain("a")]).scan_parts([pa.array(["a"]), pa.array(["a", "b"])])
