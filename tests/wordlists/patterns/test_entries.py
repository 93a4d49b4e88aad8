"""Patterns: what is read and what is refused, with its position; sets of characters; words between commas."""

import pyarrow as pa
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference
from srp_assets.wordlists.patterns.engine import PatternEngine
from srp_assets.wordlists.patterns.entries import PatternEntry, check_entry, split_word
from srp_assets.wordlists.patterns.sets import (
    cased_letters,
    complement,
    holds,
    in_all_cases,
    named,
    of_text,
    overlap,
    size,
    united,
)
from srp_assets.wordlists.patterns.syntax import PatternError
from srp_assets.wordlists.syntax import WordError


def checked(pattern: str, *, case_sensitive: bool = False) -> PatternEntry:
    entry = PatternEntry("regex", (pattern,), (), case_sensitive)
    check_entry(entry)
    return entry


@pytest.mark.parametrize(
    ("pattern", "position", "message"),
    [
        ("a(b", "position 2, '('", "is not closed"),
        ("a)b", "position 2, ')'", "closes nothing"),
        ("a[b", "position 2, '['", "is not closed"),
        ("a[b[c]", "position 4, '['", "opens within brackets"),
        ("[a&&b]", "position 3, '&&'", "operators on sets"),
        ("[z-a]", "position 2, 'z-a'", "wrong order"),
        (r"[a-\d]", r"position 2, 'a-\\d'", "no end of a range"),
        ("*a", "position 1, '*'", "nothing to repeat"),
        ("(|+)", "position 3, '+'", "nothing to repeat"),
        (r"\b+", "position 3, '+'", "cannot be repeated"),
        ("(?=a)*", "position 6, '*'", "cannot be repeated"),
        ("a**", "position 3, '*'", "two quantifiers"),
        ("a{2}{3}", "position 5, '{3}'", "two quantifiers"),
        ("a{3,2}", "position 2, '{3,2}'", "wrong order"),
        ("a{1001}", "position 2, '{1001}'", "more than 1,000"),
        ("a{e<=1}", "position 2, '{'", "no quantifier"),
        ("{", "position 1, '{'", "no quantifier"),
        ("a{,}", "position 2, '{'", "no quantifier"),
        (r"a\Q", r"position 2, '\\Q'", "no such escape"),
        ("a\\", r"position 2, '\\'", "at the end"),
        (r"\x4", r"position 1, '\\x4'", "2 hexadecimal digits"),
        (r"\ud800", r"position 1, '\\ud800'", "no such character"),
        (r"\p{Nonsense}", r"position 1, '\\p{Nonsense}'", "no such property"),
        (r"\p", r"position 1, '\\p'", "no such property"),
        ("[[:nonsense:]]", "position 2, '[:nonsense:]'", "no such class"),
        (r"\1(a)", r"position 1, '\\1'", "no such group"),
        (r"(a\1)", r"position 3, '\\1'", "no such group"),
        (r"(?P<x>a)(?P=y)", "position 9, '(?P=y)'", "no such group"),
        ("(?P<x>a)(?<x>b)", "position 9, '(?<x>'", "stands there twice"),
        ("(?R)", "position 1, '(?R'", "not supported"),
        ("(?#note)a", "position 1, '(?#'", "not supported"),
        ("(?x)a b", "position 1, '(?x'", "not supported"),
        ("a(?i)b", "position 2, '(?i)'", "at its start"),
        ("(?-i)b", "position 1, '(?-i)'", "turned on"),
        ("(" * 51 + "a" + ")" * 51, "position 51, '('", "nest deeper than 50"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(pattern: str, position: str, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        checked(pattern)
    assert caught.value.message.startswith(f"{position}: ")
    assert message in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("pattern", "loop"),
    [
        ("x(a+)+", "(a+)+"),
        ("(a|a)*", "(a|a)*"),
        ("(a|ab|b)*c", "(a|ab|b)*"),
        ("(a*)*", "(a*)*"),
        ("(a?b?)*", "(a?b?)*"),
        (r"(\w+\s?)*$", r"(\w+\s?)*"),
        (r"(?:[a-z]+[-. ]?)+@", r"(?:[a-z]+[-. ]?)+"),
        ("(a{2,3})*", "(a{2,3})*"),
        ("(x+x+)+y", "(x+x+)+"),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", "(([a-z])+.)+"),
        ("(?=(a+)+b)c", "(a+)+"),
        ("((ab)*|(ba)*)*", "((ab)*|(ba)*)*"),
        (r"(.*a){3,}", "(.*a){3,}"),
    ],
)
def test_repetitions_that_could_be_tried_for_ever_are_refused(pattern: str, loop: str) -> None:
    with pytest.raises(PatternError) as caught:
        checked(pattern)
    assert f"position {pattern.index(loop) + 1}, {loop!r}: this repetition" in caught.value.message


@pytest.mark.parametrize(
    "pattern",
    [
        *["a+b+", r"(\d+,)*\d+", r"(\w+\s)*x", ".*a.*b", "(?:ab|cd)+x", "(a|b)*abb(a|b)*", "(?:a[^a]*b)+", "((a|b)c+)*d", "(a{2})*b"],
        *[r"(\w)\1{2,}", r"\b(\w+)\s+\1\b", "(?<name>a|b)-(?P=name)", "(?>ab|a)c", "a++b", r"(?<=a.*)b", r"(?i:a)b", "^(?!.*spam)", "^$"],
    ],
)
def test_repetitions_with_one_reading_are_accepted(pattern: str) -> None:
    checked(pattern)


@pytest.mark.parametrize("pattern", ["a*", "", "(a|)", "^", "$", "x*$", "^|a", "a?(?:b|c*)", r"(a?)\1", r"\A", "(?m)$"])
def test_patterns_that_hit_every_text_are_refused(pattern: str) -> None:
    with pytest.raises(WordError, match="hits every text"):
        checked(pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?:ab){1000}c{1}", "more than 2,000 characters"),
        ("(?:(?:a?b?c?d?e?f?g?h?i?j?){10}){10}", "too large"),
        ("".join(f"(?=.*{chr(97 + number % 26)}{number})" for number in range(40)) + "x", "more than 32 lookarounds"),
        ("(" + "|".join(f"a{number:04d}" for number in range(80)) + ")*b", "more than 300 characters"),
    ],
)
def test_patterns_that_are_too_large_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(WordError, match=message):
        checked(pattern)


@given(st.text(alphabet="ab()[]{}|*+?^$\\.-,12:<=!&~iPdwsbB#>\n", max_size=10), st.booleans())
@example(r"[]a]", True)
@example(r"[^]a]", True)
@example("[a-]", True)
@example("[-a]", True)
@example(r"[\]b]", True)
@example(r"[\b]", True)
@example("(?i)a", True)
@example("(?s-i:.)", False)
@example("a{,2}b", True)
@example("}", True)
@example("]", True)
def test_whatever_is_accepted_means_what_regex_says(pattern: str, case_sensitive: bool) -> None:
    try:
        entry = checked(pattern, case_sensitive=case_sensitive)
    except WordError:
        return
    rows = [
        "",
        "a",
        "A",
        "b",
        "ab",
        "ba",
        "aab",
        "a\nb",
        "\n",
        "1,2",
        "-",
        "]",
        "[",
        "{",
        "}",
        "abab12",
        "\b",
        ".",
        "i d w",
        "a-b=c",
        "#",
        "&",
    ]
    found = PatternEngine.build([entry]).scan([pa.array(rows)]).row.tolist()
    assert found == [row for row, text in enumerate(rows) if reference.pattern_hits(entry, [text])]


codes = st.integers(0, 0x10FFFF) | st.integers(0, 300)
ranges = st.lists(st.tuples(codes, st.integers(0, 40)).map(lambda pair: (pair[0], min(0x10FFFF, sum(pair)))), max_size=5)


@given(ranges, ranges, codes)
def test_sets_are_sets(one: list[tuple[int, int]], other: list[tuple[int, int]], code: int) -> None:
    chars = united(one)
    assert holds(chars, code) == any(low <= code <= high for low, high in one)
    assert holds(complement(chars), code) != holds(chars, code)
    assert size(chars) + size(complement(chars)) == 0x110000
    assert overlap(chars, united(other)) == any(low <= high_ and low_ <= high for low, high in one for low_, high_ in other)
    assert all(before[1] + 1 < after[0] for before, after in zip(chars, chars[1:], strict=False))


@given(st.sampled_from(cased_letters()) | st.sampled_from("iIsSkKıİſ西1"), st.integers(0, 30))
def test_cases_are_those_of_regex(letter: str, width: int) -> None:
    last = chr(min(0x10FFFF, ord(letter) + width))
    pattern = regex.compile(f"[\\U{ord(letter):08x}-\\U{ord(last):08x}]", regex.V0 | regex.IGNORECASE)
    chars = in_all_cases(((ord(letter), ord(last)),))
    assert [holds(chars, ord(other)) for other in cased_letters()] == [bool(pattern.match(other)) for other in cased_letters()]


@pytest.mark.parametrize("escape", [r"\w", r"\W", r"\d", r"\s", r"\p{P}", r"\p{Han}", r"\P{L}", "[[:alpha:]]"])
def test_classes_are_those_of_regex(escape: str) -> None:
    chars, pattern = named(escape), regex.compile(escape, regex.V0)
    assert all(holds(chars, code) == bool(pattern.match(chr(code))) for code in range(0, 0x30000, 7) if not 0xD800 <= code < 0xE000)
    assert in_all_cases(of_text("é")) == of_text("éÉ")


@pytest.mark.parametrize(
    ("word", "parts"),
    [("a,b", ["a", "b"]), ("hello", ["hello"]), (r"\,,\\", [",", "\\"]), (" a, b", [" a", " b"]), ("a&b,~", ["a&b", "~"])],
)
def test_words_are_parted_at_commas(word: str, parts: list[str]) -> None:
    assert split_word(word) == parts


@pytest.mark.parametrize("word", [",", "a,", ",a", "a,,b", "", r"a\b", "a\\"])
def test_words_with_nothing_between_commas_are_refused(word: str) -> None:
    with pytest.raises(WordError):
        split_word(word)
