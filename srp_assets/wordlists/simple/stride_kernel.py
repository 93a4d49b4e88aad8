"""Looking for words at every few bytes only: the kernels of `strides.py`, which says why nothing is missed.

`find` takes the text in pieces and each piece in three steps, of which the first two have no branches to be guessed wrong: places where a
gram of some word may stand; of these, places where a word's window may begin; and there, words byte by byte. A step leaves places for the
next one by writing every place and moving on only behind those that stay.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from srp_assets.wordlists.kernels import (
    INT32S,
    INT64S,
    OUT_INT32S,
    OUT_INT64S,
    OUT_UINT8S,
    OUT_UINT64S,
    UINT8S,
    UINT64S,
    Array,
    Number,
    inlined,
    kernel,
    record,
)

ZERO, ONE = np.uint64(0), np.uint64(1)
WINDOW_BYTES = 8
"""What is read of a text at once."""

PIECE = 2_048
PIECE_ROOM = PIECE + WINDOW_BYTES + 1
"""Places of a piece: what the steps leave for each other stays in a near cache. The last piece may have some more."""

SHORT, LONG = np.uint8(1), np.uint8(2)
"""The classes of words."""

_LAST, _SEVEN = np.uint64(WINDOW_BYTES - 1), np.uint64(7)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BYTE_BITS = np.uint64(8)
_SIX_BITS = np.uint64(63)
_FIRST_BIT, _SECOND_BIT = np.uint64(20), np.uint64(26)
_HIGH_BITS = np.uint64(0x8080808080808080)


class Words(NamedTuple):
    """What is looked for.

    A *class* of words is one length of gram and of window: there are two, short words and long ones.

    Attributes:
        stride: how many bytes lie between two places that are looked at.
        case_bits: the bits in which texts differ from words as far as grams and windows go: 0, or where case is ignored 32 in each byte.
        gram_masks: uint64 (2), the bytes of a gram of each class.
        window_masks: uint64 (2), the bytes of a window of each class: stride - 1 more.
        grams: uint8, at the hashes of the grams at each of the first `stride` places of all windows their class, 1 for short words, 2 for
            long ones, or both; bytes, for bits take longer to read.
        gram_shift: what leaves of a hash a place in it.
        windows: uint64, a set of bits: all windows, two bits of a word for each.
        window_shift: what leaves of a hash the place of its word.
        keys: uint64, a table of windows with open addressing.
        heads: int32, the first entry of each, -1 where there is none.
        key_shift: what leaves of a hash the first place in the table.
        following: int32, for each entry the next one with the same window, or -1.
        word_of: int32, the word of each entry.
        offset_of: int32, where in its word the window of an entry begins.
        data: uint8, the bytes of all words, one after the other.
        bounds: int64 (words + 1), where each begins.
        lowered: uint8 (256), what a byte of a text is to be compared as.
    """

    stride: np.uint64
    case_bits: np.uint64
    gram_masks: Array
    window_masks: Array
    grams: Array
    gram_shift: np.uint64
    windows: Array
    window_shift: np.uint64
    keys: Array
    heads: Array
    key_shift: np.uint64
    following: Array
    word_of: Array
    offset_of: Array
    data: Array
    bounds: Array
    lowered: Array


_WORDS = record(
    Words, types.uint64, types.uint64, UINT64S, UINT64S, UINT8S, types.uint64, UINT64S, types.uint64, UINT64S, INT32S, types.uint64,
    INT32S, INT32S, INT32S, UINT8S, INT64S, UINT8S,
)  # fmt: skip


@intrinsic
def _eight_bytes(_context: Any, data: Any, place: Any) -> Any:
    """Eight bytes of an array as one number, the first as its lowest byte, wherever they lie: numba has no such access of its own."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, place), generated


@inlined
def _at(data: Array, place: Number) -> Number:
    """The eight bytes from a place on."""
    if data[place + _LAST] > 255:  # never; but where accesses are checked, this one is too
        return ZERO
    return _eight_bytes(data, place)


@inlined
def _at_end(data: Array, place: Number) -> Number:
    """The same near the end, behind which there are zeros."""
    size = np.uint64(len(data))
    if place + _LAST < size:
        return _at(data, place)
    found, shift = ZERO, ZERO
    while place < size:
        found |= np.uint64(data[place]) << shift
        shift += _BYTE_BITS
        place += ONE
    return found


@inlined
def _pair(hashed: Number) -> Number:
    """The two bits of a window."""
    return (ONE << ((hashed >> _FIRST_BIT) & _SIX_BITS)) | (ONE << ((hashed >> _SECOND_BIT) & _SIX_BITS))


