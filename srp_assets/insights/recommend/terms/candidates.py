"""The words and phrases that texts of a topic have and others have not: candidates for its word list, the most telling ones first.

Texts come in groups of which each is inside the topic with a probability: confirmed cases with 1, rejected ones with 0, cases that nobody
marked with what is known of the words that brought them, other texts of the same kind with 0. Without marks this is retrieved text against
background text; marks sharpen it, and are asked again on their own (`marks_z`), since a few hundred of them would drown in thousands of
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.insights.recommend.terms.cohesion import LEAST_BOUNDARY_ENTROPY, LEAST_COHESION, boundary_entropy, cohesion
from srp_assets.insights.recommend.terms.counting import Level, count_terms
from srp_assets.insights.recommend.terms.log_odds import log_odds_z
from srp_assets.insights.recommend.terms.tokens import Tokens, folded, tokens_of
from srp_assets.wordlists.text_column import ColumnFold
from srp_assets.wordlists.transforms import Fold

LEAST_TEXTS = 5
"""Looked-at texts that a term stands in: fewer tell nothing."""

LEAST_Z = 2.5
"""The z-score from which a term is a candidate: one of two hundred usual terms reaches it by chance."""

MOST_TERMS = 2_000
"""Terms that are looked at one by one, in Python."""

REMAINING_SHARE = 0.3
"""A term of which so little is left outside of a better, longer one says nothing of its own."""


@dataclass(frozen=True)
class TextGroup:
    """Texts that are inside the topic with the same probability; `is_marked` says that people said so."""

    texts: pa.Array
    probability: float
    is_marked: bool = False


@dataclass(frozen=True)
class Candidate:
    """A term, and how surely it tells texts of the topic from others.

    `score` is the z-score of all texts and, where there are marks, of the marked ones alone, put together; `texts` are the looked-at texts
    that hold it, `inside` how many of them are expected to be of the topic, `rate` what share of all such texts that is.
    """

    term: str
    score: float
    texts: int
    inside: float
    rate: float


@dataclass(frozen=True, eq=False)
class _Scored:
    """The terms of one level that pass, with what is known of each: parallel arrays."""

    level: Level
    terms: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    inside: npt.NDArray[np.float64]


def find_candidates(looked_at: Sequence[TextGroup], background: Sequence[TextGroup], fold: Fold, *, most: int) -> list[Candidate]:
    """The most telling terms, the best first.

    Args:
        looked_at: groups of texts from which terms are taken.
        background: groups of texts that only say how usual a term is.
        fold: what the word list does to texts before it looks for words, as far as people can still read them.
        most: at most so many.
    """
    groups = [*looked_at, *background]
    texts = _together([group.texts for group in groups])
    sizes = np.array([len(group.texts) for group in groups], dtype=np.float64)
    class_of_text = np.repeat(np.arange(len(groups), dtype=np.uint8), sizes.astype(np.int64))
    first_background = int(sizes[: len(looked_at)].sum())
    tokens = tokens_of(texts, fold)
    levels = count_terms(tokens, class_of_text, classes=len(groups), looked_at=first_background, least_texts=LEAST_TEXTS)
    last = int(np.searchsorted(tokens.text, first_background))
    scored = [_scored(levels, level, groups, sizes, tokens, last) for level in levels]
    topic = float(sizes @ np.array([group.probability for group in groups]))
    return _chosen(scored, tokens, texts, fold, most, len(looked_at), topic)


def _scored(
    levels: Sequence[Level], level: Level, groups: Sequence[TextGroup], sizes: npt.NDArray[np.float64], tokens: Tokens, last: int
) -> _Scored:
    """The terms of a level that are telling, hold together, and are no fragments."""
    probability = np.array([group.probability for group in groups])
    counts = level.texts.astype(np.float64)
    inside, outside = counts @ probability, counts @ (1 - probability)
    usual = counts.sum(axis=1) / sizes.sum()
    score = log_odds_z(inside, outside, float(sizes @ probability), float(sizes @ (1 - probability)), usual)
    score = _with_marks(score, counts, groups, sizes, usual)
    unspaced = tokens.unspaced[level.first]
    passed = (score >= LEAST_Z) & (cohesion(levels, level) >= LEAST_COHESION)
    if level.size == 1:
        passed &= ~unspaced
    terms = np.flatnonzero(passed)
    characters = terms[unspaced[terms]]
    fragments = characters[boundary_entropy(tokens, level, characters, last) < LEAST_BOUNDARY_ENTROPY]
    terms = np.setdiff1d(terms, fragments)
    return _Scored(level, terms, score[terms], inside[terms])


def _with_marks(
    score: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    groups: Sequence[TextGroup],
    sizes: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The z-score of all texts and that of the marked ones put together (Stouffer's method: their sum over the root of two)."""
    right = np.array([group.is_marked and group.probability == 1 for group in groups])
    wrong = np.array([group.is_marked and group.probability == 0 for group in groups])
    if not sizes[right].sum() or not sizes[wrong].sum():
        return score
    of_marks = log_odds_z(counts @ right, counts @ wrong, float(sizes @ right), float(sizes @ wrong), usual)
    return (score + of_marks) / np.sqrt(2)


def _chosen(
    scored: Sequence[_Scored], tokens: Tokens, texts: pa.Array, fold: Fold, most: int, looked_at: int, topic: float
) -> list[Candidate]:
    """The best terms of all levels, without those that say what a better one says already."""
    table = [(float(found.score[place]), number, place) for number, found in enumerate(scored) for place in range(len(found.terms))]
    table.sort(key=lambda entry: (-entry[0], -entry[1], entry[2]))
    column_fold = ColumnFold.of(fold)
    kept: list[Candidate] = []
    for score, number, place in table[:MOST_TERMS]:
        if len(kept) == most:
            break
        found = scored[number]
        term = int(found.terms[place])
        counts = found.level.texts[term]
        candidate = Candidate(
            term=_spelled(tokens, found.level, term, texts, column_fold),
            score=score,
            texts=int(counts[:looked_at].sum()),
            inside=float(found.inside[place]),
            rate=float(found.inside[place]) / max(topic, 1.0),
        )
        if not any(_says_the_same(candidate, better) for better in kept):
            kept.append(candidate)
    return kept


def _says_the_same(candidate: Candidate, better: Candidate) -> bool:
    """Whether a term is part of a better one that explains nearly all of its texts, or a longer form of it that hits nothing new."""
    if better.term in candidate.term:
        return True
    return candidate.term in better.term and candidate.inside - better.inside <= REMAINING_SHARE * candidate.inside


def _spelled(tokens: Tokens, level: Level, term: int, texts: pa.Array, fold: ColumnFold) -> str:
    """How a term is written where it stands first."""
    first = int(level.first[term])
    final = first + level.size - 1
    text = folded(texts.slice(int(tokens.text[first]), 1), fold).text(0)
    return text[tokens.start[first] : tokens.start[final] + tokens.length[final]]


def _together(arrays: Sequence[pa.Array]) -> pa.Array:
    return pa.concat_arrays([array.cast(pa.large_string()) for array in arrays]) if arrays else pa.array([], pa.large_string())
