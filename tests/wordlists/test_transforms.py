"""What texts are turned into: the properties that every table keeps, and every difference from matcher_py that was decided on."""

import unicodedata
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.wordlists.derivation import FIRST_SYLLABLE
from srp_assets.wordlists.overrides import LOST_VARIANTS, REASONS
from srp_assets.wordlists.transforms import SEPARATOR, TRANSFORMS, fold_of, table_of

ALL_BUT_LETTERS = ("emoji", "normalize", "simplify", "delete", "pinyin")


def of(text: str, *transforms: str, case_sensitive: bool = True) -> str:
    return fold_of(transforms, case_sensitive)(text)


def changed_or_any() -> st.SearchStrategy[str]:
    changed = sorted(code for name in TRANSFORMS for code in table_of(name))
    return st.text(st.sampled_from(changed).map(chr) | st.characters(exclude_categories=["Cs"]), max_size=12)


folds = st.builds(
    fold_of,
    st.sampled_from([(), *((name,) for name in TRANSFORMS), ALL_BUT_LETTERS, ("normalize", "delete", "pinyin_char")]),
    st.booleans(),
)


@given(folds, st.deferred(changed_or_any))
def test_a_text_is_transformed_code_point_by_code_point(fold: Callable[[str], str], text: str) -> None:
    assert fold(text) == "".join(map(fold, text))


@given(folds, st.deferred(changed_or_any))
def test_each_transformed_character_knows_the_one_that_became_it(fold: Callable[[str], str], text: str) -> None:
    folded, origins = fold.mapped(text)
    assert folded == fold(text)
    assert list(origins) == [place for place, character in enumerate(text) for _ in fold(character)]


@given(folds, st.lists(st.deferred(changed_or_any) | st.just(SEPARATOR), max_size=4))
def test_many_texts_are_transformed_as_each_is(fold, texts: list[str]) -> None:
    assert fold.many(texts) == [fold(text) for text in texts]


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "pinyin"])
def test_transforming_twice_is_transforming_once(name: str) -> None:
    table = table_of(name)
    assert {code: text.translate(table) for code, text in table.items()} == table


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_table_holds_changes_alone(name: str) -> None:
    assert all(chr(code) != text for code, text in table_of(name).items())


@pytest.mark.parametrize("pair", list(combinations(TRANSFORMS, 2)))
def test_the_order_in_which_transforms_are_named_does_not_matter(pair: tuple[str, str]) -> None:
    assert fold_of(pair, case_sensitive=False) is fold_of(reversed(pair), case_sensitive=False)


def test_case_is_folded_by_one_code_point_to_one() -> None:
    cases = table_of("case")
    assert all(len(text) == 1 and text.translate(cases) == text for text in cases.values())
    assert all(cases.get(ord(character), character) == character.lower() for character in map(chr, range(128)))
    assert of("ÉΣςſKẞВ", case_sensitive=False) == "éσσskßв"
    assert of("ßİ", case_sensitive=False) == "ßİ"


def test_normalize_reads_a_letter_alike_in_all_its_cases() -> None:
    normal = fold_of(("normalize",), case_sensitive=False)
    differing = {chr(code) for code, small in table_of("case").items() if normal(chr(code)) != normal(small)}
    assert differing == set()


def test_emoji_are_named_before_signs_are_deleted() -> None:
    assert of("a🔥!b", "delete", "emoji") == "afireb"


def test_compatible_forms_are_normalized_before_they_are_simplified_or_deleted() -> None:
    assert of("⼤馬ⓞ㈱", "simplify", "delete", "normalize") == "大马o株"


def test_pinyin_has_one_symbol_a_syllable_and_pinyin_char_its_letters() -> None:
    assert of("西安洗按", "pinyin_char") == "xianxian"
    assert of("西安", "pinyin") == of("洗按", "pinyin")
    assert len(of("西安先", "pinyin")) == 3
    assert of("Xi'an", "pinyin") == "Xi'an"


def test_private_characters_are_not_taken_for_syllables() -> None:
    assert of(chr(FIRST_SYLLABLE), "pinyin") == "\ufffd"
    assert of(chr(FIRST_SYLLABLE)) == chr(FIRST_SYLLABLE)


def _all_digits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isdigit()


DECIDED: dict[str, Callable[[], bool]] = {
    "closed": lambda: of("ǣ", "normalize") == of("æ", "normalize") == "ae",
    "numerals": lambda: (
        of("一万百京两〇", "normalize") == "一万百京两〇"
        and not [code for code, text in table_of("normalize").items() if _all_digits(text) and 0x3400 <= code < 0xA000]
    ),
    "ideographs": lambda: of("⿔㈠參〸", "normalize") == "龜(一)參十" and of("⾝⿔參", "simplify") == "身龟参",
    "case kept": lambda: of("Ａ𝜢Éß™", "normalize") == "AHEsstm",
    "case pairs": lambda: of("ВОДА", "normalize", case_sensitive=False) == of("вода", "normalize", case_sensitive=False),
    "marks": lambda: of("e\u0301", "normalize") == of("é", "normalize") == "e",
    "lost variants": lambda: (
        of("蟲艸妳擧", "simplify") == "虫艹你举"
        and all(of(LOST_VARIANTS[place], "simplify") != LOST_VARIANTS[place] for place in range(0, len(LOST_VARIANTS), 2))
    ),
    "not reversed": lambda: of("什么抬幺麼", "simplify") == "什么抬幺么",
    "han only": lambda: of("か안\ue815", "pinyin") == "か안\ue815" and of("か안", "pinyin_char") == "か안",
    "whole syllables": lambda: of("西安", "pinyin") not in of("喜昂", "pinyin"),
    "closed names": lambda: of("🔥", "emoji") == " fire " and of("🔥", "emoji") not in of("🚒", "emoji"),
}


@pytest.mark.parametrize("name", sorted(REASONS | DECIDED))
def test_each_difference_from_upstream_is_as_decided(name: str) -> None:
    assert DECIDED[name]()
    assert REASONS[name].endswith(".")


def test_variants_are_lost_ideographs_named_once() -> None:
    variants = LOST_VARIANTS[::2]
    assert len(set(variants)) == len(variants) == len(LOST_VARIANTS[1::2])
    assert {unicodedata.category(character) for character in LOST_VARIANTS} <= {"Lo", "So"}
