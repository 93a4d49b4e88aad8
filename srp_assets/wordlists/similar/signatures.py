"""Signatures of texts: which characters and which pairs of neighbours stand in a text, as bits, so that texts are compared in nanoseconds.

Characters and pairs share bits, which can hide that one is lacking, and never pretend it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from srp_assets.wordlists.kernels import INT64S, OUT_INT64S, UINT64S, Array, Number, inlined, kernel
from srp_assets.wordlists.text_column import TextColumn

CHARACTER_BITS = 128
PAIR_BITS = 512
"""A text of some 50 characters sets a tenth of the bits for its pairs (sizes measured: half as many pass twice as many texts)."""

SAMPLE = 256
WORTHWHILE = 0.3
"""If more of a sample of texts pass, signatures save nothing: rapidfuzz compares many words at once nearly as fast (measured)."""

_MIXED = np.uint64(0x9E3779B97F4A7C15)

_TEXTS = types.Array(types.uint64, 2, "C", readonly=True)

Int64s = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


class Signatures(NamedTuple):
    """The signatures of some texts.

    Attributes:
        characters: uint64 (2, texts), bits of the characters.
        pairs: uint64 (8, texts), bits of the pairs of neighbours.
    """

    characters: Bits
    pairs: Bits

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Self:
        """The signatures of texts."""
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
        return cls._of(codes, np.cumsum([0, *map(len, texts)]))

    @classmethod
    def of_column(cls, column: TextColumn, rows: Int64s) -> Self:
        """The signatures of some rows of a column."""
        lengths = column.lengths[rows]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(bounds[-1]) + np.repeat(column.bounds[rows] - bounds[:-1], lengths)
        return cls._of(column.codes[places], bounds)

    @classmethod
    def _of(cls, codes: npt.NDArray[np.uint32], bounds: Int64s) -> Self:
        rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        single = codes.astype(np.uint64)
        is_pair = rows[1:] == rows[:-1]
        pairs = (single[:-1] * np.uint64(0x10FFFF) + single[1:])[is_pair]
        return cls(
            _bits(rows, single, len(bounds) - 1, CHARACTER_BITS),
            _bits(rows[1:][is_pair], pairs, len(bounds) - 1, PAIR_BITS),
        )

    def near(self, begin: int, end: int, words: "Signatures", word: int, edits: Int64s) -> Int64s | None:
        """Which texts a word may be made of by a number of edits.

        Args:
            begin: the first text that is asked about.
            end: the text behind the last one.
            words: the signatures of words.
            word: the place of the word among them.
            edits: int64 (texts), the edits that are allowed for each text.

        Returns:
            The texts, counted from `begin`; None if a sample shows that most would pass.
        """
        step = max(1, (end - begin) // SAMPLE)
        if step > 1 and len(self._passing(begin, end, step, words, word, edits)) > WORTHWHILE * ((end - begin) // step):
            return None
        return self._passing(begin, end, 1, words, word, edits)

    def _passing(self, begin: int, end: int, step: int, words: "Signatures", word: int, edits: Int64s) -> Int64s:
        passing = np.empty(max(0, end - begin) // step + 1, np.int64)
        characters, pairs = np.ascontiguousarray(words.characters[:, word]), np.ascontiguousarray(words.pairs[:, word])
        return passing[: _note_passing(self.characters, self.pairs, begin, end, step, characters, pairs, edits, passing)]


@intrinsic
def _bits_of(_context: Any, number: Any) -> Any:
    """How many bits of a number are set."""

    def generated(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(number), generated


@inlined
def _lacking(texts: Array, text: Number, word: Array) -> Number:
    """How many bits of the word a text lacks, or the word of the text, whichever are more."""
    of_word, of_text = np.uint64(0), np.uint64(0)
    for number in range(len(word)):
        of_word += _bits_of(word[number] & ~texts[number, text])
        of_text += _bits_of(texts[number, text] & ~word[number])
    return np.int64(max(of_word, of_text))


@kernel(types.int64(_TEXTS, _TEXTS, types.int64, types.int64, types.int64, UINT64S, UINT64S, INT64S, OUT_INT64S))
def _note_passing(
    characters: Array, pairs: Array, begin: int, end: int, step: int, of_word: Array, pairs_of_word: Array, edits: Array, passing: Array
) -> int:
    """Notes every so many texts that a word may be made of, counted from `begin`; answers how many."""
    count = 0
    for text in range(begin, end, step):
        most = edits[text - begin]
        if _lacking(characters, text, of_word) <= most and _lacking(pairs, text, pairs_of_word) <= 2 * most:
            passing[count] = text - begin
            count += 1
    return count


def _bits(rows: Int64s, values: npt.NDArray[np.uint64], count: int, width: int) -> Bits:
    """For each row a bit for each of its values."""
    is_set = np.zeros((count, width), np.bool_)
    is_set[rows, ((values * _MIXED) >> np.uint64(32)).astype(np.int64) % width] = True
    return np.ascontiguousarray(np.packbits(is_set, axis=1).view(np.uint64).T)
