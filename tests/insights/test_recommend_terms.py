"""Terms of texts: tokens, counts level by level, cohesion, boundary entropy and log-odds, each against a naive loop."""

import re
from collections import Counter, defaultdict
from math import log, sqrt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.insights.recommend.lowest import Lowest, hashes_of
from srp_assets.insights.recommend.terms.candidates import TextGroup, find_candidates
from srp_assets.insights.recommend.terms.cohesion import boundary_entropy, cohesion
from srp_assets.insights.recommend.terms.counting import LONGEST_PHRASE, LONGEST_UNSPACED, count_terms
from srp_assets.insights.recommend.terms.log_odds import LEAST_PRIOR, PRIOR_TEXTS, log_odds_z
from srp_assets.insights.recommend.terms.tokens import Tokens, tokens_of
from srp_assets.wordlists.transforms import fold_of

FOLD = fold_of((), False)
TEXTS = st.lists(st.one_of(st.none(), st.text(alphabet="aB 健身房-'é.\n  7Ж", max_size=14)), max_size=12)
WORD = re.compile(r"[^\W_健身房]+(?:['’-][^\W_健身房]+)*|[健身房]")


def naive_tokens(text: str) -> list[tuple[str, int]]:
    """The tokens of a folded text and where they begin."""
    return [(found.group(), found.start()) for found in WORD.finditer(text)]


def naive_phrases(text: str) -> list[tuple[str, int]]:
    """All phrases of a folded text, with their sizes, as often as they stand in it."""
    tokens = naive_tokens(text)
    found = []
    for first in range(len(tokens)):
        for last in range(first, len(tokens)):
            size = last - first + 1
            unspaced = tokens[first][0] in "健身房"
            if last > first:
                (before, start), (here, place) = tokens[last - 1], tokens[last]
                between = text[start + len(before) : place]
                if (here in "健身房") != unspaced or between != ("" if unspaced else " "):
                    break
            if size > (LONGEST_UNSPACED if unspaced else LONGEST_PHRASE):
                break
            found.append((text[tokens[first][1] : tokens[last][1] + len(tokens[last][0])], size))
    return found


def spelled(texts: list[str | None], tokens: Tokens, place: int, size: int) -> str:
    text = (texts[tokens.text[place]] or "").lower()
    return text[tokens.start[place] : tokens.start[place + size - 1] + tokens.length[place + size - 1]]


@given(TEXTS)
def test_tokens_are_those_of_a_naive_reader(texts: list[str | None]) -> None:
    tokens = tokens_of(pa.array(texts, pa.string()), FOLD)
    expected = [(number, token, start) for number, text in enumerate(texts) for token, start in naive_tokens((text or "").lower())]
    found = [(int(tokens.text[place]), spelled(texts, tokens, place, 1), int(tokens.start[place])) for place in range(len(tokens))]
    assert found == expected
    same = defaultdict(set)
    for place, (_, token, _) in enumerate(found):
        same[token].add(int(tokens.hash[place]))
    assert all(len(hashes) == 1 for hashes in same.values())
    assert len(set().union(*same.values())) == len(same)


@given(TEXTS, TEXTS, st.integers(1, 3))
def test_counts_are_those_of_a_naive_reader(looked_at: list[str | None], others: list[str | None], least: int) -> None:
    texts = [*looked_at, *others]
    classes = np.array([number % 2 for number in range(len(texts))], dtype=np.uint8)
    tokens = tokens_of(pa.array(texts, pa.string()), FOLD)
    levels = count_terms(tokens, classes, classes=2, looked_at=len(looked_at), least_texts=least)
    in_texts: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    occurrences: Counter[tuple[str, int]] = Counter()
    frequent: Counter[tuple[str, int]] = Counter()
    for number, text in enumerate(texts):
        phrases = naive_phrases((text or "").lower())
        for phrase in set(phrases):
            in_texts[phrase][number % 2] += 1
            frequent[phrase] += number < len(looked_at)
        if number < len(looked_at):
            occurrences.update(phrases)
    expected = {phrase: (counts[0], counts[1], occurrences[phrase]) for phrase, counts in in_texts.items() if frequent[phrase] >= least}
    found = {
        (spelled(texts, tokens, int(level.first[term]), level.size), level.size): (
            *level.texts[term].tolist(),
            int(level.occurrences[term]),
        )
        for level in levels
        for term in range(len(level))
    }
    assert found == expected


