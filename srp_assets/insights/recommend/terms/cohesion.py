"""Whether several tokens are one word or phrase: how firmly they hold together, and how freely they stand among others. No dictionary.

*Cohesion* is the pointwise mutual information of a term's two halves, at its weakest seam: how much more often they stand together than
chance would have it. *Boundary entropy* is that of the characters right before and right after it: a fragment of a longer word has nearly
always the same neighbour on one side (Jin and Tanaka-Ishii, "Unsupervised segmentation of Chinese text by use of branching entropy",
COLING/ACL 2006; Sornlertlamvanich and others, "Automatic corpus-based Thai word extraction with the C4.5 learning algorithm", COLING 2000).
Scripts with blanks tell their words apart themselves, so there only the cohesion of phrases is asked.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from srp_assets.insights.recommend.terms.counting import Level
from srp_assets.insights.recommend.terms.tokens import Tokens

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

LEAST_COHESION = 2.0
"""In nats: the halves stand together seven times as often as by chance."""

LEAST_BOUNDARY_ENTROPY = 0.8
"""In nats, on each side: more than two equally usual neighbours."""


def cohesion(levels: Sequence[Level], level: Level) -> Floats:
    """The pointwise mutual information of each term of a level at its weakest seam, in nats; infinite for single tokens.

    Args:
        levels: all levels, by size.
        level: the level of the terms.
    """
    weakest = np.full(len(level), np.inf)
    if level.size == 1:
        return weakest
    total = float(levels[0].occurrences.sum())
    prefixes, suffixes = _chains(levels, level)
    for left in range(1, level.size):
        before = levels[left - 1].occurrences[prefixes[left]]
        after = levels[level.size - left - 1].occurrences[suffixes[level.size - left]]
        weakest = np.minimum(weakest, np.log(level.occurrences * total / (before * after.astype(np.float64))))
    return weakest


def boundary_entropy(tokens: Tokens, level: Level, terms: Int64s, last: int) -> Floats:
    """The entropy of the tokens beside each of some terms in the first `last` tokens, in nats, on the side where it is lower.

    The edge of a text or a sentence is a neighbour of its own each time: nothing there goes on.
    """
    wanted = np.full(len(level) + 1, -1, dtype=np.int64)
    wanted[terms] = np.arange(len(terms))
    place = np.flatnonzero(wanted[level.at[:last]] >= 0)
    term = wanted[level.at[place]]
    # Characters alone matter: whatever else stands beside a term of them is an edge.
    edge = -1 - np.arange(len(place))
    hashes = tokens.hash.view(np.int64) & 0x7FFFFFFFFFFFFFFF
    after = place + level.size
    has_after = (after < len(tokens)) & np.append(tokens.linked, False)[np.minimum(after, len(tokens))]
    left = np.where(tokens.linked[place], hashes[place - 1], edge)
    right = np.where(has_after, hashes[np.minimum(after, len(tokens) - 1)], edge)
    return np.minimum(_entropy(term, left, len(terms)), _entropy(term, right, len(terms)))


def _entropy(term: Int64s, neighbour: Int64s, terms: int) -> Floats:
    """The entropy of the neighbours of each term."""
    order = np.lexsort((neighbour, term))
    term, neighbour = term[order], neighbour[order]
    starts = np.flatnonzero(np.append(True, (term[1:] != term[:-1]) | (neighbour[1:] != neighbour[:-1]))) if len(term) else np.empty(0, int)
    counts = np.diff(np.append(starts, len(term))).astype(np.float64)
    of_term = term[starts]
    totals = np.bincount(of_term, weights=counts, minlength=terms)
    share = counts / totals[of_term]
    return np.bincount(of_term, weights=-share * np.log(share), minlength=terms).astype(np.float64)


def _chains(levels: Sequence[Level], level: Level) -> tuple[dict[int, Int64s], dict[int, Int64s]]:
    """For each smaller size the term that each term begins with, and the one that it ends with."""
    prefixes, suffixes = {}, {}
    prefix, suffix = level.prefix, level.suffix
    for size in range(level.size - 1, 0, -1):
        prefixes[size], suffixes[size] = prefix.astype(np.int64), suffix.astype(np.int64)
        below = levels[size - 1]
        prefix, suffix = below.prefix[prefix], below.suffix[suffix]
    return prefixes, suffixes
