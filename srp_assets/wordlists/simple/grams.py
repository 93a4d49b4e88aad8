"""The grams of patterns (`windows.py`), as a scan looks them up: first in a small set of bits, then in a table from gram to state.

A gram's key is its symbols packed into 64 bits; no symbol is 0, so that grams of different lengths are different keys. The set of bits
answers "certainly not" for nearly all text: each key sets two bits of one word, one read from a near cache. The table is exact: open
addressing, about half full, a key and what is known of its state side by side:

    bits 0 to 30     the state
    bit 31           a pattern ends there
    bits 32 to 63    the symbols that may follow, by their last five bits; all if the state's suffixes have to be followed too

Most grams are found where their pattern does not go on. That is seen here, and the automaton, which is far away in memory, is not read.
"""

import numpy as np
from numba import types

from srp_assets.wordlists.kernels import INT32S, INT64S, OUT_UINT64S, UINT8S, Array, Number, inlined, kernel
from srp_assets.wordlists.simple.double_array import FAIL, FIELDS, PATTERN

KEYS_PER_WORD = 2
MOST_WORDS = 1 << 15
"""A quarter of a megabyte of bits: more would no longer be near."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplicative hashing (Knuth): 2^64 divided by the golden ratio."""

ONE, TWO = np.uint64(1), np.uint64(2)
STATE = np.uint64((1 << 31) - 1)
ENDS_PATTERN = np.uint64(1 << 31)
FOLLOWING = np.uint64(32)
EVERY_SYMBOL = np.uint64((1 << 32) - 1)
LAST_FIVE_BITS = np.uint64(31)
_SIX_BITS = np.uint64(63)
_FIRST_BIT, _SECOND_BIT = np.uint64(20), np.uint64(26)


@inlined
def may_hold(bits: Array, key: Number, shift: Number) -> Number:
    """Whether the set of bits may hold a key."""
    hashed = key * MULTIPLIER
    pair = (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))
    return (bits[hashed >> shift] & pair) == pair


@inlined
def gram_at(grams: Array, key: Number, shift: Number) -> Number:
    """What is known of a gram; 0 if there is no such gram."""
    place = ((key * MULTIPLIER) >> shift) << ONE
    last = np.uint64(len(grams) - 1)
    while grams[place] != 0:
        if grams[place] == key:
            return grams[place + ONE]
        place = (place + TWO) & last
    return np.uint64(0)


@kernel(types.void(INT32S, INT64S, UINT8S, types.uint64, INT32S, OUT_UINT64S, OUT_UINT64S))
def watch(symbols: Array, bounds: Array, lengths: Array, symbol_bits: Number, table: Array, bits: Array, grams: Array) -> None:
    """Enters the gram of every pattern of two symbols or more.

    Args:
        symbols: the patterns' symbols, one after the other.
        bounds: shape (patterns + 1,), where each begins.
        lengths: shape (patterns,), the symbols of each pattern's gram; below two for patterns that have none.
        symbol_bits: how many bits a symbol has in a key.
        table: the automaton.
        bits: the set of bits, a power of two of words; filled.
        grams: the table, a power of two of pairs of a key and a state; filled.
    """
    bit_shift, key_shift = np.uint64(64), np.uint64(64)
    size = len(bits)
    while size > 1:
        bit_shift -= ONE
        size //= 2
    size = len(grams) // 2
    while size > 1:
        key_shift -= ONE
        size //= 2
    last = np.uint64(len(grams) - 1)
    for pattern in range(len(bounds) - 1):
        if lengths[pattern] < 2:
            continue
        key = np.uint64(0)
        state = np.int64(0)
        for symbol in symbols[bounds[pattern] : bounds[pattern] + lengths[pattern]]:
            key = (key << symbol_bits) | np.uint64(symbol)
            state = np.int64(table[FIELDS * state] ^ symbol)
        hashed = key * MULTIPLIER
        bits[hashed >> bit_shift] |= (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))
        place = (hashed >> key_shift) << ONE
        while grams[place] != 0 and grams[place] != key:
            place = (place + TWO) & last
        if grams[place] == 0:
            grams[place] = key
            grams[place + ONE] = state
            if table[FIELDS * state + PATTERN] >= 0:
                grams[place + ONE] |= ENDS_PATTERN
            if table[FIELDS * state + FAIL] >= 0:
                grams[place + ONE] |= EVERY_SYMBOL << FOLLOWING
        if bounds[pattern] + lengths[pattern] < bounds[pattern + 1]:
            following = symbols[bounds[pattern] + lengths[pattern]]
            grams[place + ONE] |= ONE << (FOLLOWING + (np.uint64(following) & LAST_FIVE_BITS))
