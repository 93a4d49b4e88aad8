"""The recorded behaviour of matcher_py 0.15.5: ours is the same, apart from the differences that are named here with their reasons."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from srp_assets.settings import PROJECT_ROOT
from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.syntax import WordError

GOLDENS = PROJECT_ROOT.parent / "shared" / "goldens" / "simple_words.jsonl"

TRANSFORM_OF_BIT = {2: "simplify", 4: "delete", 8: "normalize", 16: "pinyin", 32: "pinyin_char", 64: "emoji"}

REFUSED = "refused"

NO_BOUNDARY = "there is no word boundary operator: a backslash escapes operators, and nothing else"
EMPTY_PARTS = "words and segments without text are refused when a list is saved, not dropped in silence"
BOTH_SIDES = "transforms apply to the word as well as to the text"
COMPOSED_COUNTS = "upstream counts an occurrence once for each step of a composed transform; we count it once"
LOST_VARIANT = "variants that upstream forgot are simplified again"
SYLLABLES = "a syllable is one symbol, which neither Latin letters nor the beginning of a longer syllable can be"

DIFFERENCES: dict[tuple[str, str, str], tuple[list[int] | str, str]] = {
    ("NONE", "a|a&a|a", "a"): ([], "an alternative that is written twice counts once"),
    ("NONE", "a|", "a"): (REFUSED, EMPTY_PARTS),
    ("NONE", ",x", "x"): (REFUSED, EMPTY_PARTS),
    ("NONE", "~bad,x", "good x"): (REFUSED, "a word that only forbids is refused when a list is saved, not dropped in silence"),
    ("NONE", "&a&&b&", "ba"): (REFUSED, EMPTY_PARTS),
    ("NONE", r"\bcat\b", "concatenate"): (REFUSED, NO_BOUNDARY),
    ("NONE", r"\bcat\b", "the cat."): (REFUSED, NO_BOUNDARY),
    ("NONE", r"\bcat\b", "猫cat猫"): (REFUSED, NO_BOUNDARY),
    ("NONE", r"\b西安\b", "在西安城"): (REFUSED, NO_BOUNDARY),
    ("NORMALIZE", r"\bcat\b", "the ＣＡＴ sat"): (REFUSED, NO_BOUNDARY),
    ("NORMALIZE", r"\bcat\b", "ＸＣＡＴ"): (REFUSED, NO_BOUNDARY),
    ("NORMALIZE", r"\bcat\b", "ＸＸＸ cat ＸＸＸ"): (REFUSED, NO_BOUNDARY),
    ("VARIANT_NORM", r"\bcat\b", "測試 cat 測試"): (REFUSED, NO_BOUNDARY),
    ("DELETE", "hello world", "helloworld"): ([1], BOTH_SIDES),
    ("DELETE|ROMANIZE", "西 安", "西-安"): ([1], BOTH_SIDES),
    ("DELETE_NORMALIZE", "100％", "满100％减"): ([1], BOTH_SIDES),
    ("VARIANT_NORM", "现身", "現⾝"): ([1], LOST_VARIANT),
    ("VARIANT_NORM", "虫艹", "蟲艸"): ([1], LOST_VARIANT),
    ("VARIANT_NORM_DELETE_NORMALIZE", "你好", "妳—好"): ([1], LOST_VARIANT),
    ("ROMANIZE", "西安", " xi an"): ([], SYLLABLES),
    ("ROMANIZE", "西安", "a xi and"): ([], SYLLABLES),
    ("ROMANIZE", "西安", "喜昂"): ([], SYLLABLES),
    ("DELETE_NORMALIZE", "hello&world&hello", "hello world"): ([], COMPOSED_COUNTS),
    ("VARIANT_NORM_DELETE_NORMALIZE", "hello&world&hello", "hello world"): ([], COMPOSED_COUNTS),
    ("DELETE_NORMALIZE", "a~b~b", "a b"): ([1], COMPOSED_COUNTS),
    ("NORMALIZE", "12", "一二三"): ([], "Chinese numerals are not digits"),
}
"""By process, words and text: the ids that hit with us, and why they are others."""


def golden_cases() -> list[dict]:
    return [json.loads(line) for line in GOLDENS.read_text(encoding="utf-8").splitlines()] if GOLDENS.is_file() else []


def identity(case: dict) -> tuple[str, str, str]:
    return case["process_name"], ",".join(case["words"].values()), case["text"]


def outcome(case: dict) -> list[int] | str:
    transforms = tuple(name for bit, name in TRANSFORM_OF_BIT.items() if case["process"] & bit)
    # Upstream ignores case under normalize alone.
    words = ResolvedList(
        id="golden", version=1, words=tuple(case["words"].values()), transforms=transforms, case_sensitive="normalize" not in transforms
    )
    ids = [int(id_) for id_ in case["words"]]
    try:
        hits = scanner.compile([words]).scan(pa.array([case["text"]]))
    except WordError:
        return REFUSED
    assert set(hits.word) == reference.hits(words, [case["text"]])
    return sorted(ids[word] for word in hits.word)


@pytest.mark.skipif(not GOLDENS.is_file(), reason=f"the recorded cases are not there: {Path('..') / 'shared' / 'goldens'}")
class TestGoldens:
    @pytest.mark.parametrize("case", golden_cases(), ids=lambda case: " ".join(map(ascii, identity(case))))
    def test_recorded_behaviour(self, case: dict) -> None:
        expected, _ = DIFFERENCES.get(identity(case), (sorted(case["hits"]), ""))
        assert outcome(case) == expected

    def test_every_named_difference_is_one(self) -> None:
        recorded = {identity(case): sorted(case["hits"]) for case in golden_cases()}
        # A refusal differs from whatever was recorded, a missed word too.
        same = [key for key, (ours, _) in DIFFERENCES.items() if recorded[key] == ours]
        assert same == []
