"""Lists of every type in one scanner, exempting each other, against the naive reference; and the spans of what is found."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.checks import check_words
from srp_assets.wordlists.model import WordList, resolve
from srp_assets.wordlists.patterns import engine as pattern_engine
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.spans import spans
from srp_assets.wordlists.transforms import TRANSFORMS

PIECES = [
    *["a", "b", "A", "ab", "é", "É", "e\u0301", "Ａ", "①", "½", "1", "²", "-", " ", "\n", "，", ".", "西", "安", "洗按", "先", "xi an"],
    *["測", "测", "虫艹", "蟲艸", "🔥", "fire", "\0", "\u200d", "𝜢", "İ", "ſ", "\U00020000"],
]
WORDS = {
    "simple": ["a", "ab&a", "a~b", "西安", "西|安&a", "é", "Ａ1", "測", "🔥", "1~①", r"\&", "b&b"],
    "similar_char": ["a,b", "西,安", "é", "1,①,🔥", r"\,,-", "ab"],
    "acrostic": ["a,b", "西,安", "a", "é,1", "ab,a,b", "🔥,a"],
    "regex": ["a+b", r"\ba", "[A-Zé]{2}", "(西|安).?a", "^(?!.*b)", r"(.)\1", r"\d", "(?<=a)b", r"\p{Han}{2}", "a$", r"\s[^a]"],
    "similar": ["ab", "西安", "abab", "a b", "é1", "🔥🔥a"],
}

texts = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=8).map("".join)

transforms = st.sampled_from([(), *((name,) for name in TRANSFORMS), ("emoji", "normalize"), ("simplify", "delete", "normalize")])


@st.composite
def documents(draw: st.DrawFn, number: int) -> WordList:
    type_ = draw(st.sampled_from(list(WORDS)))
    document = {
        "kind": "word_list",
        "id": f"list-{number}",
        "type": type_,
        "words": draw(st.lists(st.sampled_from(WORDS[type_]), min_size=1, max_size=3, unique=True)),
        "transforms": draw(transforms),
        "case_sensitive": draw(st.booleans()),
        "threshold": draw(st.sampled_from([0.4, 0.6, 0.75, 1.0])) if type_ == "similar" else None,
        "exempt": draw(st.lists(st.sampled_from(WORDS["simple"]), max_size=1)),
    }
    try:
        read = WordList.model_validate(document)
        check_words(read)
    except (ValidationError, InvalidInput):
        assume(False)
    return read


@st.composite
def list_sets(draw: st.DrawFn) -> list[ResolvedList]:
    """Some lists; one of them may be exempted by another, which has no exemptions then."""
    found = [draw(documents(number)) for number in range(draw(st.integers(1, 3)))]
    resolved = [resolve(document, 1, {}) for document in found]
    if len(found) > 1 and draw(st.booleans()):
        other = found[1].model_copy(update={"exempt": ()})
        first = found[0].model_copy(update={"exempt": (*found[0].exempt, *WordList.model_validate(REFERENCE).exempt)})
        resolved[0] = resolve(first, 1, {"list-1": other})
    return resolved


REFERENCE = {"kind": "word_list", "id": "reference", "words": ["a"], "exempt": [{"word_list": "list-1"}]}


@given(list_sets(), st.lists(st.tuples(st.none() | texts, st.none() | texts), max_size=6), st.booleans())
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_lists_of_every_type_say_what_the_reference_says(
    tmp_path_factory: pytest.TempPathFactory, lists: list[ResolvedList], rows: list[tuple[str | None, str | None]], is_composite: bool
) -> None:
    parts = [pa.array([row[0] for row in rows], pa.string()), pa.array([row[1] for row in rows], pa.large_string())]
    chosen, wanted = (parts, rows) if is_composite else (parts[:1], [row[:1] for row in rows])
    path = Path(tmp_path_factory.getbasetemp()) / "scanner"
    compiled = scanner.compile(lists)
    compiled.save(path)
    for one in (compiled, scanner.load(path)):
        hits = one.scan_parts(chosen)
        assert list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True)) == reference.scan(lists, wanted)
        assert hits.silenced.tolist() == reference.silenced(lists, wanted)
        assert not np.any(hits.crosses[[lists[number].type != "simple" for number in hits.list]])
    for row, number, word in reference.scan(lists, wanted):
        found = spans(lists[number], word, wanted[row])
        assert found
        assert all(0 <= span.start <= span.end <= len(wanted[row][span.part] or "") for span in found)
        assert found == tuple(sorted(set(found)))


def test_exemptions_of_every_type_silence_every_type() -> None:
    groups = {
        "simple": ("no&thanks",),
        "similar_char": ("n,N", "o,0", "!"),
        "acrostic": ("n,t",),
        "regex": (r"no\s+\w+!",),
        "similar": ("help. no thanks!!",),
    }
    for type_, words in groups.items():
        exempt = (ExemptGroup(type=type_, words=words, threshold=0.9 if type_ == "similar" else None),)
        lists = [
            ResolvedList(id="regex", version=1, type="regex", words=("h[ea]lp",), exempt=exempt),
            ResolvedList(id="simple", version=1, words=("help",), exempt=exempt),
            ResolvedList(id="other", version=1, words=("help",)),
        ]
        rows = ["help", "help. no thanks!" if type_ != "similar_char" else "help n0!"]
        hits = scanner.compile(lists).scan(pa.array(rows))
        assert [(row, number) for row, number in zip(hits.row.tolist(), hits.list.tolist(), strict=True)] == [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 2),
        ]
        assert hits.silenced.tolist() == [1, 1, 0]


def test_a_list_that_takes_too_long_is_named_with_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_engine, "TRIAL_SECONDS", 0.05)
    lists = [
        ResolvedList(id="quick", version=1, words=("a",)),
        ResolvedList(id="slow", version=1, type="regex", words=("a", r"(\w+)(\w+)(\w+)\3\2\1!")),
    ]
    with pytest.raises(Unavailable) as caught:
        scanner.compile(lists).scan(pa.array(["ab" * 1000 + "ab!"] * 3))
    assert "slow" in str(caught.value.where)
    assert "number 2" in str(caught.value.where)
    assert caught.value.remedy
