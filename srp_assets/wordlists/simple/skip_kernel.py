"""Passing over text in which no pattern can begin: where a scan spends most of its time.

`skip` keeps the last symbols of the text and asks the set of bits of `grams.py` about them, nothing else. It stops at the first character
behind which some gram may stand, and at whatever is not plain: wrong UTF-8, four-byte characters, patterns of one symbol.
It is a function of its own, and not part of the scan, because the compiler then keeps all that it needs in registers: twice as fast.
"""

from typing import Any

import numpy as np
from numba import types

from srp_assets.wordlists.kernels import INT32S, INT64S, UINT8S, UINT64S, Array, Number, inlined, kernel
from srp_assets.wordlists.simple.grams import may_hold
from srp_assets.wordlists.simple.symbols import ALL_BLOCKS, DELETED, ENDS_WORD, SYMBOL, THREE_BYTE_BLOCKS, UNDECIDED

ZERO, ONE, TWO, THREE, SIX = (np.uint64(number) for number in (0, 1, 2, 3, 6))
BLOCKS = np.uint32(ALL_BLOCKS)
_THREE_BYTE_BLOCKS = np.uint32(THREE_BYTE_BLOCKS)


@inlined
def appended(window: Number, code: Number, symbol_bits: Number) -> Number:
    """The last symbols with one more."""
    return (window << symbol_bits) | np.uint64(np.uint32(code & SYMBOL))


def _skip(window_count: int) -> Any:
    """Makes `skip` for a number of windows."""

    @kernel(
        types.UniTuple(types.uint64, 3)(
            UINT8S, INT64S, INT64S, INT32S, UINT64S, UINT64S, types.uint64, types.uint64, types.uint64, types.uint64, types.uint64
        )
    )
    def skip(
        data: Array, starts: Array, ends: Array, codes: Array, bits: Array, masks: Array, bit_shift: Number, symbol_bits: Number,
        unit: Number, place: Number, window: Number,
    ) -> tuple[Number, Number, Number]:  # fmt: skip
        """The first character from a place of a unit on that has to be looked at with care.

        Returns:
            Its unit, its place in the data, and the symbols before it; a unit behind the last one if there is none.
        """
        first_mask, second_mask, third_mask, fourth_mask = masks[0], masks[1], masks[2], masks[3]
        while True:
            end = np.uint64(ends[unit])
            while place < end:
                byte = data[place]
                if byte < 0x80:
                    # Two letters of ASCII at a time, as long as nothing may begin there.
                    while place + TWO <= end:
                        code, next_code = codes[data[place]], codes[data[place + ONE]]
                        if (code | next_code) < 0:
                            break
                        with_one = (window << symbol_bits) | np.uint64(np.uint32(code))
                        with_two = (with_one << symbol_bits) | np.uint64(np.uint32(next_code))
                        if may_hold(bits, with_one & first_mask, bit_shift):
                            break
                        if window_count > 1 and may_hold(bits, with_one & second_mask, bit_shift):
                            break
                        if window_count > 2 and may_hold(bits, with_one & third_mask, bit_shift):
                            break
                        if window_count > 3 and may_hold(bits, with_one & fourth_mask, bit_shift):
                            break
                        if may_hold(bits, with_two & first_mask, bit_shift):
                            break
                        if window_count > 1 and may_hold(bits, with_two & second_mask, bit_shift):
                            break
                        if window_count > 2 and may_hold(bits, with_two & third_mask, bit_shift):
                            break
                        if window_count > 3 and may_hold(bits, with_two & fourth_mask, bit_shift):
                            break
                        window = with_two
                        place += TWO
                    if place >= end:
                        break
                    byte = data[place]
                    code, width = codes[byte], ONE
                elif (byte >= 0xE0) & (byte < 0xF0):
                    if place + TWO >= end:
                        return unit, place, window
                    second, third = data[place + ONE], data[place + TWO]
                    if ((second ^ 0x80) | (third ^ 0x80)) >= 0x40:
                        return unit, place, window
                    block = np.uint32(codes[_THREE_BYTE_BLOCKS + np.uint32(((byte & 0x0F) << 6) | (second & 0x3F))])
                    code, width = codes[block + np.uint32(third & 0x3F)], THREE
                elif (byte >= 0xC2) & (byte < 0xE0):
                    if place + ONE >= end:
                        return unit, place, window
                    second = data[place + ONE]
                    if (second ^ 0x80) >= 0x40:
                        return unit, place, window
                    block = np.uint32(codes[BLOCKS + np.uint32(byte & 0x1F)])
                    code, width = codes[block + np.uint32(second & 0x3F)], TWO
                else:
                    return unit, place, window
                if code >= 0:
                    longer = appended(window, code, symbol_bits)
                    may = may_hold(bits, longer & first_mask, bit_shift) | (code >= ENDS_WORD)
                    if window_count > 1:
                        may |= may_hold(bits, longer & second_mask, bit_shift)
                    if window_count > 2:
                        may |= may_hold(bits, longer & third_mask, bit_shift)
                    if window_count > 3:
                        may |= may_hold(bits, longer & fourth_mask, bit_shift)
                    if may:
                        return unit, place, window
                    window = longer
                elif code != DELETED:
                    if code == UNDECIDED:
                        return unit, place, window
                    expansion = np.uint32(-2 - code)
                    longer = window
                    may = False
                    for further in range(codes[expansion]):
                        part = codes[expansion + np.uint32(1 + further)]
                        longer = appended(longer, part, symbol_bits)
                        may |= part >= ENDS_WORD
                        for number in range(window_count):
                            may |= may_hold(bits, longer & masks[number], bit_shift)
                    if may:
                        return unit, place, window
                    window = longer
                place += width
            unit += ONE
            if unit >= np.uint64(len(starts)):
                return unit, place, window
            place, window = np.uint64(starts[unit]), ZERO

    return skip


skip_one, skip_two, skip_three, skip_four = _skip(1), _skip(2), _skip(3), _skip(4)
