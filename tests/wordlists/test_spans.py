"""Spans: texts that hit have them, they hold what was found, and they are places in the original text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference
from srp_assets.wordlists import spans as spans_module
from srp_assets.wordlists.patterns.entries import entries_of
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.spans import Span, spans
from srp_assets.wordlists.syntax import parse, rule_of
from srp_assets.wordlists.transforms import TRANSFORMS, fold_of

PIECES = [
    "a",
    "b",
    "A",
    "é",
    "e\u0301",
    "Ａ",
    "½",
    "1",
    "2",
    "-",
    " ",
    "\n",
    "，",
    "西",
    "安",
    "喜昂",
    "xi",
    "測",
    "测",
    "🔥",
    "fire",
    "\0",
    "\u200d",
    "𝜢",
]

texts = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=8).map("".join)
segments = st.lists(st.sampled_from([piece for piece in PIECES if piece.strip()]), min_size=1, max_size=2).map("".join)
logical = st.lists(segments, min_size=1, max_size=3).flatmap(
    lambda chosen: st.sampled_from(["&", "|", "~"]).map(lambda operator: operator.join(chosen))
)
rows = st.lists(segments.map(lambda text: text.replace(",", "")), min_size=1, max_size=3).map(",".join)
regexes = st.lists(
    st.sampled_from(["a", "b+", "[A-Z]", r"\d", r"\s?", "(西|安)", r"\W", ".", "é", "(?=a)", r"\b", "^", r"(.)\1"]), min_size=1, max_size=3
).map("".join)


@st.composite
def word_lists(draw: st.DrawFn) -> ResolvedList:
    type_ = draw(st.sampled_from(["simple", "similar_char", "acrostic", "regex", "similar"]))
    words = {"simple": logical, "similar_char": rows, "acrostic": rows, "regex": regexes, "similar": segments}[type_]
    names = draw(st.sampled_from([(), *((name,) for name in TRANSFORMS), ("emoji", "delete", "normalize"), ("simplify", "pinyin_char")]))
    case_sensitive = draw(st.booleans())
    fold = fold_of(names, case_sensitive)
    chosen = draw(
        st.lists(
            words.filter(lambda word: all(map(fold, word.replace("&", ",").replace("|", ",").replace("~", ",").split(",")))),
            min_size=1,
            max_size=2,
        )
    )
    threshold = draw(st.sampled_from([0.3, 0.5, 0.8])) if type_ == "similar" else None
    return ResolvedList(
        id="list", version=1, type=type_, words=tuple(chosen), transforms=names, case_sensitive=case_sensitive, threshold=threshold
    )


def is_readable(words: ResolvedList) -> bool:
    return words.type != "simple" or not any(word.startswith("~") for word in words.words)


@given(word_lists().filter(is_readable), st.lists(st.none() | texts, min_size=1, max_size=2))
@example(ResolvedList(id="list", version=1, words=("a&a|b~c",)), ["aa", "bc"])
def test_texts_that_hit_have_spans_and_others_have_none(words: ResolvedList, parts: list[str | None]) -> None:
    hits = reference.words_hit(words, parts)
    assert {word for word in range(len(words.words)) if spans(words, word, parts)} - (
        {*range(1, len(words.words))} if words.type == "similar_char" else set()
    ) == hits


@given(
    segments, st.lists(st.none() | texts, min_size=1, max_size=3), st.sampled_from([(), *((name,) for name in TRANSFORMS)]), st.booleans()
)
def test_spans_are_all_the_places_that_the_transforms_make_the_segment(
    word: str, parts: list[str | None], transforms: tuple[str, ...], case_sensitive: bool
) -> None:
    """By brute force: the places whose transformed text holds the segment, while those within them do not."""
    fold = fold_of(transforms, case_sensitive)
    words = ResolvedList(id="list", version=1, words=(word,), transforms=transforms, case_sensitive=case_sensitive)
    if not fold(word):
        return
    expected = set()
    for number, part in enumerate(parts):
        for start in range(len(part or "")):
            for end in range(start + 1, len(part or "") + 1):
                if (
                    part
                    and fold(word) in fold(part[start:end])
                    and fold(word) not in fold(part[start + 1 : end])
                    and fold(word) not in fold(part[start : end - 1])
                ):
                    expected.add(Span(number, start, end))
    assert spans(words, 0, parts) == tuple(sorted(expected))


@given(word_lists().filter(is_readable), texts)
def test_what_a_span_holds_is_what_was_looked_for(words: ResolvedList, text: str) -> None:
    fold = fold_of(words.transforms, words.case_sensitive)
    for place, word in enumerate(words.words[: 1 if words.type == "similar_char" else None]):
        for part, start, end in spans(words, place, [text]):
            held = text[start:end]
            assert part == 0
            if words.type == "simple":
                assert any(segment in fold(held) for demand, _ in rule_of(parse(word), fold).required for segment in demand)
            elif words.type == "similar":
                assert held == text
            elif words.type == "regex":
                assert held == text or reference.pattern_hits(entries_of(words)[place], [text])
            else:
                wanted = words.words if words.type == "similar_char" else (word,)
                assert any(fold(beginning) in fold(held) for places in wanted for beginning in places.split(","))


def listed(*words: str, **changes: object) -> ResolvedList:
    return ResolvedList(id="list", version=1, words=words, **changes)


@pytest.mark.parametrize(
    ("words", "parts", "found"),
    [
        (listed("aa"), ["aaa"], [(0, 0, 2), (0, 1, 3)]),
        (listed("a&b~c"), ["xa", None, "ba"], [(0, 1, 2), (2, 0, 1), (2, 1, 2)]),
        (listed("a&b~c"), ["xa", "bc"], []),
        (listed("a&a"), ["a", "b"], []),
        (listed("Fuiiikkkk", transforms=("delete",)), ["!Fu&*iii&^%%*&kkkk!"], [(0, 1, 18)]),
        (listed("西安", transforms=("pinyin",)), ["在洗按"], [(0, 1, 3)]),
        (listed("🔥", transforms=("emoji",)), ["a 🔥!"], [(0, 2, 3)]),
        (listed("h[aeiou]llo", "w[aeiou]rd", type="regex"), ["xx word hallo"], [(0, 8, 13)]),
        (listed("^(?!.*b)", type="regex"), ["ab", "cc", ""], [(1, 0, 2), (2, 0, 0)]),
        (listed("(a|b)(c)?", type="regex", transforms=("delete",)), ["a-cxb"], [(0, 0, 3), (0, 4, 5)]),
        (
            listed("hello,hallo", "word,world", type="similar_char"),
            ["say hello world, hallo-word"],
            [(0, 4, 9), (0, 10, 15), (0, 17, 22), (0, 23, 27)],
        ),
        (listed("h,i,he", type="acrostic"), ["Have. It\nHere"], [(0, 0, 1), (0, 6, 7), (0, 9, 11)]),
        (listed("hello", type="similar", threshold=0.8), ["hallo", "hello!", "he"], [(0, 0, 5), (1, 0, 6)]),
    ],
)
def test_spans_of_every_type(words: ResolvedList, parts: list[str | None], found: list[tuple[int, int, int]]) -> None:
    assert spans(words, 0, parts) == tuple(found)


def test_exemptions_have_spans_too() -> None:
    words = listed("a", exempt=({"words": ("x", "b"), "transforms": ("delete",)},))
    assert spans(words.exempt[0], 1, ["ab"]) == (Span(0, 1, 2),)


def test_a_pattern_that_cannot_be_found_in_time_has_the_whole_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans_module, "SEARCH_SECONDS", 0.01)
    assert spans(listed(r"(\w+)(\w+)(\w+)\3\2\1!", type="regex"), 0, ["ab" * 1000 + "ab!"]) == (Span(0, 0, 2003),)
