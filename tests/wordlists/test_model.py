"""Word lists as documents: what is accepted, what is refused with which remedy, and what becomes of exemptions."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.wordlists import checks, reference
from srp_assets.wordlists.checks import WordWarning, check_words, examine, where_of
from srp_assets.wordlists.model import WordList, resolve
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import WordError, parse, rule_of
from srp_assets.wordlists.transforms import fold_of


def document(**changes: object) -> dict[str, object]:
    return {"kind": "word_list", "id": "homework", "words": ["homework&help"], **changes}


def word_list(**changes: object) -> WordList:
    return WordList.model_validate(document(**changes))


def test_a_document_is_read_with_its_defaults() -> None:
    read = word_list(topic="off-topic", owner="ops", exempt=["not homework", {"word_list": "other"}])
    assert (read.type, read.transforms, read.case_sensitive, read.standing) == ("simple", (), False, False)
    assert read.exempt_words == ("not homework",)
    assert read.exempt_lists == ("other",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "regex", "transforms": ["pinyin"]}, "use pinyin_char"),
        ({"type": "acrostic", "transforms": ["delete"]}, "delete takes away the punctuation"),
        ({"type": "similar"}, "needs a threshold above 0"),
        ({"type": "similar", "threshold": 0}, "needs a threshold above 0"),
        ({"type": "similar", "threshold": 1.01}, "needs a threshold above 0"),
        ({"type": "similar", "threshold": "high"}, "valid number"),
        ({"type": "regex", "threshold": 0.8}, "belongs to lists of type similar, not regex"),
        ({"type": "simpel"}, "simple"),
        ({"transforms": ["simplified"]}, "simplify"),
        ({"transforms": ["delete", "delete"]}, "names a transform twice"),
        ({"transforms": ["pinyin", "pinyin_char"]}, "whole syllables or their letters"),
        ({"words": []}, "at least 1"),
        ({"words": [13]}, "string"),
        ({"exempt": [{"word_list": "homework"}]}, "exempts from itself"),
        ({"exempt": [{"list": "other"}]}, "word_list"),
        ({"id": "a@1"}, "pattern"),
        ({"word": ["a"]}, "not permitted"),
        ({"kind": "strategy"}, "word_list"),
    ],
)
def test_a_document_of_another_shape_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        word_list(**changes)


@pytest.mark.parametrize(
    ("changes", "where", "message", "remedy"),
    [
        ({"words": ["a", "b&"]}, "homework: words: number 2, 'b&'", "operator &", r"write \&"),
        ({"words": ["a", "", "~b"]}, "words: number 2, ''", "is empty; 1 more words of the list are wrong", "remove it"),
        ({"words": ["a", "b", "a"]}, "words: number 3, 'a'", "stands there already as number 1", "remove one"),
        ({"words": ["a", "？！"], "transforms": ["delete"]}, "words: number 2, '？！'", "leave nothing of '？！'", "without `delete`"),
        ({"exempt": ["x", "~y"]}, "exempt: number 2, '~y'", "only forbids", "wanted~unwanted"),
        ({"exempt": [{"word_list": "other"}, "y&"]}, "exempt: number 2, 'y&'", "operator &", r"\&"),
        ({"type": "regex", "words": ["a", "(b"]}, "words: number 2, '(b'", "position 1, '('", r"write \("),
        (
            {"type": "regex", "words": ["x(a|b*)*"]},
            "number 1, 'x(a|b*)*'",
            "position 2, '(a|b*)*': this repetition",
            "repeat what is inside",
        ),
        ({"type": "regex", "words": ["a*"]}, "number 1, 'a*'", "hits every text", "at least one character"),
        ({"type": "regex", "words": ["^|a"]}, "number 1, '^|a'", "hits every text", "at least one character"),
        ({"type": "regex", "words": ["a", "a"]}, "number 2, 'a'", "stands there already", "remove one"),
        ({"type": "regex", "words": ["a", " "]}, "number 2, ' '", "is empty", "remove it"),
        ({"type": "similar_char", "words": ["a,b", "c,,d"]}, "number 2, 'c,,d'", "nothing stands before or behind", "write \\,"),
        (
            {"type": "similar_char", "words": ["a,？"], "transforms": ["delete"]},
            "number 1, 'a,？'",
            "leave nothing of '？'",
            "without `delete`",
        ),
        ({"type": "similar_char", "words": ["a" * 1500, "b" * 1500]}, "number 1, 'aaa", "more than 2,000 characters", "shorter"),
        ({"type": "acrostic", "words": ["a,b", r"c,\d"]}, r"number 2, 'c,\\d'", "a backslash stands before 'd'", "write \\\\"),
        (
            {"type": "similar", "threshold": 0.8, "words": ["a", "？"], "transforms": ["delete"]},
            "number 2, '？'",
            "leave nothing of",
            "`delete`",
        ),
        ({"type": "similar", "threshold": 0.8, "words": ["a&b", "a&b"]}, "number 2, 'a&b'", "stands there already", "remove one"),
    ],
)
def test_wrong_words_are_named_with_number_and_remedy(changes: dict[str, object], where: str, message: str, remedy: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_words(word_list(**changes))
    assert where in str(caught.value.where)
    assert message in caught.value.message
    assert remedy in str(caught.value.remedy)
    assert "\n" not in str(caught.value)


def test_warnings_name_words_that_the_transforms_change() -> None:
    read = word_list(words=["满100％减", "Hello", "西安", "Café|x"], transforms=["delete", "normalize", "pinyin"])
    assert check_words(read) == (
        WordWarning(1, "满100％减", "the list's transforms read '满100％减' as '满100减'"),
        WordWarning(4, "Café|x", "the list's transforms read 'Café' as 'Cafe'"),
    )


def test_warnings_name_blanks_that_count_and_words_that_cannot_hit() -> None:
    read = word_list(words=["hello & world", "apple~pp", "ab~b~b", "ab|b~B", "ab|a~b"])
    assert [(warning.number, warning.message.partition(":")[0]) for warning in check_words(read)] == [
        (1, "the blanks of 'hello ' count"),
        (1, "the blanks of ' world' count"),
        (2, "the word can never hit"),
        (4, "the word can never hit"),
    ]


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"type": "similar_char", "words": ["Ａ,b", "ab", "ab"]}, ["the list's transforms read 'Ａ' as 'A'"]),
        ({"type": "acrostic", "words": ["é,b", "ab"]}, ["the list's transforms read 'é' as 'e'"]),
        ({"type": "similar", "threshold": 0.5, "words": ["é&b", "a&"]}, ["the list's transforms read 'é&b' as 'e&b'"]),
        ({"type": "regex", "words": ["[éa]é+|[^é]", "e"]}, ["'É' stands in no text as the list's transforms read it"]),
        ({"type": "regex", "words": ["[éa]é+|[^é]", "e"], "case_sensitive": True}, ["'é' stands in no text as the list's transforms"]),
        ({"words": ["a"], "exempt": ["é"]}, ["the list's transforms read 'é' as 'e'"]),
    ],
)
def test_warnings_of_every_type_name_what_the_transforms_change(changes: dict[str, object], messages: list[str]) -> None:
    warnings = check_words(word_list(transforms=["normalize"], **changes))
    assert [warning.number for warning in warnings] == [1] * len(messages)
    assert all(warning.message.startswith(message) for warning, message in zip(warnings, messages, strict=True))


def test_all_problems_are_told_with_their_lines() -> None:
    checked = examine(word_list(words=["a&", "b", "b", "c "], exempt=["d|"]))
    lines = {"words": [3, 5, 7, 9]}
    assert [where_of(problem, lines) for problem in checked.problems] == [
        "words: number 1, 'a&', line 3",
        "words: number 3, 'b', line 7",
        "exempt: number 1, 'd|'",
    ]
    assert [where_of(warning, lines) for warning in checked.warnings] == ["words: number 4, 'c ', line 9"]


@given(
    st.lists(st.text(st.sampled_from("ab&~|\\ éＡ🔥！"), max_size=4), max_size=5), st.sampled_from([[], ["delete"], ["normalize", "emoji"]])
)
def test_words_that_are_checked_all_at_once_are_checked_as_one_by_one(words: list[str], transforms: list[str]) -> None:
    checked = examine(word_list(words=words or ["a"], transforms=transforms))
    fold, seen = fold_of(transforms, case_sensitive=False), set()
    wrong = []
    for number, word in enumerate(words, 1):
        try:
            rule_of(parse(word), fold)
            is_wrong = word in seen
        except WordError:
            is_wrong = True
        wrong += [number] if is_wrong else []
        seen.add(word)
    assert [problem.number for problem in checked.problems] == wrong


def test_exempt_words_are_read_as_the_list_and_exempt_lists_as_themselves() -> None:
    other = word_list(id="other", words=["x"], transforms=["delete"], case_sensitive=True)
    read = word_list(transforms=["normalize"], exempt=["not homework", {"word_list": "other"}])
    resolved = resolve(read, 3, {"other": other})
    assert resolved == ResolvedList(
        id="homework",
        version=3,
        words=("homework&help",),
        transforms=("normalize",),
        exempt=(
            ExemptGroup(words=("not homework",), transforms=("normalize",)),
            ExemptGroup(words=("x",), transforms=("delete",), case_sensitive=True),
        ),
    )
    assert ResolvedList.model_validate_json(resolved.model_dump_json()) == resolved
    assert resolve(word_list(), 1, {}).exempt == ()


def test_lists_of_every_type_are_resolved_and_may_exempt() -> None:
    other = word_list(id="other", type="similar", threshold=0.9, words=["x&y"])
    resolved = resolve(word_list(type="regex", words=["a+"], exempt=["b", {"word_list": "other"}]), 1, {"other": other})
    assert resolved == ResolvedList(
        id="homework",
        version=1,
        type="regex",
        words=("a+",),
        exempt=(ExemptGroup(words=("b",)), ExemptGroup(type="similar", words=("x&y",), threshold=0.9)),
    )
    assert ResolvedList.model_validate_json(resolved.model_dump_json()) == resolved
    assert resolved.shown(0) == "a+"
    assert resolve(word_list(type="similar_char", words=["a,b", "c"]), 1, {}).shown(0) == "a,b c"


def test_resolved_lists_of_before_there_were_types_are_still_read() -> None:
    stored = '{"id":"l","version":2,"words":["a"],"transforms":[],"case_sensitive":false,"exempt":[{"words":["b"],"transforms":[]}]}'
    assert ResolvedList.model_validate_json(stored) == ResolvedList(id="l", version=2, words=("a",), exempt=(ExemptGroup(words=("b",)),))


def test_a_list_exempts_by_lists_that_exist_and_have_no_exemptions() -> None:
    read = word_list(exempt=[{"word_list": "other"}])
    with pytest.raises(NotFound, match="no word list 'other'"):
        resolve(read, 1, {})
    with pytest.raises(InvalidInput, match="has exemptions itself"):
        resolve(read, 1, {"other": word_list(id="other", exempt=["y"])})


@given(st.text(st.sampled_from("ab &~|\\\n\u3000\ud800"), max_size=9))
def test_regular_words_are_taken_apart_as_all_are(word: str) -> None:
    try:
        expected = list(parse(word).texts)
    except WordError:
        with pytest.raises(WordError):
            checks._texts(word)
    else:
        assert sorted(checks._texts(word)) == sorted(expected)


@given(st.lists(st.text(st.sampled_from("ab"), min_size=1, max_size=3), min_size=2, max_size=4), st.data())
def test_a_word_that_vetoes_itself_hits_nothing(texts: list[str], data: st.DataObject) -> None:
    word = texts[0] + "".join(data.draw(st.sampled_from("&~|")) + text for text in texts[1:])
    folded = {text: text for text in texts}
    if checks._vetoes_itself(word, folded):
        list_ = ResolvedList(id="list", version=1, words=(word,))
        every = ["".join(letters) for letters in product("ab ", repeat=6)]
        assert reference.scan([list_], [[text] for text in every]) == []
