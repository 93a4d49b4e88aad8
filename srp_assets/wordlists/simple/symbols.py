"""The alphabet of an automaton, and one table that takes a text's code points, transforms included, to its symbols.

Symbols number the characters of the patterns from 1 on, the frequent ones first. A character that no pattern holds is 0: it ends every
match. So the transforms and the case fold of a list cost a scan nothing: they are in the table.

The table is one int32 array, for a kernel with few pointers: 256 codes by first byte, then the blocks of 64 code points by the two first
bytes of a three-byte character, then those of all code points, then the codes of the blocks, then the expansions. A code is

    symbol >= 0                        what the character becomes; with the bit `ENDS_WORD` if the symbol alone is a pattern
    DELETED                            the character disappears
    -2 - place                         it becomes several symbols: their number stands at the place, they follow
    UNDECIDED                          the kernel's careful path decides (no ASCII character, or no valid three-byte character)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.transforms import Fold

Int32s = npt.NDArray[np.int32]

ENDS_WORD = 1 << 30
SYMBOL = ENDS_WORD - 1
DELETED = -1
UNDECIDED = -(1 << 30)

THREE_BYTE_BLOCKS = 256
ALL_BLOCKS = THREE_BYTE_BLOCKS + 1024
_FIRST_CODE = ALL_BLOCKS + (0x110000 >> 6)

_OVERLONG = slice(0, 0x20)
_SURROGATES = slice(0x360, 0x380)
"""Blocks that no valid three-byte character reaches."""


class Alphabet(NamedTuple):
    """Symbols of patterns.

    Attributes:
        symbols: int32, the patterns' symbols one after the other.
        counts: int64, shape (symbols + 1,), how often each symbol occurs in them; the first is for 0.
        codes: int32, the table.
    """

    symbols: Int32s
    counts: npt.NDArray[np.int64]
    codes: Int32s


def alphabet_of(patterns: list[str], single: list[str], fold: Fold) -> Alphabet:
    """The alphabet of patterns.

    Args:
        patterns: transformed texts.
        single: those of them that have one character.
        fold: what transforms the texts in which they are looked for.
    """
    characters = np.frombuffer("".join(patterns).encode("utf-32-le"), dtype="<u4")
    counts = np.bincount(characters)
    known = np.flatnonzero(counts)
    by_frequency = known[np.argsort(-counts[known], kind="stable")]
    codes_of_characters = np.zeros(0x110000, dtype=np.int32)
    codes_of_characters[by_frequency] = np.arange(1, len(known) + 1)
    symbols = codes_of_characters[characters]
    for character in single:
        codes_of_characters[ord(character)] |= ENDS_WORD
    return Alphabet(symbols, np.concatenate([[0], counts[by_frequency]]), _table(codes_of_characters, fold))


def _table(codes_of_characters: Int32s, fold: Fold) -> Int32s:
    becomes = codes_of_characters[fold.results]
    starts, widths = fold.starts, fold.widths
    folded = codes_of_characters.copy()
    known = np.concatenate([[0], np.cumsum(becomes != 0)])
    # Several characters of which none is looked for end a match as one does.
    one = (widths > 0) & ((widths == 1) | (known[starts] == known[starts + widths]))
    folded[fold.code_points[one]] = becomes[starts[one]]
    folded[fold.code_points[widths == 0]] = DELETED
    several = np.flatnonzero(~one & (widths > 0))
    blocks = folded.reshape(-1, 64)
    # Expansions are told apart from what stays only when their places are known: mark them.
    folded[fold.code_points[several]] = UNDECIDED
    used = np.union1d([0, 1], np.flatnonzero(blocks.any(axis=1)))
    first_empty = _FIRST_CODE + 64 * len(used)
    first_invalid = first_empty + 64
    block_starts = np.full(len(blocks), first_empty, dtype=np.int32)
    block_starts[used] = _FIRST_CODE + 64 * np.arange(len(used))
    lengths = widths[several] + 1
    places = first_invalid + 64 + np.cumsum(lengths) - lengths
    folded[fold.code_points[several]] = -2 - places
    ascii_codes = np.where(folded[:128] < ENDS_WORD, folded[:128], UNDECIDED)
    three_byte_blocks = block_starts[:1024].copy()
    three_byte_blocks[_OVERLONG] = three_byte_blocks[_SURROGATES] = first_invalid
    return np.concatenate(
        [
            ascii_codes,
            np.full(128, UNDECIDED),
            three_byte_blocks,
            block_starts,
            blocks[used].reshape(-1),
            np.zeros(64),
            np.full(64, UNDECIDED),
            _expansions(becomes, starts[several], widths[several]),
        ]
    ).astype(np.int32)


def _expansions(becomes: Int32s, starts: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]) -> Int32s:
    """Each expansion's number of symbols, and then these."""
    lengths = widths + 1
    firsts = np.cumsum(lengths) - lengths
    expansions = np.empty(lengths.sum(), dtype=np.int32)
    expansions[firsts] = widths
    is_symbol = np.ones(len(expansions), dtype=bool)
    is_symbol[firsts] = False
    expansions[is_symbol] = becomes[np.repeat(starts - np.cumsum(widths) + widths, widths) + np.arange(widths.sum())]
    return expansions
