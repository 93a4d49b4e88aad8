"""Word lists as documents: what is accepted, what is refused with which remedy, and what becomes of exemptions."""

import pytest
from pydantic import ValidationError

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.wordlists.model import WordList, WordWarning, check_words, resolve
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList


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
        ({"type": "regex"}, "comes with the word engine"),
        ({"type": "similar"}, "comes with the word engine"),
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


def test_a_list_exempts_by_lists_that_exist_and_have_no_exemptions() -> None:
    read = word_list(exempt=[{"word_list": "other"}])
    with pytest.raises(NotFound, match="no word list 'other'"):
        resolve(read, 1, {})
    with pytest.raises(InvalidInput, match="has exemptions itself"):
        resolve(read, 1, {"other": word_list(id="other", exempt=["y"])})
