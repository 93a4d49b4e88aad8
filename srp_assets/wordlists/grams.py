"""The grams of patterns (`windows.py`), as a scan looks them up: first in a small set of bits, then in a table from gram to state.

A gram's key is its symbols packed into 64 bits; no symbol is 0, so that grams of different lengths are different keys. The set of bits
answers "certainly not" for nearly all text: each key sets two bits of one word, one read from a near cache. The table is exact: open
addressing, about half full, a key and its state side by side.
"""

import numpy as np
from numba import types

from srp_assets.wordlists.double_array import FIELDS
from srp_assets.wordlists.kernels import INT32S, INT64S, OUT_UINT64S, UINT8S, Array, Number, inlined, kernel

KEYS_PER_WORD = 2
MOST_WORDS = 1 << 15
"""A quarter of a megabyte of bits: more would no longer be near."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplicative hashing (Knuth): 2^64 divided by the golden ratio."""

ONE, TWO = np.uint64(1), np.uint64(2)
_SIX_BITS = np.uint64(63)
_FIRST_BIT, _SECOND_BIT = np.uint64(20), np.uint64(26)


@inlined
def may_hold(bits: Array, key: Number, shift: Number) -> Number:
    """Whether the set of bits may hold a key."""
    hashed = key * MULTIPLIER
    pair = (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))
    return (bits[hashed >> shift] & pair) == pair


@inlined
def state_of(grams: Array, key: Number, shift: Number) -> Number:
    """The state of a gram; -1 if there is no such gram."""
    place = ((key * MULTIPLIER) >> shift) << ONE
    last = np.uint64(len(grams) - 1)
    while grams[place] != 0:
        if grams[place] == key:
            return np.int32(grams[place + ONE])
        place = (place + TWO) & last
    return np.int32(-1)


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
        grams[place] = key
        grams[place + ONE] = state
