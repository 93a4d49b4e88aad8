"""What chance draws while training: negatives by smoothed popularity, overall and within a market, and which frequent items are left out.

A negative of the market teaches what tells items of one market apart, which is all that is left to learn where sessions keep to a market.
Where markets share their items it is only an unlikelier place for a true alternative: so it is drawn from the market with the probability
`own_shares`, which follows from how far sessions do keep to it, and from all items else.

Draws are alias tables (Vose, "A linear algorithm for generating random numbers with a given distribution", 1991): one random number and one
look into memory for each, whatever the number of items. The negative is item i with probability count(i)^power / sum of count^power
(Mikolov et al., "Distributed representations of words and phrases", 2013), within a market over the items of that market.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.training.corpus import Codes, Corpus, Offsets, Vocabulary

Limits = npt.NDArray[np.uint32]

WHOLE = 2**32
"""Limits are compared with the lower half of a 64-bit random number."""

TOKENS_AT_ONCE = 1_000_000
"""So many are looked at together, so that this needs a few megabytes whatever the corpus has."""


@dataclass(frozen=True)
class Sampler:
    """Tables of the draws.

    Args:
        limits: of each item's place in the overall table: below it a draw stays, else it takes the alias; shape (items,).
        aliases: the other item of each place, shape (items,).
        market_limits: the same for places of the markets' tables, which lie one after the other, shape (items,).
        market_aliases: places within all markets' tables, shape (items,).
        market_items: the item of each place, shape (items,).
        market_starts: where each market's table begins, and the end of the last one, shape (markets + 1,).
        own_shares: probability that a negative of each market is drawn from the market and not from all, shape (markets,).
        kept: probability that an occurrence of an item is kept, shape (items,).
    """

    limits: Limits
    aliases: Codes
    market_limits: Limits
    market_aliases: Codes
    market_items: Codes
    market_starts: Offsets
    own_shares: npt.NDArray[np.float32]
    kept: npt.NDArray[np.float32]


def sampler_of(vocabulary: Vocabulary, options: TrainingOptions, corpus: Corpus) -> Sampler:
    """The tables of a vocabulary.

    Args:
        vocabulary: with counts and markets.
        options: as declared.
        corpus: whose sessions tell how far markets keep to themselves: all of it, or a part.
    """
    weights = vocabulary.counts.astype(np.float64) ** options.negative_power
    limits, aliases = alias_table(weights)
    order = np.argsort(vocabulary.markets, kind="stable").astype(np.int32)
    starts = np.searchsorted(vocabulary.markets[order], np.arange(vocabulary.markets.max(initial=-1) + 2)).astype(np.int64)
    market_limits, market_aliases = np.empty(len(order), np.uint32), np.empty(len(order), np.int32)
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        found = alias_table(weights[order[start:end]])
        market_limits[start:end], market_aliases[start:end] = found[0], found[1] + np.int32(start)
    own, kept = own_shares(corpus, vocabulary.markets), kept_shares(vocabulary.counts, options.frequent_share)
    return Sampler(limits, aliases, market_limits, market_aliases, order, starts, own, kept)


def alias_table(weights: npt.NDArray[np.float64]) -> tuple[Limits, Codes]:
    """The table of a distribution.

    Args:
        weights: of the places, none negative, shape (places,).

    Returns:
        The limits and the aliases, each of shape (places,).
    """
    places = len(weights)
    scaled = weights / weights.sum() * places if places else weights
    limits, aliases = np.ones(places), np.arange(places, dtype=np.int32)
    small = [int(place) for place in np.flatnonzero(scaled < 1)]
    large = [int(place) for place in np.flatnonzero(scaled >= 1)]
    rest = scaled.tolist()
    while small and large:
        lower, upper = small.pop(), large[-1]
        limits[lower], aliases[lower] = rest[lower], upper
        rest[upper] -= 1 - rest[lower]
        if rest[upper] < 1:
            small.append(large.pop())
    return np.minimum(limits * WHOLE, WHOLE - 1).astype(np.uint32), aliases


def own_shares(corpus: Corpus, markets: Codes) -> npt.NDArray[np.float32]:
    """How much likelier than by chance an item of a market is followed by another of it: (p - q) / (1 - q), 0 at least; shape (markets,).

    For each market p is the share of its items that are followed by one of it within their session, and q the market's share of all that
    follow: Cohen's kappa of one category ("A coefficient of agreement for nominal scales", 1960). 1 where sessions never leave a market, 0
    where they mix markets as chance would, and where there is one market only.
    """
    there = int(markets.max(initial=-1)) + 1
    leaving, arriving, staying = np.zeros((3, there), np.int64)
    last = np.zeros(corpus.tokens, bool)
    last[corpus.offsets[1:][np.diff(corpus.offsets) > 0] - 1] = True
    for first in range(0, corpus.tokens - 1, TOKENS_AT_ONCE):
        end = min(first + TOKENS_AT_ONCE, corpus.tokens - 1)
        own = markets[corpus.items[first : end + 1]]
        follows = ~last[first:end]
        before, after = own[:-1][follows], own[1:][follows]
        leaving += np.bincount(before, minlength=there)
        arriving += np.bincount(after, minlength=there)
        staying += np.bincount(before[before == after], minlength=there)
    within = staying / np.maximum(leaving, 1)
    by_chance = arriving / max(1, arriving.sum())
    return np.maximum(0, (within - by_chance) / np.maximum(1 - by_chance, 1e-9)).astype(np.float32)


def kept_shares(counts: npt.NDArray[np.int64], frequent_share: float) -> npt.NDArray[np.float32]:
    """The probability that an occurrence is kept: min(1, sqrt(t / f) + t / f) for a share f of all occurrences, as word2vec has it."""
    if frequent_share == 0 or not len(counts):
        return np.ones(len(counts), np.float32)
    ratio = frequent_share * counts.sum() / counts
    return np.minimum(1, np.sqrt(ratio) + ratio).astype(np.float32)
