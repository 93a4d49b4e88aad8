"""What chance draws while training: negatives by smoothed popularity, overall and within a market, and which frequent items are left out.

Draws are alias tables (Vose, "A linear algorithm for generating random numbers with a given distribution", 1991): one random number and one
look into memory for each, whatever the number of items. The negative is item i with probability count(i)^power / sum of count^power
(Mikolov et al., "Distributed representations of words and phrases", 2013), within a market over the items of that market.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.training.corpus import Codes, Offsets, Vocabulary

Limits = npt.NDArray[np.uint32]

WHOLE = 2**32
"""Limits are compared with the lower half of a 64-bit random number."""


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
        kept: probability that an occurrence of an item is kept, shape (items,).
    """

    limits: Limits
    aliases: Codes
    market_limits: Limits
    market_aliases: Codes
    market_items: Codes
    market_starts: Offsets
    kept: npt.NDArray[np.float32]


def sampler_of(vocabulary: Vocabulary, power: float, frequent_share: float) -> Sampler:
    """The tables of a vocabulary.

    Args:
        vocabulary: with counts and markets.
        power: to which counts are raised; 1 is popularity itself, 0 none.
        frequent_share: items with a larger share of all occurrences are thinned out; 0 keeps all.
    """
    weights = vocabulary.counts.astype(np.float64) ** power
    limits, aliases = alias_table(weights)
    order = np.argsort(vocabulary.markets, kind="stable").astype(np.int32)
    starts = np.searchsorted(vocabulary.markets[order], np.arange(vocabulary.markets.max(initial=-1) + 2)).astype(np.int64)
    market_limits, market_aliases = np.empty(len(order), np.uint32), np.empty(len(order), np.int32)
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        found = alias_table(weights[order[start:end]])
        market_limits[start:end], market_aliases[start:end] = found[0], found[1] + np.int32(start)
    return Sampler(limits, aliases, market_limits, market_aliases, order, starts, kept_shares(vocabulary.counts, frequent_share))


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


def kept_shares(counts: npt.NDArray[np.int64], frequent_share: float) -> npt.NDArray[np.float32]:
    """The probability that an occurrence is kept: min(1, sqrt(t / f) + t / f) for a share f of all occurrences, as word2vec has it."""
    if frequent_share == 0 or not len(counts):
        return np.ones(len(counts), np.float32)
    ratio = frequent_share * counts.sum() / counts
    return np.minimum(1, np.sqrt(ratio) + ratio).astype(np.float32)
