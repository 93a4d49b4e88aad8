"""Skip-gram with negative sampling, compiled: the steps that `reference.py` has in plain Python.

A target's row is met once for a draw, so speed is that of memory. Three things keep it there: all targets of a positive are drawn before
the first of them is read, so that the processor fetches them together; the centre's row stays in the first cache for its whole window; and
the number of dimensions is part of the compiled type (`blocks`), so that products are straight vector instructions.
"""

from typing import Any

import numpy as np
from numba import njit

BLOCK = 8
"""Dimensions come in blocks of so many: the float32 of one vector register of AVX2."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
LOWER = np.uint64(0xFFFFFFFF)
SHIFT_30, SHIFT_27, SHIFT_31, SHIFT_32, SHIFT_11 = (np.uint64(bits) for bits in (30, 27, 31, 32, 11))
UNIT = 2.0**-53


@njit(inline="always")
def next_bits(state: Any) -> Any:
    """The next 64 random bits (SplitMix64: Steele, Lea and Flood 2014); `state` has shape (1,)."""
    state[0] += GOLDEN
    mixed = (state[0] ^ (state[0] >> SHIFT_30)) * FIRST
    mixed = (mixed ^ (mixed >> SHIFT_27)) * SECOND
    return mixed ^ (mixed >> SHIFT_31)


@njit(inline="always")
def below(state: Any, bound: Any) -> Any:
    """A whole number from 0 to before `bound`."""
    return np.int64(((next_bits(state) >> SHIFT_32) * np.uint64(bound)) >> SHIFT_32)


@njit(inline="always")
def drawn(state: Any, limits: Any, aliases: Any, start: Any, places: Any) -> Any:
    """A place of an alias table that begins at `start` and has so many places."""
    bits = next_bits(state)
    place = start + np.int64(((bits >> SHIFT_32) * np.uint64(places)) >> SHIFT_32)
    return place if (bits & LOWER) < np.uint64(limits[place]) else np.int64(aliases[place])


@njit(inline="always")
def drawn_of_market(state: Any, sampler: Any, market: Any) -> Any:
    """A negative of a market: of its items with the probability that is its own, else of all; `sampler` as `train_sessions` has it."""
    limits, aliases, market_limits, market_aliases, market_items, market_starts, own_shares, _ = sampler
    if (next_bits(state) >> SHIFT_11) * UNIT >= own_shares[market]:
        return drawn(state, limits, aliases, 0, len(limits))
    start = market_starts[market]
    return np.int64(market_items[drawn(state, market_limits, market_aliases, start, market_starts[market + 1] - start)])


@njit(nogil=True, cache=True)
def draw_negatives(sampler: Any, market: int, seed: int, draws: int) -> Any:
    """Some negatives, for tests of their distribution: of a market, or of all if it is -1; shape (draws,)."""
    state = np.array([seed], np.uint64)
    found = np.empty(draws, np.int64)
    for place in range(draws):
        found[place] = drawn(state, sampler[0], sampler[1], 0, len(sampler[0])) if market < 0 else drawn_of_market(state, sampler, market)
    return found


@njit(inline="always", fastmath=True, error_model="numpy")
def updated(centre: Any, delta: Any, row: Any, label: Any, rate: Any, blocks: Any) -> None:
    """One step for a target: its row moves, and what the centre has to move is added to `delta`."""
    product = np.float32(0)
    for place in range(len(blocks) * BLOCK):
        product += centre[place] * row[place]
    step = rate * (label - np.float32(1) / (np.float32(1) + np.exp(-product)))
    for place in range(len(blocks) * BLOCK):
        delta[place] += step * row[place]
        row[place] += step * centre[place]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def train_sessions(
    corpus: Any, sampler: Any, markets: Any, vectors: Any, contexts: Any, blocks: Any, options: Any, rates: Any, state: Any, scratch: Any
) -> None:
    """Trains on some sessions once, in their order.

    Args:
        corpus: items, offsets, booked, rejected, rejected_offsets (`Corpus`).
        sampler: limits, aliases, market_limits, market_aliases, market_items, market_starts, own_shares, kept (`Sampler`).
        markets: of the items, shape (items,).
        vectors: that are learned, float32 of shape (items, dimensions), changed in place.
        contexts: the other side of every product, of the same shape, changed in place.
        blocks: a tuple whose length is that of the dimensions in blocks.
        options: window, whether it shrinks by chance, negatives, market negatives, rejections, whether the booked item is global context,
            how many contexts of an item weigh in full (0: all).
        rates: the rate at the first token, how much it falls a token, and where it ends.
        state: of the random numbers, shape (1,).
        scratch: an int32 array as long as the longest session; one as long as the targets of a positive.
    """
    items, offsets, booked, rejected, rejected_offsets = corpus
    limits, aliases, kept_shares = sampler[0], sampler[1], sampler[7]
    window, shrinks, negatives, market_negatives, rejections, with_booked, full_contexts = options
    kept, targets = scratch
    delta = np.empty(len(blocks) * BLOCK, np.float32)
    places = len(limits)
    for session in range(len(booked)):
        rate = np.float32(max(rates[0] - rates[1] * offsets[session], rates[2]))
        length = 0
        for token in range(offsets[session], offsets[session + 1]):
            item = items[token]
            share = kept_shares[item]
            if share >= 1 or (next_bits(state) >> SHIFT_11) * UNIT < share:
                kept[length] = item
                length += 1
        first_rejected = rejected_offsets[session]
        rejected_count = rejected_offsets[session + 1] - first_rejected
        for centre_place in range(length):
            item = kept[centre_place]
            centre = vectors[item]
            reach = window - below(state, window) if shrinks else window
            first = max(0, centre_place - reach)
            last = min(length, centre_place + reach + 1)
            contexts_there = last - first - 1
            own_rate = rate
            if 0 < full_contexts < contexts_there:
                own_rate = np.float32(rate * np.float32(full_contexts) / np.float32(contexts_there))
            own_market = markets[item]
            # One positive more than the window has: the booked item, the global context.
            for other in range(first, last + 1):
                if other == centre_place:
                    continue
                if other < last:
                    positive = kept[other]
                else:
                    positive = booked[session] if with_booked else -1
                    if positive < 0 or positive == item:
                        continue
                targets[0] = positive
                count = 1
                for _ in range(negatives):
                    target = drawn(state, limits, aliases, 0, places)
                    if target != positive:
                        targets[count] = target
                        count += 1
                for _ in range(market_negatives):
                    target = drawn_of_market(state, sampler, own_market)
                    if target != positive:
                        targets[count] = target
                        count += 1
                delta[:] = 0
                for number in range(count):
                    updated(centre, delta, contexts[targets[number]], np.float32(number == 0), own_rate, blocks)
                for place in range(len(blocks) * BLOCK):
                    centre[place] += delta[place]
            if rejections > 0 and rejected_count > 0:
                delta[:] = 0
                for _ in range(rejections):
                    target = rejected[first_rejected + below(state, rejected_count)]
                    updated(centre, delta, contexts[target], np.float32(0), rate, blocks)
                for place in range(len(blocks) * BLOCK):
                    centre[place] += delta[place]
