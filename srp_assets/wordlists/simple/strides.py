"""Plain words by looking at every few bytes of the texts: the fastest way that we know of while hits are few.

Of every word one *window* of up to eight bytes is watched. With a stride of s and grams of q bytes a window has s + q - 1: then, however it
lies in a text, one of its first s grams begins at a multiple of the stride, so that it is enough to look there (sampling of q-grams,
Sutinen and Tarhio 1996). Two sets of bits, first of grams, then of windows, leave few places where words are compared. The rarer
the grams of a window among the words, the rarer they are in texts: so it is chosen. Short words would force short grams on all, so they are
a class of their own, looked up beside the long ones.

Rows with suspect characters (`byte_search.py`) are looked for in a pass of their own, which plain ASCII passes quickly.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.columns import Units, read_only
from srp_assets.wordlists.kernels import Array
from srp_assets.wordlists.simple.byte_search import ByteHits, suspects_of
from srp_assets.wordlists.simple.stride_kernel import (
    LONG,
    PIECE_ROOM,
    SHORT,
    WINDOW_BYTES,
    Words,
    choose_offsets,
    count_grams,
    enter,
    find_both,
    find_long,
    rows_with,
)
from srp_assets.wordlists.transforms import Fold

MOST_HITS_PER_BYTE = 1 / 8
"""Where there are more, the automaton is faster."""

SHORTEST = 3
"""Bytes of a word that has a gram of two wherever it lies, with a stride of two."""

MOST_TOO_SHORT = 64
"""So many words may be shorter by one byte: each is looked for with every byte behind it."""

LONGEST_STRIDE = 5

MOST_GRAMS = 1 << 19
"""Half a megabyte: more would no longer be near."""

_COUNT_BITS = 18

_GRAM_CHANCES = {2: 2e-3, 3: 1.2e-4, 4: 2e-5, 5: 7e-6, 6: 3e-6, 7: 2e-6, 8: 1e-6}
"""How often a gram of so many bytes, the rarest of its word, stands at a place of a text, about: measured on an English novel."""

_LOOK_COST, _SHORT_COST, _WINDOW_COST = 1.0, 0.4, 2.0
"""What a place costs, what the look-up of the short class adds, and what a window costs; only their ratios matter."""

_CASE_BITS = 0x2020202020202020

Int64s = npt.NDArray[np.int64]

NO_ROWS = np.empty(0, dtype=np.int64)


class Plan(NamedTuple):
    """How words are looked for: the stride, the bytes of the windows of short and long words, and from how many bytes on a word is long."""

    stride: int
    short_window: int
    long_window: int
    long_from: int

    @property
    def has_short(self) -> bool:
        """Whether there are two classes."""
        return self.short_window > 0


class Strides:
    """Compiled words; `arrays` are those of `to_arrays`, as `Words` of the kernel has them, and the suspects."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = dict(arrays)
        stride, case_bits, has_short = (int(number) for number in arrays["about"])
        self._has_short = bool(has_short)
        self._words = Words(
            stride=np.uint64(stride),
            case_bits=np.uint64(case_bits),
            gram_shift=_shift(arrays["grams"]),
            window_shift=_shift(arrays["windows"]),
            key_shift=_shift(arrays["keys"]),
            **{name: read_only(arrays[name]) for name in Words._fields if name in arrays},
        )

    @classmethod
    def build(cls, words: Sequence[str], fold: Fold) -> "Strides | None":
        """Compiles transformed words; None if this way can not find exactly them, or would look at every byte."""
        suspects = suspects_of(words, fold)
        encoded = [word.encode() for word in words]
        if suspects is None or any(map(str.isascii, suspects)) or not _may_be_found(encoded):
            return None
        case_bits = np.uint64(0 if fold.case_sensitive else _CASE_BITS)
        entries, word_of = _entries(encoded)
        entry_data, entry_bounds = _joined(entries)
        plan = planned(np.diff(entry_bounds))
        arrays = _tables(entry_data | np.uint8(int(case_bits) & 0xFF), entry_bounds, plan)
        data, bounds = _joined(encoded)
        lowered = np.arange(256, dtype=np.uint8)
        if not fold.case_sensitive:
            lowered[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
        beginnings = np.zeros(1 << 16 if suspects else 0, dtype=np.uint8)
        characters = [suspect.encode() for suspect in suspects]
        for character in characters:
            beginnings[int.from_bytes(character[:2], "big")] = 1
        arrays |= {
            "about": np.array([plan.stride, case_bits, plan.has_short], dtype=np.uint64),
            "word_of": word_of,
            "data": data,
            "bounds": bounds,
            "lowered": lowered,
            "beginnings": beginnings,
            "suspects": np.array(sorted(int.from_bytes(character, "big") for character in characters), dtype=np.int64),
        }
        return cls({name: read_only(array) for name, array in arrays.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The compiled words as plain arrays."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Strides":
        """Opens what `to_arrays` gave; nothing is copied."""
        return cls(arrays)

    def scan(self, units: Units) -> ByteHits | None:
        """Finds the words in texts of one part; None if there are too many for this way."""
        data, starts, ends, _ = units
        words = self._words
        room = max(1_000, int(len(data) * MOST_HITS_PER_BYTE))
        row, word = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        reported = np.full(len(words.bounds) - 1, -1, dtype=np.int64)
        gram_places, window_places = (np.empty(PIECE_ROOM * each, dtype=np.uint64) for each in (1, 2 * LONGEST_STRIDE))
        find = find_both if self._has_short else find_long
        count = find(data, starts, ends, words, reported, gram_places, window_places, row, word)
        if count < 0:
            return None
        row, word, suspects = row[:count], word[:count], self._suspect_rows(units)
        if len(suspects):
            is_sure = ~np.isin(row, suspects)
            row, word = row[is_sure], word[is_sure]
        return ByteHits(row, word, suspects)

    def _suspect_rows(self, units: Units) -> Int64s:
        """The rows with suspect characters."""
        characters = self._arrays["suspects"]
        if not len(characters):
            return NO_ROWS
        rows = np.empty(len(units.starts), dtype=np.int64)
        return rows[: rows_with(units.data, units.starts, units.ends, self._arrays["beginnings"], characters, rows)]


def planned(lengths: Int64s) -> Plan:
    """Weighs how many places are looked at against how often a gram is met by chance.

    Args:
        lengths: shape (words,), the bytes of each word, at least 3.
    """
    least = int(lengths.min())

    def cost(plan: Plan) -> float:
        short = int(np.sum(lengths < plan.long_from))
        chances = plan.stride * (len(lengths) - short) * _GRAM_CHANCES[plan.long_window - plan.stride + 1]
        if plan.has_short:
            chances += plan.stride * short * _GRAM_CHANCES[plan.short_window - plan.stride + 1]
        looks = _LOOK_COST + _SHORT_COST * plan.has_short
        return (looks + (1 - np.exp(-chances)) * plan.stride * _WINDOW_COST) / plan.stride

    plans = [
        Plan(stride, min(least, WINDOW_BYTES) if long_from > least else 0, min(long_from, WINDOW_BYTES), long_from)
        for stride, long_from in product(range(1, LONGEST_STRIDE + 1), range(least, max(least, WINDOW_BYTES) + 1))
        if min(least, WINDOW_BYTES) > stride
    ]
    return min(plans, key=cost)


def _may_be_found(words: Sequence[bytes]) -> bool:
    """Whether words are long enough to be looked for at every few bytes."""
    lengths = [len(word) for word in words]
    return bool(words) and min(lengths) >= SHORTEST - 1 and lengths.count(SHORTEST - 1) <= MOST_TOO_SHORT


def _entries(words: Sequence[bytes]) -> tuple[list[bytes], npt.NDArray[np.int32]]:
    """What windows are made of, and the word of each: words, but for those too short by one byte all that they may become by one more."""
    entries: list[bytes] = []
    word_of: list[int] = []
    for number, word in enumerate(words):
        longer = [word + bytes([byte]) for byte in range(256)] if len(word) < SHORTEST else [word]
        entries += longer
        word_of += [number] * len(longer)
    return entries, np.array(word_of, dtype=np.int32)


def _joined(texts: Sequence[bytes]) -> tuple[Array, Int64s]:
    """The bytes of all texts, with some more behind the last one, and where each begins and the last one ends."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    data = np.frombuffer(b"".join(texts) + bytes(2 * WINDOW_BYTES), dtype=np.uint8)
    return data, read_only(np.concatenate([[0], np.cumsum(lengths)]))


def _tables(data: Array, bounds: Int64s, plan: Plan) -> dict[str, np.ndarray]:
    """The tables of a plan. `data` holds the bytes of all entries, without regard to case if that is ignored, and some more."""
    data, stride, lengths = read_only(data), plan.stride, np.diff(bounds)
    entries = np.arange(len(lengths), dtype=np.int32)
    grams = np.zeros(_power_of_two(64 * stride * len(entries), 1 << 12, MOST_GRAMS), dtype=np.uint8)
    windows = np.zeros(_power_of_two(len(entries) // 2, 1 << 8, 1 << 18), dtype=np.uint64)
    keys = np.zeros(_power_of_two(2 * len(entries), 1 << 4), dtype=np.uint64)
    heads = np.full(len(keys), -1, dtype=np.int32)
    following = np.full(len(entries), -1, dtype=np.int32)
    offsets = np.zeros(len(entries), dtype=np.int32)
    masks = np.zeros((2, 2), dtype=np.uint64)
    for number, (class_, window) in enumerate(((SHORT, plan.short_window), (LONG, plan.long_window))):
        if not window:
            continue
        gram = window - stride + 1
        gram_mask, window_mask = masks[:, number] = _mask(gram), _mask(window)
        of_class = entries[(lengths >= plan.long_from) == bool(number)]
        counts = np.zeros(1 << _COUNT_BITS, dtype=np.int32)
        count_shift = np.uint64(64 - _COUNT_BITS)
        count_grams(data, bounds, gram_mask, np.uint64(gram), counts, count_shift)
        chosen = np.zeros(len(entries), dtype=np.int32)
        choose_offsets(data, bounds, gram_mask, np.uint64(window), np.uint64(stride), counts, count_shift, chosen)
        offsets[of_class] = chosen[of_class]
        places = bounds[of_class] + chosen[of_class]
        enter(
            data, places, gram_mask, window_mask, np.uint64(stride), of_class, grams, _shift(grams), windows, _shift(windows), keys, heads,
            _shift(keys), following, class_,
        )  # fmt: skip
    return {
        "gram_masks": masks[0],
        "window_masks": masks[1],
        "grams": grams,
        "windows": windows,
        "keys": keys,
        "heads": heads,
        "following": following,
        "offset_of": offsets,
    }


def _mask(length: int) -> np.uint64:
    """The lowest bytes of a number."""
    return np.uint64((1 << (8 * length)) - 1)


def _power_of_two(wanted: int, least: int, most: int | None = None) -> int:
    size = least
    while size < wanted and size != most:
        size *= 2
    return size


def _shift(array: Array) -> np.uint64:
    """What leaves of a 64-bit hash as many bits as number the places of an array."""
    return np.uint64(64 - (len(array) - 1).bit_length())
