"""Builds the automaton: sorted patterns become a trie in a double array, with failure links (Aho and Corasick 1975, Aoe 1989).

A state is a row of four numbers in one int32 array:

    base        the child by symbol c, if there is one, is the row base ^ c
    check       the parent; a row whose check is not the state itself is no child of it
    fail        the state of the longest proper suffix that is a state too; its complement (negative) if no pattern's gram ends at
                that suffix or at any suffix of it: a scan need not follow the automaton there (`windows.py`)
    pattern     the longest pattern that ends at the state, or -1; `shorter` gives the next one that ends with it
"""

import numpy as np
from numba import types

from srp_assets.wordlists.kernels import INT32S, INT64S, OUT_INT32S, OUT_UINT8S, UINT8S, Array, kernel

FIELDS = 4
CHECK, FAIL, PATTERN = 1, 2, 3
NO_PARENT = -2
FREE = -1
NEVER = 127
"""No gram ends within 127 symbols."""

_TRIES = 64
_TRIES_OF_LARGE_ALPHABETS = 8192
"""Free rows that are tried for a state with several children before a fresh block is taken; states with one child fill the holes later.
The children of a state lie in one block of as many rows as there are symbols, so that a fresh block is dear for large alphabets."""

_LARGE = 1024


@kernel(types.int64(INT32S, INT64S))
def trie_size(symbols: Array, bounds: Array) -> int:
    """The states of the trie of sorted patterns, the root not counted."""
    states = 0
    for pattern in range(len(bounds) - 1):
        start = bounds[pattern]
        length = bounds[pattern + 1] - start
        shared = 0
        if pattern > 0:
            before = bounds[pattern - 1]
            while shared < min(length, start - before) and symbols[start + shared] == symbols[before + shared]:
                shared += 1
        states += length - shared
    return states


@kernel(OUT_INT32S(OUT_INT32S, types.int32), allocates=True)
def _doubled(array: Array, filler: int) -> Array:
    """An array twice as long."""
    longer = np.empty(2 * len(array), np.int32)
    for place in range(len(longer)):
        longer[place] = array[place] if place < len(array) else filler
    return longer


@kernel(types.Tuple((OUT_INT32S, OUT_INT32S))(INT32S, INT64S, types.int64, types.int64), allocates=True)
def place(symbols: Array, bounds: Array, symbol_count: int, states: int) -> tuple[Array, Array]:
    """Gives every state of the trie a row.

    Args:
        symbols: the sorted patterns' symbols, one after the other.
        bounds: shape (patterns + 1,), where each begins.
        symbol_count: the greatest symbol.
        states: what `trie_size` says.

    Returns:
        The table, with base, check and pattern, and the rows in the order of their depth, the root first.
    """
    tries_allowed = _TRIES if symbol_count < _LARGE else _TRIES_OF_LARGE_ALPHABETS
    block = 1
    while block <= symbol_count:
        block *= 2
    capacity = 2 * block
    while capacity < states:
        capacity *= 2
    base = np.zeros(capacity, np.int32)
    check = np.full(capacity, FREE, np.int32)
    ending = np.full(capacity, -1, np.int32)
    # Free rows are a list in both directions; row 0 is the root's.
    following = np.empty(capacity, np.int32)
    leading = np.empty(capacity, np.int32)
    for row in range(capacity):
        following[row], leading[row] = row + 1, row - 1
    following[capacity - 1] = -1
    leading[1] = -1
    head, tail, cursor, last_row = 1, capacity - 1, 1, 0
    check[0] = NO_PARENT
    rows = np.zeros(states + 1, np.int32)
    lows = np.zeros(states + 1, np.int32)
    highs = np.zeros(states + 1, np.int32)
    depths = np.zeros(states + 1, np.int32)
    highs[0] = len(bounds) - 1
    children = np.empty(symbol_count + 1, np.int32)
    child_lows = np.empty(symbol_count + 2, np.int32)
    queued, done = 1, 0
    while done < queued:
        state, low, high, depth = rows[done], lows[done], highs[done], depths[done]
        done += 1
        if low < high and bounds[low + 1] - bounds[low] == depth:
            ending[state] = low
            low += 1
        count = 0
        while low < high:
            symbol = symbols[bounds[low] + depth]
            children[count], child_lows[count] = symbol, low
            count += 1
            while low < high and symbols[bounds[low] + depth] == symbol:
                low += 1
        if count == 0:
            continue
        child_lows[count] = high
        free = head if count == 1 else cursor
        tries = 0
        while True:
            if free < 0:
                base = _doubled(base, 0)
                check = _doubled(check, FREE)
                ending = _doubled(ending, -1)
                following = _doubled(following, -1)
                leading = _doubled(leading, -1)
                for row in range(capacity, 2 * capacity):
                    following[row], leading[row] = row + 1, row - 1
                following[2 * capacity - 1] = -1
                leading[capacity] = tail
                if tail < 0:
                    head = capacity
                else:
                    following[tail] = capacity
                tail = 2 * capacity - 1
                free = capacity
                capacity *= 2
                if cursor < 0:
                    cursor = free
            first = free ^ children[0]
            fits = first != 0
            for child in range(1, count):
                if check[first ^ children[child]] != FREE:
                    fits = False
                    break
            if fits:
                break
            tries += 1
            free = following[free]
            if tries == tries_allowed and count > 1:
                free = (last_row | (block - 1)) + 1
                if free < capacity:
                    cursor = free
                else:
                    free = -1
        base[state] = first
        for child in range(count):
            row = first ^ children[child]
            check[row] = state
            before, after = leading[row], following[row]
            if row == cursor:
                cursor = after
            if before >= 0:
                following[before] = after
            else:
                head = after
            if after >= 0:
                leading[after] = before
            else:
                tail = before
            last_row = max(last_row, row)
            rows[queued], lows[queued], highs[queued] = row, child_lows[child], child_lows[child + 1]
            depths[queued] = depth + 1
            queued += 1
        if cursor < 0:
            cursor = head
    size = (last_row | (block - 1)) + 1
    table = np.zeros(size * FIELDS, np.int32)
    for row in range(size):
        table[FIELDS * row] = base[row]
        table[FIELDS * row + CHECK] = check[row]
        table[FIELDS * row + PATTERN] = ending[row]
    return table, rows


