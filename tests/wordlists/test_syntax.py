"""How words are read, and what is refused with which remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.wordlists.syntax import MAX_SEGMENTS, ParsedWord, WordError, parse, rule_of
from srp_assets.wordlists.transforms import fold_of

EXACT = fold_of((), case_sensitive=True)


@pytest.mark.parametrize(
    ("word", "required", "forbidden"),
    [
        ("hello", [["hello"]], []),
        ("hello world", [["hello world"]], []),
        ("hello & world", [["hello "], [" world"]], []),
        ("hello&world&hello", [["hello"], ["world"], ["hello"]], []),
        ("color|colour&bright~dark", [["color", "colour"], ["bright"]], [["dark"]]),
        ("a&b~c&d", [["a"], ["b"], ["d"]], [["c"]]),
        ("~c&a", [["a"]], [["c"]]),
        ("a~b|c~d", [["a"]], [["b", "c"], ["d"]]),
        (r"AT\&T", [["AT&T"]], []),
        (r"C\~3&\|\\", [["C~3"], ["|\\"]], []),
        ("a\nb", [["a\nb"]], []),
    ],
)
def test_words_are_read(word: str, required: list[list[str]], forbidden: list[list[str]]) -> None:
    assert parse(word) == ParsedWord(tuple(map(tuple, required)), tuple(map(tuple, forbidden)))


@pytest.mark.parametrize(
    ("word", "message", "remedy"),
    [
        ("", "the word is empty", "remove it"),
        (" \t", "the word is empty", "remove it"),
        ("~bad", "only forbids and requires nothing", "wanted~unwanted"),
        ("~bad~worse", "only forbids and requires nothing", "wanted~unwanted"),
        ("&a", "operator & at the start", r"write \&"),
        ("a&", "operator & beside another operator or at the end", r"write \&"),
        ("a&&b", "operator & beside", r"write \&"),
        ("a&~b", "operator ~ beside", r"write \~"),
        ("a~~b", "operator ~ beside", r"write \~"),
        ("a|", "operator | beside another operator or at the end", r"write \|"),
        ("|a", "operator | at the start", r"write \|"),
        ("a||b", "operator | beside", r"write \|"),
        ("~", "operator ~ beside another operator or at the end", r"write \~"),
        (r"\bcat\b", "a backslash stands before 'b'", r"write \\ "),
        ("cat\\", "a backslash stands at the end", r"write \\ "),
        ("a\ud83d", "half of a character", "whole character"),
        ("&".join(["a"] * (MAX_SEGMENTS + 1)), "more than 255 segments", "several words"),
    ],
)
def test_words_without_meaning_are_refused_with_a_remedy(word: str, message: str, remedy: str) -> None:
    with pytest.raises(WordError) as caught:
        parse(word)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@given(st.text(min_size=1).filter(str.strip))
def test_every_text_can_be_written_as_a_word_by_escapes(text: str) -> None:
    word = "".join(f"\\{character}" if character in "&~|\\" else character for character in text)
    assert parse(word) == ParsedWord(((text,),), ())


@given(st.text(alphabet="ab&~|\\", max_size=12))
def test_what_is_read_holds_everything_that_was_written(word: str) -> None:
    try:
        parsed = parse(word)
    except WordError:
        return
    joined = "&".join("|".join(segment) for segment in (*parsed.required, *parsed.forbidden))
    assert sorted(joined.replace("&", "")) == sorted(_unescaped(word))
    assert all(parsed.texts)


def _unescaped(word: str) -> str:
    """The word without its & and ~ operators and without the backslashes that escape."""
    kept, characters = "", iter(word.removeprefix("~"))
    for character in characters:
        if character == "\\":
            kept += next(characters)
        elif character == "|" or character not in "&~":
            kept += character
    return kept.replace("&", "")


def test_repetitions_are_added_up_by_segment() -> None:
    rule = rule_of(parse("a&b|c&a~d~d~e&b|c&c|b"), EXACT)
    assert rule.required == {(("a",), 2), (("b", "c"), 2), (("c", "b"), 1)}
    assert rule.forbidden == {(("d",), 2), (("e",), 1)}


def test_segments_are_compared_as_the_list_reads_them() -> None:
    ignoring_case = fold_of((), case_sensitive=False)
    assert rule_of(parse("A&a&A|a"), ignoring_case).required == {(("a",), 3)}
    assert rule_of(parse("A&a&A|a"), EXACT).required == {(("A",), 1), (("a",), 1), (("A", "a"), 1)}


def test_a_segment_that_the_transforms_empty_is_refused() -> None:
    with pytest.raises(WordError, match="leave nothing of '!!'"):
        rule_of(parse("a~b|!!"), fold_of(("delete",), case_sensitive=False))
