"""Takes texts apart into tokens, natively: words of scripts that put blanks between words, single characters of scripts that do not.

Two tokens are *linked* if together they stand in the text just as a word list would have them: words with one blank between, characters
without a blank side by side. Phrases are made of linked tokens alone, so each of them is a word that a list can look for.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from srp_assets.wordlists.kernels import Array, kernel
from srp_assets.wordlists.text_column import ColumnFold, TextColumn, read_texts
from srp_assets.wordlists.transforms import Fold

BREAK, LETTER, IDEOGRAPH, BLANK, JOINER = range(5)
"""Classes of characters: what ends a phrase; of words with blanks between; of scripts without blanks; the blank; what may stand in a
word."""

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""The scripts that put no blanks between words, from first to last code point."""

TEXTS_AT_ONCE = 65_536
"""Texts whose code points are held at a time."""

CODES = types.Array(types.uint32, 1, "C", readonly=True)
BOUNDS = types.Array(types.int64, 1, "C", readonly=True)
CLASSES = types.Array(types.uint8, 1, "C", readonly=True)
OUT64, OUTU64, OUT32, OUT8 = (types.Array(one, 1, "C") for one in (types.int64, types.uint64, types.int32, types.uint8))


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of some texts, in their order: parallel arrays.

    Attributes:
        hash: uint64, the same for the same token; two different tokens of one corpus have the same with a probability below 1e-5.
        text: int32, the number of the text.
        start, length: int32, code points of the folded text.
        linked: bool, whether it is linked to the token before it.
        unspaced: bool, whether it is a character of a script without blanks.
    """

    hash: npt.NDArray[np.uint64]
    text: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    linked: npt.NDArray[np.bool_]
    unspaced: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """The number of tokens."""
        return len(self.hash)


def tokens_of(texts: pa.Array | pa.ChunkedArray, fold: Fold) -> Tokens:
    """The tokens of folded texts; a null has none."""
    column_fold = ColumnFold.of(fold)
    parts: list[tuple[Array, ...]] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        codes, bounds, _ = folded(texts.slice(start, TEXTS_AT_ONCE), column_fold)
        size = _count(_read_only(codes), _read_only(bounds), character_classes())
        found = [np.empty(size, dtype=dtype) for dtype in (np.uint64, np.int32, np.int32, np.int32, np.uint8, np.uint8)]
        _fill(_read_only(codes), _read_only(bounds), character_classes(), start, *found)
        parts.append(tuple(found))
    empty = tuple(np.empty(0, dtype=dtype) for dtype in (np.uint64, np.int32, np.int32, np.int32, np.uint8, np.uint8))
    hashes, text, place, length, linked, unspaced = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
    return Tokens(hashes, text, place, length, linked.view(np.bool_), unspaced.view(np.bool_))


def folded(texts: pa.Array | pa.ChunkedArray, fold: ColumnFold) -> TextColumn:
    """The code points of folded texts."""
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return fold(read_texts(array).column())


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """The class of every code point."""
    classes = np.zeros(0x110000, dtype=np.uint8)
    for code in range(0x20000):
        if unicodedata.category(chr(code))[0] in "LNM":
            classes[code] = LETTER
    for first, last in UNSPACED:
        letters = classes[first : last + 1]
        letters[(letters == LETTER) | (first >= 0x20000)] = IDEOGRAPH
    classes[ord(" ")] = BLANK
    classes[[ord("'"), ord("-"), 0x2019]] = JOINER
    return _read_only(classes)


def _read_only(array: Array) -> Array:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@kernel(types.int64(CODES, BOUNDS, CLASSES))
def _count(codes: Array, bounds: Array, classes: Array) -> int:
    """How many tokens there are."""
    count = 0
    for text in range(len(bounds) - 1):
        place, last = bounds[text], bounds[text + 1]
        while place < last:
            kind = classes[codes[place]]
            place += 1
            if kind == IDEOGRAPH:
                count += 1
            elif kind == LETTER:
                count += 1
                while place < last:
                    kind = classes[codes[place]]
                    if kind == JOINER and place + 1 < last and classes[codes[place + 1]] == LETTER:
                        place += 2
                    elif kind == LETTER:
                        place += 1
                    else:
                        break
    return count


@kernel(types.void(CODES, BOUNDS, CLASSES, types.int64, OUTU64, OUT32, OUT32, OUT32, OUT8, OUT8))
def _fill(
    codes: Array,
    bounds: Array,
    classes: Array,
    first_text: int,
    hashes: Array,
    texts: Array,
    starts: Array,
    lengths: Array,
    linked: Array,
    unspaced: Array,
) -> None:
    """Writes the tokens that `_count` counted."""
    count = 0
    for text in range(len(bounds) - 1):
        first, last = bounds[text], bounds[text + 1]
        place, end, before = first, first - 2, BREAK
        while place < last:
            kind = classes[codes[place]]
            if kind != IDEOGRAPH and kind != LETTER:
                place += 1
                continue
            start = place
            # FNV-1a over code points, then mixed: the low bits choose the slot of a table.
            value = np.uint64(14695981039346656037)
            value = (value ^ np.uint64(codes[place])) * np.uint64(1099511628211)
            place += 1
            while kind == LETTER and place < last:
                follows = classes[codes[place]]
                if follows == LETTER:
                    value = (value ^ np.uint64(codes[place])) * np.uint64(1099511628211)
                    place += 1
                elif follows == JOINER and place + 1 < last and classes[codes[place + 1]] == LETTER:
                    value = (value ^ np.uint64(codes[place])) * np.uint64(1099511628211)
                    value = (value ^ np.uint64(codes[place + 1])) * np.uint64(1099511628211)
                    place += 2
                else:
                    break
            value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
            value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
            hashes[count] = value ^ (value >> np.uint64(33))
            texts[count] = first_text + text
            starts[count] = start - first
            lengths[count] = place - start
            is_beside = start == end if kind == IDEOGRAPH else start == end + 1 and classes[codes[end]] == BLANK
            linked[count] = 1 if kind == before and is_beside else 0
            unspaced[count] = 1 if kind == IDEOGRAPH else 0
            count += 1
            end, before = place, kind