@kernel(types.void(UINT8S, INT64S, types.uint64, types.uint64, OUT_INT32S, types.uint64))
def count_grams(data: Array, bounds: Array, mask: Number, length: Number, counts: Array, shift: Number) -> None:
    """Counts how often the grams of a length stand in words, by their hash.

    Args:
        data: the words' bytes, and 8 more.
        bounds: where each word begins.
        mask: of a gram.
        length: of a gram.
        counts: filled.
        shift: what leaves of a hash a place among the counts.
    """
    for word in range(len(bounds) - 1):
        place, end = np.uint64(bounds[word]), np.uint64(bounds[word + 1])
        while place + length <= end:
            counts[((_at(data, place) & mask) * _MULTIPLIER) >> shift] += 1
            place += ONE


@kernel(types.void(UINT8S, INT64S, types.uint64, types.uint64, types.uint64, INT32S, types.uint64, OUT_INT32S))
def choose_offsets(
    data: Array, bounds: Array, mask: Number, window: Number, stride: Number, counts: Array, shift: Number, offsets: Array
) -> None:
    """Chooses for each word the window whose grams are the rarest, for these send the scan astray the least.

    Args:
        data: the words' bytes, and 8 more.
        bounds: where each word begins.
        mask: of a gram.
        window: the bytes of a window.
        stride: the grams of a window.
        counts: what `count_grams` counted.
        shift: as there.
        offsets: filled, where in its word each window begins.
    """
    for word in range(len(bounds) - 1):
        least = np.int64(-1)
        place, end = np.uint64(bounds[word]), np.uint64(bounds[word + 1])
        while place + window <= end:
            total = np.int64(0)
            for further in range(stride):
                total += counts[((_at(data, place + further) & mask) * _MULTIPLIER) >> shift]
            if least < 0 or total < least:
                least, offsets[word] = total, np.int32(place - np.uint64(bounds[word]))
            place += ONE


@kernel(
    types.void(
        UINT8S, INT64S, types.uint64, types.uint64, types.uint64, INT32S, OUT_UINT8S, types.uint64, OUT_UINT64S, types.uint64,
        OUT_UINT64S, OUT_INT32S, types.uint64, OUT_INT32S, types.uint8,
    )
)  # fmt: skip
def enter(
    data: Array, places: Array, gram_mask: Number, window_mask: Number, stride: Number, entries: Array, grams: Array, gram_shift: Number,
    windows: Array, window_shift: Number, keys: Array, heads: Array, key_shift: Number, following: Array, class_: Number,
) -> None:  # fmt: skip
    """Enters the windows of words of one class: in `data` they begin at `places`, and `entries` are their numbers.

    All else is as in `Words`; its tables are filled.
    """
    last = np.uint64(len(keys) - 1)
    for number in range(len(places)):
        begin = np.uint64(places[number])
        for further in range(stride):
            grams[((_at(data, begin + further) & gram_mask) * _MULTIPLIER) >> gram_shift] |= class_
        window = _at(data, begin) & window_mask
        hashed = window * _MULTIPLIER
        windows[hashed >> window_shift] |= _pair(hashed)
        place = hashed >> key_shift
        while heads[place] >= 0 and keys[place] != window:
            place = (place + ONE) & last
        keys[place] = window
        following[entries[number]] = heads[place]
        heads[place] = entries[number]


