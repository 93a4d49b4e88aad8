"""The recorded behaviour of matcher_py (0.15.5 for simple words, 0.5.4 for all else): ours is the same, apart from named differences."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from srp_assets.errors import InvalidInput
from srp_assets.settings import PROJECT_ROOT
from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.checks import check_words
from srp_assets.wordlists.model import WordList, resolve
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import WordError

FOLDER = PROJECT_ROOT.parent / "shared" / "goldens"
GOLDENS = FOLDER / "simple_words.jsonl"
OTHER_GOLDENS = FOLDER / "regex_similar_exemption.jsonl"

TRANSFORM_OF_BIT = {2: "simplify", 4: "delete", 8: "normalize", 16: "pinyin", 32: "pinyin_char", 64: "emoji"}

REFUSED = "refused"

NO_BOUNDARY = "there is no word boundary operator: a backslash escapes operators, and nothing else"
EMPTY_PARTS = "words and segments without text are refused when a list is saved, not dropped in silence"
BOTH_SIDES = "transforms apply to the word as well as to the text"
COMPOSED_COUNTS = "upstream counts an occurrence once for each step of a composed transform; we count it once"
LOST_VARIANT = "variants that upstream forgot are simplified again"
PATTERN_CASE = "case is ignored for a pattern as for a text: normalize alone no longer makes the one small and leaves the other"
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
    ("regex:normalize", "HELLO", "hello"): ([0], PATTERN_CASE),
    ("levenshtein:", "halxo@0.0", ""): (REFUSED, "a threshold of 0, at which every text hits, is refused when a list is saved"),
}
"""By process, words and text: the ids that hit with us, and why they are others.

For lists that are not simple, by type and transforms, words and threshold, and text.
"""


def cases_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def golden_cases() -> list[dict]:
    return cases_of(GOLDENS)


def transforms_of(process: int) -> tuple[str, ...]:
    return tuple(name for bit, name in TRANSFORM_OF_BIT.items() if process & bit)


def identity(case: dict) -> tuple[str, str, str]:
    return case["process_name"], ",".join(case["words"].values()), case["text"]


def outcome(case: dict) -> list[int] | str:
    transforms = transforms_of(case["process"])
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


def identity_of_other(case: dict) -> tuple[str, str, str]:
    threshold = "" if case["threshold"] is None else f"@{case['threshold']}"
    return f"{case['type']}:{'+'.join(transforms_of(case['process']))}", " ".join(case["word_list"]) + threshold, case["text"]


def recorded_ids(case: dict) -> list[int]:
    return sorted({id_ for id_, _, _ in case["results"]})


def outcome_of_other(case: dict) -> list[int] | str:
    transforms, type_ = transforms_of(case["process"]), case["type"].replace("levenshtein", "similar")
    document = {
        "kind": "word_list",
        "id": "golden",
        "type": type_,
        "words": case["word_list"],
        "transforms": transforms,
        # Simple words, exemptions and acrostics ignored case then; the rest did under normalize, which made texts small.
        "case_sensitive": type_ not in ("simple", "acrostic") and "normalize" not in transforms,
        "threshold": case["threshold"],
    }
    try:
        words = WordList.model_validate(document)
        check_words(words)
    except (ValidationError, InvalidInput):
        return REFUSED
    exempt = ExemptGroup(words=tuple(case["exemption_word_list"]), transforms=transforms_of(case["exemption_process"]))
    resolved = resolve(words, 1, {}).model_copy(update={"exempt": (exempt,)})
    hits = scanner.compile([resolved]).scan(pa.array([case["text"]]))
    assert set(hits.word) == reference.hits(resolved, [case["text"]])
    return sorted(hits.word.tolist())


@pytest.mark.skipif(not GOLDENS.is_file(), reason=f"the recorded cases are not there: {Path('..') / 'shared' / 'goldens'}")
class TestGoldens:
    @pytest.mark.parametrize("case", golden_cases(), ids=lambda case: " ".join(map(ascii, identity(case))))
    def test_recorded_behaviour(self, case: dict) -> None:
        expected, _ = DIFFERENCES.get(identity(case), (sorted(case["hits"]), ""))
        assert outcome(case) == expected

    @pytest.mark.parametrize("case", cases_of(OTHER_GOLDENS), ids=lambda case: " ".join(map(ascii, identity_of_other(case))))
    def test_recorded_behaviour_of_other_lists(self, case: dict) -> None:
        expected, _ = DIFFERENCES.get(identity_of_other(case), (recorded_ids(case), ""))
        assert outcome_of_other(case) == expected

    def test_every_named_difference_is_one(self) -> None:
        recorded: dict[tuple[str, str, str], list[int]] = {identity(case): sorted(case["hits"]) for case in golden_cases()}
        recorded |= {identity_of_other(case): recorded_ids(case) for case in cases_of(OTHER_GOLDENS)}
        # A refusal differs from whatever was recorded, a missed word too.
        same = [key for key, (ours, _) in DIFFERENCES.items() if recorded[key] == ours]
        assert same == []


SIMILAR_CHAR = ("hello,hallo,hollo,hi", "word,world,wrd,🌍", "!,?,~")


@pytest.mark.parametrize(
    ("changes", "hits", "misses"),
    [
        ({"words": ("hello&world&hello",)}, ["hellohelloworld", "worldhellohello"], ["helloworld"]),
        ({"type": "similar_char", "words": SIMILAR_CHAR}, ["helloworld!", "hollowrd?", "hi🌍~"], ["helloworld", "world!hello"]),
        ({"words": ("虫艹",), "transforms": ("simplify",)}, ["蟲艸"], ["艹虫"]),
        ({"words": ("Fuiiikkkk",), "transforms": ("delete",)}, ["Fu&*iii&^%%*&kkkk"], ["Fu iii"]),
        ({"words": ("hello world!",), "transforms": ("normalize",)}, ["𝜢𝕰𝕃𝙻𝝧 𝙒ⓞᵣℒ𝒟!"], ["hello"]),
        ({"words": ("西安",), "transforms": ("pinyin",)}, ["洗按"], ["先"]),
        ({"words": ("西安",), "transforms": ("pinyin_char",)}, ["洗按", "先"], ["西"]),
    ],
)
def test_what_must_hold_without_exception(changes: dict, hits: list[str], misses: list[str]) -> None:
    words = ResolvedList(id="must", version=1, **changes)
    found = scanner.compile([words]).scan(pa.array([*hits, *misses]))
    assert found.row.tolist() == list(range(len(hits)))
    assert [bool(reference.hits(words, [text])) for text in (*hits, *misses)] == [True] * len(hits) + [False] * len(misses)