def test_cohesion_is_the_mutual_information_of_the_weakest_seam() -> None:
    texts = ["健身房"] * 6 + ["健身"] * 3 + ["房"] * 5 + ["a b"] * 4 + ["a", "b"]
    tokens = tokens_of(pa.array(texts), FOLD)
    levels = count_terms(tokens, np.zeros(len(texts), dtype=np.uint8), classes=1, looked_at=len(texts), least_texts=2)
    total = 6 * 3 + 3 * 2 + 5 + 4 * 2 + 2
    by_name = {
        spelled(texts, tokens, int(level.first[term]), level.size): float(cohesion(levels, level)[term])
        for level in levels
        for term in range(len(level))
    }
    assert by_name["健身房"] == pytest.approx(log(6 * total / (9 * 11)))
    assert by_name["健身"] == pytest.approx(log(9 * total / (9 * 9)))
    assert by_name["a b"] == pytest.approx(log(4 * total / (5 * 5)))
    assert by_name["a"] == float("inf")


def test_fragments_have_no_entropy_at_the_edge_within_the_word() -> None:
    texts = [f"{before}老虎机{after}" for before in "上下左右" for after in "来去"]
    tokens = tokens_of(pa.array(texts), FOLD)
    levels = count_terms(tokens, np.zeros(len(texts), dtype=np.uint8), classes=1, looked_at=len(texts), least_texts=8)
    found = {}
    for level in levels[1:]:
        entropies = boundary_entropy(tokens, level, np.arange(len(level)), len(tokens))
        found |= {spelled(texts, tokens, int(level.first[term]), level.size): float(entropies[term]) for term in range(len(level))}
    assert found["老虎机"] == pytest.approx(log(2))
    assert found["老虎"] == found["虎机"] == 0.0


def test_the_edge_of_a_sentence_is_a_neighbour_of_its_own() -> None:
    texts = ["老虎机。"] * 8
    tokens = tokens_of(pa.array(texts), FOLD)
    levels = count_terms(tokens, np.zeros(8, dtype=np.uint8), classes=1, looked_at=8, least_texts=8)
    assert boundary_entropy(tokens, levels[2], np.arange(1), len(tokens)).tolist() == [pytest.approx(log(8))]


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 5_000)), min_size=1, max_size=20),
    st.integers(200, 400),
    st.integers(5_000, 9_000),
)
def test_log_odds_are_those_of_the_paper(counts: list[tuple[int, int]], inside: int, outside: int) -> None:
    held, others = (np.array(column, dtype=np.float64) for column in zip(*counts, strict=True))
    usual = (held + others) / (inside + outside)
    found = log_odds_z(held, others, inside, outside, usual)
    for place, (one, other) in enumerate(counts):
        prior = max(PRIOR_TEXTS * usual[place], LEAST_PRIOR)
        ours = log((one + prior) / (inside + PRIOR_TEXTS - one - prior))
        theirs = log((other + prior) / (outside + PRIOR_TEXTS - other - prior))
        assert found[place] == pytest.approx((ours - theirs) / sqrt(1 / (one + prior) + 1 / (other + prior)), abs=1e-9)


def test_a_longer_form_of_a_better_word_is_not_named_twice() -> None:
    topic = pa.array([f"play free spins at casino {number % 7} today" for number in range(60)])
    other = pa.array([f"we play {number % 7} at home today with the dog" for number in range(400)])
    found = [candidate.term for candidate in find_candidates([TextGroup(topic, 1.0)], [TextGroup(other, 0.0)], FOLD, most=20)]
    assert len(found) == len(set(found))
    assert not [(one, two) for one in found for two in found if one != two and one in two]
    assert any("casino" in term for term in found)
    assert not {"play", "today", "at", "dog"} & set(found)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1_000)), max_size=60), st.integers(1, 5), st.integers(1, 7))
def test_the_lowest_rows_of_each_group_are_kept_however_they_come(rows: list[tuple[int, int]], most: int, step: int) -> None:
    keys = [f"{number} {key}" for number, (_, key) in enumerate(rows)]
    hashes = hashes_of(keys, 3)
    groups = np.array([group for group, _ in rows], dtype=np.int64)
    kept: Lowest[str] = Lowest(most)
    for start in range(0, len(rows), step):
        part = keys[start : start + step]
        kept.add(groups[start : start + step], hashes[start : start + step], lambda places, part=part: [part[place] for place in places])
    expected = [
        (group, hash_, key)
        for group in sorted(set(groups.tolist()))
        for hash_, key in sorted((int(hashes[place]), keys[place]) for place in range(len(rows)) if groups[place] == group)[:most]
    ]
    assert [tuple(row) for row in kept] == expected


def test_another_seed_is_another_sample() -> None:
    assert hashes_of(["a", "b", "c"], 1).tolist() != hashes_of(["a", "b", "c"], 2).tolist()
    assert (hashes_of(["a", "b", "c"], 1) >= 0).all()
