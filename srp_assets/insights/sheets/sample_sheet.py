"""Draws the cases of a sheet: a stratified random sample by word and list, the same for the same seed. No framework but numpy.

A case is of the stratum of its rarest word: so rare words are seen, and every case is in exactly one stratum. Words that bring too few
cases for so small a sheet share a stratum with the others of their list. How many cases of each stratum are drawn is a compromise between
what the share of all cases and what the shares of words need: in proportion to the square root of its size (power allocation: Bankier,
"Power
allocations: determining sample sizes for subnational areas", The American Statistician 42, 1988), at least two.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

LEAST_DRAWN = 2
"""Of each stratum: one case knows nothing of how they vary."""

NO_WORD = "no word"
OTHER_WORDS = "other words"


class CaseWords(NamedTuple):
    """The words that brought some cases, as numbers.

    Attributes:
        words: (list, word) by number.
        bounds: int64 (cases + 1), where the words of each case begin in `numbers`.
        numbers: int64, the words of each case, none twice.
    """

    words: Sequence[tuple[str, str]]
    bounds: Ints
    numbers: Ints


class Strata(NamedTuple):
    """Strata of cases: their names, and the stratum of each case (int64)."""

    names: Sequence[str]
    of_case: Ints


def strata_by_word(found: CaseWords, most: int) -> Strata:
    """The strata of cases by their rarest word.

    Args:
        found: the words of the cases.
        most: there are at most so many strata, but for those of lists, which are never put together until nothing else helps.
    """
    cases = len(found.bounds) - 1
    rarest = _rarest_words(found)
    sizes = np.bincount(rarest + 1, minlength=len(found.words) + 1)
    # The words with a stratum of their own: the largest ones. Each list that has others, and cases without words, need one more.
    present = [number for number in np.argsort(-sizes[1:], kind="stable").tolist() if sizes[number + 1]]
    lists = {found.words[number][0] for number in present}
    room = max(0, most - len(lists) - bool(sizes[0]))
    own = set(present if len(present) + bool(sizes[0]) <= most else present[:room])
    labels = [_label(word, number in own) for number, word in enumerate(found.words)]
    names = sorted({labels[number] for number in present} | ({NO_WORD} if sizes[0] else set()))
    if len(names) > max(1, most):
        return Strata(["all cases"], np.zeros(cases, dtype=np.int64))
    place = {name: number for number, name in enumerate(names)}
    of_word = np.array([place.get(NO_WORD, -1), *(place.get(label, -1) for label in labels)], dtype=np.int64)
    return Strata(names, of_word[rarest + 1])


def allocate(populations: Sequence[int], size: int) -> list[int]:
    """How many units of each stratum are drawn: all of them where the sample is as large.

    Args:
        populations: the units of each stratum, at least one.
        size: how many are drawn in all; where it is too small for two of each stratum, these are drawn nevertheless.
    """
    available = np.array(populations, dtype=np.float64)
    drawn = np.minimum(available, LEAST_DRAWN)
    wanted = np.sqrt(available)
    while (left := min(size, available.sum()) - drawn.sum()) > 1e-6:
        growing = np.where(available - drawn > 1e-6, wanted, 0.0)
        drawn = np.minimum(available, drawn + growing / growing.sum() * left)
    whole = np.floor(drawn + 1e-6).astype(np.int64)
    for place in np.argsort(whole - drawn, kind="stable")[: max(0, min(size, int(available.sum())) - int(whole.sum()))]:
        whole[place] += 1
    return [int(count) for count in whole]


def draw(strata: Strata, size: int, seed: int) -> tuple[list[int], Ints]:
    """Draws cases without replacement.

    Returns:
        How many were drawn of each stratum; and the drawn cases in random order (int64), the same for the same seed.
    """
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(strata.of_case == number) for number in range(len(strata.names))]
    counts = allocate([len(cases) for cases in members], size)
    chosen = [random.choice(cases, count, replace=False) for cases, count in zip(members, counts, strict=True)]
    return counts, random.permutation(np.concatenate([np.empty(0, dtype=np.int64), *chosen]))


def _rarest_words(found: CaseWords) -> Ints:
    """The word of each case that brought the fewest cases; -1 where it has none."""
    cases = len(found.bounds) - 1
    rarest = np.full(cases, -1, dtype=np.int64)
    if not len(found.numbers):
        return rarest
    frequency = np.bincount(found.numbers, minlength=len(found.words))
    rank = np.empty(len(found.words), dtype=np.int64)
    by_frequency = np.argsort(frequency, kind="stable")
    rank[by_frequency] = np.arange(len(found.words))
    has_words = np.flatnonzero(np.diff(found.bounds))
    lowest = np.minimum.reduceat(rank[found.numbers], found.bounds[has_words])
    rarest[has_words] = by_frequency[lowest]
    return rarest


def _label(word: tuple[str, str], has_own: bool) -> str:
    return f"{word[0]}: {word[1] if has_own else OTHER_WORDS}"
