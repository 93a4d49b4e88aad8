"""Columns of text as strings over a scanner's alphabet, transformed on the way: what lets a plain automaton find exactly our words.

An alphabet holds the characters of all segments that are looked for. Every other character, in any text, is as good as any other that
is not looked for: all of them become `OTHER`. So an automaton's operators and escapes can never be met in a text or a segment: the
characters that it gives a meaning stand for themselves under another code. Transform, case fold and alphabet are one table over code
points, applied to a whole column at once.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.wordlists.transforms import Fold

OTHER = "\0"
"""Stands for every character that no segment holds, and for the seam between the parts of a text."""

OPERATORS = "&~|\\"
"""What the automaton reads as operators in a word."""

_UNICODE = 0x110000


class Encoder:
    """Turns columns of text, and the segments that are looked for in them, into strings over one alphabet.

    Args:
        fold: the transforms of the texts.
        segments: everything that is looked for, already transformed.
    """

    def __init__(self, fold: Fold, segments: Iterable[str]) -> None:
        alphabet = set().union(*segments)
        free = (code for code in range(1, _UNICODE) if chr(code) not in alphabet and chr(code) not in OPERATORS)
        self._codes = {ord(character): next(free) if character in OPERATORS + OTHER else ord(character) for character in sorted(alphabet)}
        symbols = np.full(_UNICODE, ord(OTHER), dtype="<u4")
        symbols[list(self._codes)] = list(self._codes.values())
        self._enter(fold, symbols)

    def _enter(self, fold: Fold, symbols: npt.NDArray[np.uint32]) -> None:
        """Folds the alphabet: `_symbols` gives each code point its symbol, or `_starts` and `_widths` the place of its symbols there."""
        becomes = symbols[fold.results]
        one = (fold.widths == 1) | _all_other(becomes, fold)
        symbols[fold.code_points[one]] = becomes[fold.starts[one]]
        several = fold.code_points[~one]
        self._widths: npt.NDArray[np.uint8] | None = None
        if len(several):
            self._widths = np.ones(_UNICODE, dtype=np.uint8)
            self._widths[several] = fold.widths[~one]
            self._starts = np.arange(_UNICODE, dtype=np.int32)
            self._starts[several] = fold.starts[~one] + _UNICODE
        self._symbols = np.concatenate([symbols, becomes])

    def segment(self, segment: str) -> str:
        """A transformed segment over the alphabet, free of operators."""
        return segment.translate(self._codes)

    def texts(self, parts: Sequence[pa.Array]) -> list[str]:
        """Texts over the alphabet, one a row.

        Args:
            parts: arrays of string or large_string of the same length, the parts of each row's text; a null is no part.

        Returns:
            For each row its transformed parts with a seam between them, that no segment holds.
        """
        encoded = [self._encode(part) for part in parts]
        return encoded[0] if len(encoded) == 1 else [OTHER.join(row) for row in zip(*encoded, strict=True)]

    def _encode(self, part: pa.Array) -> list[str]:
        code_points, ends = _code_points(part)
        if self._widths is None:
            symbols = self._symbols[code_points]
        else:
            widths = self._widths[code_points]
            bounds = np.zeros(len(widths) + 1, dtype=np.int64)
            np.cumsum(widths, out=bounds[1:])
            offsets = self._starts[code_points] - bounds[:-1]
            symbols = self._symbols[np.repeat(offsets, widths) + np.arange(bounds[-1])]
            ends = bounds[ends]
        whole = symbols.tobytes().decode("utf-32-le")
        places = ends.tolist()
        return [whole[start:end] for start, end in zip([0, *places], places, strict=False)]


def _all_other(becomes: npt.NDArray[np.uint32], fold: Fold) -> npt.NDArray[np.bool_]:
    """Which of the fold's code points become several characters of which none is looked for: one `OTHER` says as much."""
    known = np.concatenate([[0], np.cumsum(becomes != ord(OTHER))])
    return (fold.widths > 0) & (known[fold.starts] == known[fold.starts + fold.widths])


def _code_points(part: pa.Array) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """The code points of a whole array, and where each row ends among them; a null is an empty row."""
    filled = pc.fill_null(part, "") if part.null_count else part
    ends = np.cumsum(pc.utf8_length(filled).to_numpy(zero_copy_only=False), dtype=np.int64)
    offsets, data = filled.buffers()[1:]
    if data is None or not len(filled):
        return np.empty(0, dtype="<u4"), ends
    offset_type = np.int64 if pa.types.is_large_string(filled.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=offset_type)[filled.offset : filled.offset + len(filled) + 1]
    first_bytes = np.frombuffer(data, dtype=np.uint8)[bounds[:-1][np.diff(bounds) > 0]]
    try:
        text = str(memoryview(data)[bounds[0] : bounds[-1]], "utf-8")
    except UnicodeDecodeError:
        return _code_points(_repaired(filled))
    if np.any(first_bytes & 0xC0 == 0x80):  # the halves of a character in two rows
        return _code_points(_repaired(filled))
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4"), ends


def _repaired(part: pa.Array) -> pa.Array:
    """The same rows with U+FFFD for bytes that are no UTF-8, which Parquet files of other writers may hold."""
    binary = part.cast(pa.large_binary() if pa.types.is_large_string(part.type) else pa.binary())
    return pa.array([row.decode("utf-8", "replace") for row in binary.to_pylist()], type=part.type)
