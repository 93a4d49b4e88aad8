"""The grams of patterns (`windows.py`), as a scan looks them up: first in a small set of bits, then in a table from gram to state.

A gram's key is its symbols packed into 64 bits, with a tag for its window. The set of bits answers "certainly not" for nearly all text:
each key sets two bits of one word, which is one read from the nearest cache. The table is exact: open addressing, about half full.
"""

import numpy as np
from numba import types

from srp_assets.wordlists.double_array import FIELDS
from srp_assets.wordlists.kernels import INT32S, INT64S, OUT_INT32S, OUT_UINT64S, UINT8S, UINT64S, Array, Number, inlined, kernel

BITS_PER_KEY = 64
MOST_WORDS = 1 << 17
"""A megabyte of bits: more would no longer be near."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplicative hashing (Knuth): 2^64 divided by the golden ratio."""

TAGS = np.array([0, 1 << 63, 1 << 62], dtype=np.uint64)
"""What tells the keys of the windows apart."""

ONE = np.uint64(1)
_SIX_BITS = np.uint64(63)
_FIRST_BIT, _SECOND_BIT = np.uint64(20), np.uint64(26)


@inlined
def may_hold(bits: Array, key: Number, shift: Number) -> Number:
    """Whether the set of bits may hold a key."""
    hashed = key * MULTIPLIER
    pair = (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))
    return (bits[hashed >> shift] & pair) == pair


@inlined
def state_of(keys: Array, states: Array, key: Number, shift: Number) -> Number:
    """The state of a gram; -1 if there is no such gram."""
    slot = (key * MULTIPLIER) >> shift
    last = np.uint64(len(keys) - 1)
    while keys[slot] != 0:
        if keys[slot] == key:
            return states[slot]
        slot = (slot + ONE) & last
    return np.int32(-1)


@kernel(types.void(INT32S, INT64S, UINT8S, UINT8S, types.uint64, UINT64S, INT32S, OUT_UINT64S, OUT_UINT64S, OUT_INT32S))
def watch(
    symbols: Array, bounds: Array, grams: Array, windows: Array, symbol_bits: Number, tags: Array, table: Array,
    bits: Array, keys: Array, states: Array,
) -> None:  # fmt: skip
    """Enters the gram of every pattern of two symbols or more.

    Args:
        symbols: the patterns' symbols, one after the other.
        bounds: shape (patterns + 1,), where each begins.
        grams: shape (patterns,), the symbols of each pattern's gram; below two for patterns that have none.
        windows: the window lengths.
        symbol_bits: how many bits a symbol has in a key.
        tags: `TAGS`.
        table: the automaton.
        bits: the set of bits, a power of two of words; filled.
        keys: the table's keys, a power of two; filled.
        states: the table's states; filled.
    """
    bit_shift, key_shift = np.uint64(64), np.uint64(64)
    size = len(bits)
    while size > 1:
        bit_shift -= ONE
        size //= 2
    size = len(keys)
    while size > 1:
        key_shift -= ONE
        size //= 2
    last = np.uint64(len(keys) - 1)
    for pattern in range(len(bounds) - 1):
        if grams[pattern] < 2:
            continue
        key = np.uint64(0)
        state = np.int64(0)
        for place in range(bounds[pattern], bounds[pattern] + grams[pattern]):
            key = (key << symbol_bits) | np.uint64(symbols[place])
            state = np.int64(table[FIELDS * state] ^ symbols[place])
        for window in range(len(windows)):
            if windows[window] == grams[pattern]:
                key ^= tags[window]
        hashed = key * MULTIPLIER
        bits[hashed >> bit_shift] |= (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))
        slot = hashed >> key_shift
        while keys[slot] != 0 and keys[slot] != key:
            slot = (slot + ONE) & last
        keys[slot] = key
        states[slot] = state