@kernel(types.void(OUT_INT32S, OUT_INT32S, INT32S, OUT_UINT8S, UINT8S), allocates=True)
def link(table: Array, shorter: Array, rows: Array, depths: Array, grams: Array) -> None:
    """Fills in fail, marks the states where no gram has ended, and chains the patterns that end with one another.

    Args:
        table: what `place` gave.
        shorter: shape (patterns,), filled with -1; gets the next shorter pattern that ends a pattern.
        rows: the rows in the order of their depth.
        depths: shape (rows of the table,); gets the depth of each state, 255 for deeper ones.
        grams: shape (patterns,), the symbols of each pattern's gram.
    """
    ends_at = np.full(len(table) // FIELDS, NEVER, np.uint8)
    for place in range(len(rows) - 1, 0, -1):
        row = rows[place]
        pattern = table[FIELDS * row + PATTERN]
        if pattern >= 0:
            ends_at[row] = min(ends_at[row], grams[pattern])
        parent = table[FIELDS * row + CHECK]
        ends_at[parent] = min(ends_at[parent], ends_at[row])
    quiet = np.zeros(len(table) // FIELDS, np.bool_)
    quiet[0] = ends_at[0] > 0
    table[FAIL] = -1
    for place in range(1, len(rows)):
        row = rows[place]
        parent = table[FIELDS * row + CHECK]
        symbol = row ^ table[FIELDS * parent]
        depths[row] = min(255, np.int64(depths[parent]) + 1)
        suffix = np.int64(0)
        above = np.int64(parent)
        while above != 0:
            above = np.int64(table[FIELDS * above + FAIL])
            if above < 0:
                above = ~above
            child = np.int64(table[FIELDS * above] ^ symbol)
            if table[FIELDS * child + CHECK] == above:
                suffix = child
                break
        quiet[row] = depths[row] < ends_at[row] and quiet[suffix]
        table[FIELDS * row + FAIL] = ~suffix if quiet[suffix] else suffix
        longest = table[FIELDS * suffix + PATTERN]
        pattern = table[FIELDS * row + PATTERN]
        if pattern >= 0:
            shorter[pattern] = longest
        else:
            table[FIELDS * row + PATTERN] = longest
