"""Pieces of words that a text must hold to be similar: which texts hold one, found by hashes of all their runs of a few characters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.text_column import TextColumn

RUNS = (3, 4, 6, 8, 12, 16)
"""Lengths of the runs that are hashed. A longer piece is looked for by its beginning, so that few lengths have to be hashed."""

MIN_ASCII = 6
"""A piece of fewer ASCII characters stands in too many texts to be worth looking for; of others three are rare enough (measured)."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the hash sum(code * base^place) modulo 2^64: odd, with its bits well mixed (2^64 divided by the golden ratio)."""

_FILTER_BITS = 16
"""Hashes are first looked up by so many of their bits in a table, which most runs are not in."""

Int64s = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def cut(word: str, count: int) -> list[tuple[int, str]] | None:
    """A word in so many pieces of nearly equal length, each with its place in it; None if a piece would be too short to be rare."""
    bounds = [len(word) * place // count for place in range(count + 1)]
    pieces = [(begin, word[begin:end]) for begin, end in zip(bounds, bounds[1:], strict=False)]
    is_rare = all(len(piece) >= (MIN_ASCII if piece.isascii() else RUNS[0]) for _, piece in pieces)
    return pieces if is_rare else None


class Piece(NamedTuple):
    """A piece of a word: its text, where it begins in the word, how far a similar text may shift it, and the place of the word."""

    text: str
    start: int
    shift: int
    word: int


class Pieces:
    """Pieces of words, by the length of the runs by which they are looked for."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        of_length: dict[int, list[Piece]] = {}
        for piece in pieces:
            length = max(run for run in RUNS if run <= len(piece.text))
            of_length.setdefault(length, []).append(piece._replace(text=piece.text[:length]))
        self._of_length = [_of_length(length, found) for length, found in sorted(of_length.items())]

    def candidates(self, column: TextColumn) -> tuple[Int64s, Int64s]:
        """The places of words and rows that hold a piece of them near the place that it has in the word; sorted, each pair once."""
        rows = max(1, len(column.bounds) - 1)
        pairs = np.unique(np.concatenate([np.empty(0, np.int64), *(_holding(one, column, rows) for one in self._of_length)]))
        return pairs // rows, pairs % rows


class _OfLength(NamedTuple):
    """The pieces that are looked for by runs of one length, sorted by their hashes; `table` has a bit of every hash."""

    length: int
    hashes: Hashes
    starts: Int64s
    shifts: Int64s
    words: Int64s
    table: npt.NDArray[np.bool_]


def _of_length(length: int, pieces: Sequence[Piece]) -> _OfLength:
    codes = np.frombuffer("".join(piece.text for piece in pieces).encode("utf-32-le"), np.uint32)
    hashes = _hashes(codes, length)[::length]
    order = np.argsort(hashes, kind="stable")
    table = np.zeros(1 << _FILTER_BITS, np.bool_)
    table[_short(hashes)] = True
    starts, shifts, words = (np.array(values, np.int64)[order] for values in list(zip(*pieces, strict=True))[1:])
    return _OfLength(length, hashes[order], starts, shifts, words, table)


def _holding(pieces: _OfLength, column: TextColumn, width: int) -> Int64s:
    """Pairs of the place of a word and a row that holds a piece of it, as place * width + row."""
    hashes = _hashes(column.codes, pieces.length)
    begins = np.flatnonzero(pieces.table[_short(hashes)])
    first = np.searchsorted(pieces.hashes, hashes[begins], side="left")
    behind = np.searchsorted(pieces.hashes, hashes[begins], side="right")
    rows = np.searchsorted(column.bounds, begins, side="right") - 1
    # A run may begin in one text and end in the next; it is in neither.
    is_whole = (behind > first) & (begins + pieces.length <= column.bounds[rows + 1])
    begins, first, behind, rows = begins[is_whole], first[is_whole], behind[is_whole], rows[is_whole]
    counts = behind - first
    found = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    rows, begins = np.repeat(rows, counts), np.repeat(begins, counts)
    is_near = np.abs(begins - column.bounds[rows] - pieces.starts[found]) <= pieces.shifts[found]
    return pieces.words[found[is_near]] * width + rows[is_near]


def _hashes(codes: npt.NDArray[np.uint32], length: int) -> Hashes:
    """The hashes of all runs of a length, put together from runs of one, two, four .. characters."""
    runs, size = codes.astype(np.uint64) + np.uint64(1), 1
    hashes, done = np.zeros(len(codes) + 1, np.uint64), 0
    while done < length:
        if length & size:
            hashes, done = _joined(hashes, done, runs, size), done + size
        runs, size = _joined(runs, size, runs, size), size * 2
    return hashes


def _joined(before: Hashes, length: int, behind: Hashes, size: int) -> Hashes:
    """The hashes of runs that consist of a run of `length` and the run of `size` behind it."""
    behind = behind[length:]
    return before[: len(behind)] * _power(size) + behind


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_BASE), exponent, 1 << 64))


def _short(hashes: Hashes) -> Int64s:
    return (hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)
