"""The scan: from the bytes of texts to the patterns, and the rules made of them, that stand in each row.

A *unit* is one part of one row's text; a row has as many units as its text has parts, one after the other. Every byte is decoded here,
as `bytes.decode("utf-8", "replace")` does, and never read outside of its unit.

`skip` passes over text in which no pattern's gram stands; `scan_plain` and `scan_rules` look with care from where it stops, following
the automaton as long as it is anywhere but at the beginning of patterns. The second also counts what rules demand.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from srp_assets.wordlists.columns import Units
from srp_assets.wordlists.kernels import (
    INT32S,
    INT64S,
    OUT_BOOLS,
    OUT_INT32S,
    OUT_INT64S,
    UINT8S,
    UINT64S,
    Array,
    Number,
    inlined,
    kernel,
    record,
)
from srp_assets.wordlists.simple.double_array import CHECK, FAIL, FIELDS, PATTERN
from srp_assets.wordlists.simple.grams import ENDS_PATTERN, EVERY_SYMBOL, FOLLOWING, LAST_FIVE_BITS, STATE, gram_at, may_hold
from srp_assets.wordlists.simple.skip_kernel import (
    BLOCKS,
    ONE,
    SIX,
    THREE,
    TWO,
    ZERO,
    appended,
    skip_four,
    skip_one,
    skip_three,
    skip_two,
)
from srp_assets.wordlists.simple.symbols import DELETED, ENDS_WORD, SYMBOL

REPLACEMENT = 0xFFFD

VETOED = 1 << 30
"""More demands than any rule has."""


@kernel(types.Tuple((types.uint32, types.uint64))(UINT8S, types.uint64, types.uint64))
def _decoded_with_care(data: Array, place: Number, end: Number) -> tuple[Number, Number]:
    """The code point at a place and the place behind it; the longest beginning of a character that is cut or wrong is one U+FFFD."""
    lead = data[place]
    place += ONE
    if lead < 0x80:
        return np.uint32(lead), place
    if (lead < 0xC2) | (lead > 0xF4):
        return np.uint32(REPLACEMENT), place
    low, high = 0x80, 0xBF
    if lead == 0xE0:
        low = 0xA0
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F
    further = 1 if lead < 0xE0 else (2 if lead < 0xF0 else 3)
    code_point = np.uint32(lead & (0x3F >> further))
    for _ in range(further):
        if place >= end:
            return np.uint32(REPLACEMENT), place
        byte = data[place]
        if (byte < low) | (byte > high):
            return np.uint32(REPLACEMENT), place
        code_point = np.uint32((code_point << np.uint32(6)) | np.uint32(byte & 0x3F))
        low, high = 0x80, 0xBF
        place += ONE
    return code_point, place


@inlined
def _decoded(data: Array, place: Number, end: Number) -> tuple[Number, Number]:
    byte = data[place]
    if byte < 0x80:
        return np.uint32(byte), place + ONE
    if (byte > 0xE0) & (byte < 0xF0) & (byte != 0xED) & (place + TWO < end):
        second, third = data[place + ONE], data[place + TWO]
        if ((second ^ 0x80) | (third ^ 0x80)) < 0x40:
            return np.uint32(((byte & 0x0F) << 12) | ((second & 0x3F) << 6) | (third & 0x3F)), place + THREE
    return _decoded_with_care(data, place, end)


class Trie(NamedTuple):
    """The automaton.

    Attributes:
        table: int32, its states (`double_array.py`).
        depths: uint8, the depth of each state.
        shorter: int32, for each pattern the next shorter one that ends it, or -1.
    """

    table: Array
    depths: Array
    shorter: Array


class Grams(NamedTuple):
    """The patterns' grams (`grams.py`).

    Attributes:
        bits: uint64, the set of bits.
        bit_shift: what leaves of a hash the place of its word.
        table: uint64, pairs of a gram and its state.
        table_shift: what leaves of a hash the first place of a gram.
        masks: uint64, shape (4,), the bits of each window, the longest first, then 0; all 0 if the automaton is followed all the way.
        symbol_bits: the bits of a symbol.
        is_mixed: whether a longer gram may begin before the one that is followed: there are several windows, or patterns of one symbol.
    """

    bits: Array
    bit_shift: np.uint64
    table: Array
    table_shift: np.uint64
    masks: Array
    symbol_bits: np.uint64
    is_mixed: bool


class Rules(NamedTuple):
    """What is made of patterns.

    Attributes:
        is_word: uint8, for each pattern whether it is a plain word.
        bounds: int32, for each pattern where its demands begin among these.
        served: int32, the demands that patterns serve.
        demands: int32, three numbers a demand: its rule, how many occurrences, and whether it forbids.
        required: int32, how many demands each rule requires.
    """

    is_word: Array
    bounds: Array
    served: Array
    demands: Array
    required: Array


class Notes(NamedTuple):
    """What a scan notes about the row, or the part of one, that it is in.

    Stamps say by which row or unit something was last met, -1 at first, so that nothing has to be cleared from row to row.

    Attributes:
        met: int64, the stamps of demands.
        counts: int32, the occurrences of each demand.
        touched: int64, the stamps of rules.
        missing: int32, how many demands of each rule are not met yet; `VETOED` if it is forbidden.
        complete: int64, the last row in which nothing was missing.
        open_rules: int32, the rules touched, one after the other; each has room once, for a stamp touches a rule once.
    """

    met: Array
    counts: Array
    touched: Array
    missing: Array
    complete: Array
    open_rules: Array


class Room(NamedTuple):
    """Where entries are written: parallel arrays as in `engine.Found`; an entry is a pattern, or the number of patterns and a rule."""

    rows: Array
    entries: Array
    crosses: Array


_UNITS = record(Units, UINT8S, INT64S, INT64S, types.int64)
_TRIE = record(Trie, INT32S, UINT8S, INT32S)
_GRAMS = record(Grams, UINT64S, types.uint64, UINT64S, types.uint64, UINT64S, types.uint64, types.boolean)
_RULES = record(Rules, UINT8S, INT32S, INT32S, INT32S, INT32S)
_NOTES = record(Notes, OUT_INT64S, OUT_INT32S, OUT_INT64S, OUT_INT32S, OUT_INT64S, OUT_INT32S)
_ROOM = record(Room, OUT_INT64S, OUT_INT64S, OUT_BOOLS)


@inlined
def _met(pattern: Number, stamp: Number, row: Number, rules: Rules, notes: Notes, open_count: Number) -> Number:
    """Counts an occurrence of a pattern for everything that demands it; answers how many rules have been touched."""
    for link in range(rules.bounds[pattern], rules.bounds[pattern + 1]):
        demand = np.uint32(rules.served[np.uint32(link)])
        if notes.met[demand] != stamp:
            notes.met[demand] = stamp
            notes.counts[demand] = 0
        notes.counts[demand] += 1
        if notes.counts[demand] == rules.demands[np.uint32(3 * demand + 1)]:
            rule = np.uint32(rules.demands[np.uint32(3 * demand)])
            if notes.touched[rule] != stamp:
                notes.touched[rule] = stamp
                notes.missing[rule] = rules.required[rule]
                notes.open_rules[np.uint32(open_count)] = rule
                open_count += 1
            notes.missing[rule] = VETOED if rules.demands[np.uint32(3 * demand + 2)] else notes.missing[rule] - 1
            if notes.missing[rule] == 0:
                notes.complete[rule] = row
    return open_count


@inlined
def _settled(
    row: Number, several: Number, notes: Notes, part_notes: Notes, open_count: Number, first: Number,
    room: Room, count: Number,
) -> Number:  # fmt: skip
    """Reports the rules that a row meets, numbered from `first` on; answers how many entries there are then, -1 if there is no room."""
    for place in range(open_count):
        rule = np.uint32(notes.open_rules[np.uint32(place)])
        if notes.missing[rule] == 0:
            if count == len(room.rows):
                return -1
            room.rows[np.uint64(count)] = row
            room.entries[np.uint64(count)] = first + rule
            room.crosses[np.uint64(count)] = several and part_notes.complete[rule] != row
            count += 1
    return count


def _scan(counts_rules: bool) -> Any:
    """Makes the scan for plain words alone, or with rules."""

    @kernel(types.UniTuple(types.int64, 2)(_UNITS, INT32S, _TRIE, _GRAMS, _RULES, OUT_INT64S, _NOTES, _NOTES, types.int64, _ROOM))
    def scan(
        units: Units, codes: Array, trie: Trie, grams: Grams, rules: Rules,
        reported: Array, notes: Notes, part_notes: Notes, first: Number, room: Room,
    ) -> tuple[Number, Number]:  # fmt: skip
        """Scans units from the first one on.

        Args:
            units: the texts.
            codes: the alphabet's table (`symbols.py`).
            trie: the automaton.
            grams: where it has to be followed.
            rules: what is made of patterns.
            reported: stamps of patterns, -1 at first: by which row each was last reported as a word.
            notes: about the row.
            part_notes: about the part.
            first: where to begin, the first unit of a row.
            room: filled.

        Returns:
            How many entries were found, and the unit to go on from: if there is no room left, the first of the row that was not
            finished, whose entries do not count.
        """
        data, starts, ends, parts = units
        bits, bit_shift, gram_table, gram_shift, masks, symbol_bits, is_mixed = grams
        table, depths, shorter = trie.table, trie.depths, trie.shorter
        is_word = rules.is_word
        rows, entries, crosses = room
        count, row_count, row, open_count = 0, 0, np.int64(-1), 0
        unit_count, pattern_count = np.uint64(len(starts)), len(shorter)
        unit = np.uint64(first)
        if unit >= unit_count:
            return count, len(starts)
        window_count = 0
        while window_count < len(masks) and masks[window_count] != ZERO:
            window_count += 1
        always = window_count == 0
        place, window = np.uint64(starts[unit]), ZERO
        while True:
            if not always:
                if window_count == 1:
                    unit, place, window = skip_one(data, starts, ends, codes, bits, masks, bit_shift, symbol_bits, unit, place, window)
                elif window_count == 2:
                    unit, place, window = skip_two(data, starts, ends, codes, bits, masks, bit_shift, symbol_bits, unit, place, window)
                elif window_count == 3:
                    unit, place, window = skip_three(data, starts, ends, codes, bits, masks, bit_shift, symbol_bits, unit, place, window)
                else:
                    unit, place, window = skip_four(data, starts, ends, codes, bits, masks, bit_shift, symbol_bits, unit, place, window)
                if unit >= unit_count:
                    break
            this_row = np.int64(unit) if parts == 1 else np.int64(unit) // parts
            if this_row != row:
                if counts_rules and open_count:
                    now = _settled(row, parts > 1, notes, part_notes, open_count, pattern_count, room, count)
                    if now < 0:
                        return row_count, row * parts
                    count = now
                    open_count = 0
                row, row_count = this_row, count
            end = np.uint64(ends[unit])
            state, following, symbols_to_follow = np.int32(0), always, EVERY_SYMBOL
            while place < end:
                code_point, place = _decoded(data, place, end)
                code = codes[np.uint32(codes[BLOCKS + (code_point >> SIX)]) + np.uint32(code_point & np.uint32(0x3F))]
                expansion, left = np.uint32(0), 0
                if code < 0:
                    if code == DELETED:
                        continue
                    expansion = np.uint32(-2 - code)
                    left = codes[expansion] - 1
                    expansion = np.uint32(expansion + 1)
                    code = codes[expansion]
                while True:
                    window = appended(window, code, symbol_bits)
                    if following:
                        symbol = code & SYMBOL
                        if (symbols_to_follow >> (np.uint64(symbol) & LAST_FIVE_BITS)) & ONE == ZERO:
                            following = False
                        while following:
                            child = np.uint32(table[np.uint32(FIELDS * state)] ^ symbol)
                            if table[np.uint32(FIELDS * child + CHECK)] == state:
                                state = np.int32(child)
                                break
                            state = table[np.uint32(FIELDS * state + FAIL)]
                            if state < 0:
                                following = False
                        symbols_to_follow = EVERY_SYMBOL
                    ends_pattern = following
                    if always:
                        if not following:
                            state, following = np.int32(0), True
                    elif is_mixed or not following:
                        gram = ZERO
                        for number in range(window_count):
                            if may_hold(bits, window & masks[number], bit_shift):
                                gram = gram_at(gram_table, window & masks[number], gram_shift)
                                if gram != ZERO:
                                    break
                        begun = np.int32(gram & STATE)
                        if gram != ZERO:
                            if not following or depths[np.uint32(begun)] > depths[np.uint32(state)]:
                                state, following = begun, True
                                ends_pattern = gram & ENDS_PATTERN != ZERO
                                symbols_to_follow = gram >> FOLLOWING
                        elif code >= ENDS_WORD and not following:
                            state, following, ends_pattern = np.int32(table[0] ^ (code & SYMBOL)), True, True
                    if ends_pattern:
                        pattern = table[np.uint32(FIELDS * state + PATTERN)]
                        while pattern >= 0:
                            if (not counts_rules or is_word[np.uint32(pattern)]) and reported[np.uint32(pattern)] != row:
                                reported[np.uint32(pattern)] = row
                                if count == len(rows):
                                    return row_count, row * parts
                                rows[np.uint64(count)] = row
                                entries[np.uint64(count)] = pattern
                                crosses[np.uint64(count)] = False
                                count += 1
                            elif not counts_rules:
                                break  # and so were those that end with it
                            if counts_rules:
                                open_count = _met(pattern, row, row, rules, notes, open_count)
                                if parts > 1:
                                    # Of a part only what it completes is asked, not which rules it touched: their places are used anew.
                                    _met(pattern, np.int64(unit), row, rules, part_notes, 0)
                            pattern = shorter[np.uint32(pattern)]
                        if table[np.uint32(FIELDS * state)] == 0 and table[np.uint32(FIELDS * state + FAIL)] < 0:
                            following = always
                    if left == 0:
                        break
                    left -= 1
                    expansion = np.uint32(expansion + 1)
                    code = codes[expansion]
                if not following:
                    break
            if always:
                unit += ONE
                if unit >= unit_count:
                    break
                place, window = np.uint64(starts[unit]), ZERO
        if counts_rules and open_count:
            now = _settled(row, parts > 1, notes, part_notes, open_count, pattern_count, room, count)
            if now < 0:
                return row_count, row * parts
            count = now
        return count, len(starts)

    return scan


scan_plain, scan_rules = _scan(False), _scan(True)