def _find(has_short: bool) -> Any:
    """Makes `find` for one class of words or two."""

    @kernel(
        types.int64(
            UINT8S, INT64S, INT64S, _WORDS, OUT_INT64S, OUT_UINT64S, OUT_UINT64S, OUT_INT64S, OUT_INT64S
        )
    )  # fmt: skip
    def find(
        data: Array, starts: Array, ends: Array, words: Words, reported: Array, gram_places: Array, window_places: Array,
        rows: Array, found: Array,
    ) -> Number:  # fmt: skip
        """Finds the words in texts; answers how many hits there are, -1 if there is no room for all.

        A text lies in `data` from its place in `starts` to that in `ends`. `reported` are stamps of words, -1 at first: in which row each
        was last found. `gram_places` and `window_places` are room for the places of a piece, `PIECE_ROOM` and 2 * `stride` of each. `rows`
        and `found` are filled: the row and the word of each hit, each pair once.
        """
        stride, case_bits, grams, windows = words.stride, words.case_bits, words.grams, words.windows
        gram_shift, window_shift, key_shift = words.gram_shift, words.window_shift, words.key_shift
        short_gram, long_gram = words.gram_masks[0], words.gram_masks[1]
        short_window, long_window = words.window_masks[0], words.window_masks[1]
        keys, heads, bounds, lowered = words.keys, words.heads, words.bounds, words.lowered
        last_key = np.uint64(len(keys) - 1)
        size = np.uint64(len(data))
        count, row = 0, 0
        place, end = stride - ONE, max(size, _LAST) - _LAST
        while place < size:
            stop = min(end, place + stride * np.uint64(PIECE))
            left = ZERO
            while place < stop:
                here = _at(data, place) | case_bits
                may = grams[((here & long_gram) * _MULTIPLIER) >> gram_shift]
                if has_short:
                    may |= grams[((here & short_gram) * _MULTIPLIER) >> gram_shift]
                gram_places[left] = place
                left += np.uint64(may != 0)
                place += stride
            while end <= place < size:  # the last places are few: none is left out
                gram_places[left] = place
                left += ONE
                place += stride
            window_count = ZERO
            for number in range(left):
                last = gram_places[number]
                here = _at_end(data, last) | case_bits
                if not has_short or grams[((here & long_gram) * _MULTIPLIER) >> gram_shift] & LONG:
                    begin = last - stride
                    for _ in range(stride):
                        begin += ONE
                        hashed = ((_at_end(data, begin) | case_bits) & long_window) * _MULTIPLIER
                        pair = _pair(hashed)
                        window_places[window_count] = begin << ONE
                        window_count += np.uint64((windows[hashed >> window_shift] & pair) == pair)
                if has_short and grams[((here & short_gram) * _MULTIPLIER) >> gram_shift] & SHORT:
                    begin = last - stride
                    for _ in range(stride):
                        begin += ONE
                        hashed = ((_at_end(data, begin) | case_bits) & short_window) * _MULTIPLIER
                        pair = _pair(hashed)
                        window_places[window_count] = (begin << ONE) | ONE
                        window_count += np.uint64((windows[hashed >> window_shift] & pair) == pair)
            for number in range(window_count):
                noted = window_places[number]
                begin = noted >> ONE
                window = (_at_end(data, begin) | case_bits) & (short_window if noted & ONE else long_window)
                at = (window * _MULTIPLIER) >> key_shift
                while heads[at] >= 0 and keys[at] != window:
                    at = (at + ONE) & last_key
                entry = heads[at]
                while entry >= 0:
                    offset, word = np.uint64(words.offset_of[np.uint64(entry)]), np.uint64(words.word_of[np.uint64(entry)])
                    entry = words.following[np.uint64(entry)]
                    first, length = np.uint64(bounds[word]), np.uint64(bounds[word + ONE] - bounds[word])
                    if begin < offset or begin - offset + length > size:
                        continue
                    same, begun = ZERO, begin - offset
                    while same < length and lowered[data[begun + same]] == words.data[first + same]:
                        same += ONE
                    if same < length:
                        continue
                    while row + 1 < len(starts) and starts[row + 1] <= np.int64(begun):
                        row += 1
                    while row > 0 and starts[row] > np.int64(begun):
                        row -= 1
                    is_within = starts[row] <= np.int64(begun) and np.int64(begun + length) <= ends[row]
                    if is_within and reported[word] != row:
                        if count == len(rows):
                            return -1
                        reported[word] = row
                        rows[count], found[count] = row, word
                        count += 1
        return count

    return find


find_long, find_both = _find(False), _find(True)


@kernel(types.int64(UINT8S, INT64S, INT64S, UINT8S, INT64S, OUT_INT64S))
def rows_with(data: Array, starts: Array, ends: Array, beginnings: Array, characters: Array, rows: Array) -> int:
    """Notes in `rows` the rows that hold one of some characters beyond ASCII, ascending; answers how many.

    A text lies in `data` from its place in `starts` to that in `ends`. `beginnings` says of all two bytes, the first the higher, whether a
    character begins with them; `characters` are their bytes in one number each, the first the highest, sorted.
    """
    count = 0
    for row in range(len(starts)):
        place, end = np.uint64(starts[row]), np.uint64(ends[row])
        while place + ONE < end:
            if place + _SEVEN < end and _at(data, place) & _HIGH_BITS == ZERO:
                place += np.uint64(WINDOW_BYTES)
                continue
            lead = np.uint32(data[place])
            if lead >= 0xC2 and beginnings[(lead << np.uint32(8)) | np.uint32(data[place + ONE])]:
                length = ONE + ONE + np.uint64(lead >= 0xE0) + np.uint64(lead >= 0xF0)
                character = np.int64(0)
                further = ZERO
                while further < length and place + further < end:
                    character = (character << 8) | np.int64(data[place + further])
                    further += ONE
                at = np.searchsorted(characters, character)
                if at < len(characters) and characters[at] == character:
                    rows[count] = row
                    count += 1
                    break
            place += ONE
    return count
