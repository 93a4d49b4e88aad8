"""Which texts may hold an acrostic: all acrostics of a list followed at once, a bit for each of their beginnings.

A regex machine needs minutes to compile hundreds of patterns full of gaps, and is slow on them; here a text is read once and only the
characters behind punctuation and blanks are looked at. Only the first character of each beginning is compared, so texts are candidates,
which `kernel.py` confirms.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from srp_assets.wordlists.kernels import INT64S, UINT8S, UINT64S, kernel
from srp_assets.wordlists.patterns.entries import PatternEntry, split_word
from srp_assets.wordlists.patterns.sets import named, united

_NEWLINE = 10
_BITS = 64


class Acrostics(NamedTuple):
    """Acrostics, their beginnings numbered one after the other.

    Attributes:
        letters: uint32, the first characters of all beginnings, sorted.
        masks: uint64 (letters, words), for each of them the beginnings that it begins.
        starts: uint64 (words), the first beginnings.
        ends: uint64 (words), the last ones.
        entries: int64, the entry of each beginning.
        boundaries: uint8, for each code point whether a beginning may stand behind it.
    """

    letters: npt.NDArray[np.uint32]
    masks: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.uint64]
    entries: npt.NDArray[np.int64]
    boundaries: npt.NDArray[np.uint8]


def acrostics_of(entries: Sequence[tuple[int, PatternEntry]]) -> Acrostics:
    """The acrostics with their numbers as entries. None may have a line feed behind the first character of a beginning."""
    firsts = [[entry.fold(part)[0] for part in split_word(entry.words[0])] for _, entry in entries]
    letters = sorted({letter for row in firsts for letter in row})
    words = -(-sum(map(len, firsts)) // _BITS)
    masks = np.zeros((len(letters), words), np.uint64)
    starts, ends = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    place = 0
    for row in firsts:
        for number, letter in enumerate(row):
            word, bit = divmod(place, _BITS)
            masks[letters.index(letter), word] |= np.uint64(1 << bit)
            if number == 0:
                starts[word] |= np.uint64(1 << bit)
            if number == len(row) - 1:
                ends[word] |= np.uint64(1 << bit)
            place += 1
    boundaries = np.zeros(0x110000, np.uint8)
    for low, high in united((*named(r"\s"), *named(r"\p{P}"))):
        boundaries[low : high + 1] = 1
    numbers = np.repeat(np.array([number for number, _ in entries], np.int64), [len(row) for row in firsts])
    return Acrostics(np.array([ord(letter) for letter in letters], np.uint32), masks, starts, ends, numbers, boundaries)


_UINT32S = types.Array(types.uint32, 1, "C", readonly=True)
_MASKS = types.Array(types.uint64, 2, "C", readonly=True)
_OUT_MASKS = types.Array(types.uint64, 2, "C")


@kernel(types.void(_UINT32S, _MASKS, UINT64S, UINT64S, UINT8S, _UINT32S, INT64S, _OUT_MASKS), allocates=True)
def _follow(letters: Any, masks: Any, starts: Any, ends: Any, boundaries: Any, codes: Any, bounds: Any, ended: Any) -> None:
    """Notes in `ended` which last beginnings each text reaches.

    `open_` are the beginnings that were met and whose line goes on; `closing` those behind which the line ended, so that only punctuation
    and blanks may stand before the next one.
    """
    words = len(starts)
    open_, closing = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    met = np.zeros(words, np.uint64)
    for row in range(len(bounds) - 1):
        open_[:] = 0
        closing[:] = 0
        is_closing, is_behind = False, True
        for place in range(bounds[row], bounds[row + 1]):
            code = codes[place]
            is_met = False
            if is_behind:
                letter = np.searchsorted(letters, code)
                if letter < len(letters) and letters[letter] == code:
                    is_met = True
                    carried = np.uint64(0)
                    for word in range(words):
                        before = open_[word] | closing[word]
                        wanted = (before << np.uint64(1)) | carried | starts[word]
                        # The bit behind a last beginning is the first beginning of the next acrostic, which is wanted anyway.
                        carried = before >> np.uint64(63)
                        met[word] = wanted & masks[letter, word]
                        ended[row, word] |= met[word] & ends[word]
            is_behind = boundaries[code] != 0
            if code == _NEWLINE:
                for word in range(words):
                    closing[word] |= open_[word]
                    open_[word] = 0
                is_closing = True
            elif is_closing and not is_behind:
                closing[:] = 0
                is_closing = False
            if is_met:
                for word in range(words):
                    open_[word] |= met[word]


def candidates(
    acrostics: Acrostics, codes: npt.NDArray[np.uint32], bounds: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of texts that may hold an acrostic, and the entries of these."""
    ended = np.zeros((len(bounds) - 1, len(acrostics.starts)), np.uint64)
    letters, masks, starts, ends, entries, boundaries = acrostics
    _follow(letters, masks, starts, ends, boundaries, codes, bounds, ended)
    row, word = np.nonzero(ended)
    bits = np.unpackbits(ended[row, word].astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    hit, bit = np.nonzero(bits)
    return row[hit], entries[word[hit] * _BITS + bit]
