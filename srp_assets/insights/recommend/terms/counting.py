"""Counts words and phrases in texts, natively, level by level: in how many texts of each class each of them stands.

A phrase is counted only where the two shorter ones that it is made of are frequent in the looked-at texts (the Apriori principle: Agrawal
and Srikant, "Fast algorithms for mining association rules", VLDB 1994), so memory follows what is frequent, not all that was ever said.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import types

from srp_assets.insights.recommend.terms.tokens import Tokens
from srp_assets.wordlists.kernels import Array, kernel

LONGEST_PHRASE = 4
"""Words of a phrase at most."""

LONGEST_UNSPACED = 6
"""Characters of a word of a script without blanks at most."""

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

KEYS = types.Array(types.int64, 1, "C", readonly=True)
IDS = types.Array(types.int32, 1, "C", readonly=True)
CLASSES = types.Array(types.uint8, 1, "C", readonly=True)
OUT32, OUT64 = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")


@dataclass(frozen=True, eq=False)
class Level:
    """The frequent terms of so many tokens: parallel arrays by term.

    Attributes:
        size: tokens of a term.
        at: int32, for each token the term that begins there; -1 where none of this size does.
        first: int64, the token where the term begins first.
        texts: int64, shape (terms, classes), in how many texts of each class it stands.
        occurrences: int64, how often it stands in the looked-at texts.
        prefix, suffix: int32, the terms of one token less that it begins and ends with; -1 for single tokens.
    """

    size: int
    at: Int32s
    first: Int64s
    texts: Int64s
    occurrences: Int64s
    prefix: Int32s
    suffix: Int32s

    def __len__(self) -> int:
        """The number of terms."""
        return len(self.first)


def count_terms(tokens: Tokens, class_of_text: npt.NDArray[np.uint8], *, classes: int, looked_at: int, least_texts: int) -> list[Level]:
    """The terms that stand in enough of the looked-at texts, a level for each number of tokens.

    Args:
        tokens: of all texts, the looked-at ones first.
        class_of_text: uint8, the class of each text.
        classes: how many classes there are.
        looked_at: the first so many texts are looked at; the others only say how usual a term is.
        least_texts: a term stands in at least so many looked-at texts.
    """
    last = int(np.searchsorted(tokens.text, looked_at))
    levels: list[Level] = []
    keys, valid = tokens.hash.view(np.int64), np.ones(len(tokens), dtype=np.bool_)
    nowhere = np.full(len(tokens), -1, dtype=np.int32)
    before = nowhere
    for size in range(1, max(LONGEST_PHRASE, LONGEST_UNSPACED) + 1):
        if size > 1:
            keys, valid = _pairs(before, tokens, size)
        if not valid.any():
            break
        level = _level(size, keys, valid, tokens, before, class_of_text, classes, last, least_texts)
        if not len(level):
            break
        levels.append(level)
        before = level.at
    return levels


def _pairs(before: Int32s, tokens: Tokens, size: int) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """What terms of the next size are made of: the term at a token and the one at the next, where both are there and linked."""
    following = np.append(before[1:], np.int32(-1))
    valid = (before >= 0) & (following >= 0)
    if size == 2:
        valid &= np.append(tokens.linked[1:], False)
    if size > LONGEST_PHRASE:
        valid &= tokens.unspaced
    if size > LONGEST_UNSPACED:
        valid &= ~tokens.unspaced
    return before.astype(np.int64) << 32 | following.astype(np.int64) & 0xFFFFFFFF, valid


def _level(
    size: int,
    keys: Int64s,
    valid: npt.NDArray[np.bool_],
    tokens: Tokens,
    before: Int32s,
    class_of_text: npt.NDArray[np.uint8],
    classes: int,
    last: int,
    least_texts: int,
) -> Level:
    at = np.full(len(tokens), -1, dtype=np.int32)
    distinct = _number(_frozen(keys), _frozen(valid.view(np.uint8)), last, at)
    texts = np.zeros(distinct * classes, dtype=np.int64)
    of_looked_at, occurrences, first = (np.zeros(distinct, dtype=np.int64) for _ in range(3))
    _tally(_frozen(at), _frozen(tokens.text), _frozen(class_of_text), classes, last, texts, of_looked_at, occurrences, first)
    kept = np.flatnonzero(of_looked_at >= least_texts)
    renumbered = np.full(distinct + 1, -1, dtype=np.int32)
    renumbered[kept] = np.arange(len(kept), dtype=np.int32)
    place = first[kept]
    single = np.full(len(kept), -1, dtype=np.int32)
    return Level(
        size=size,
        at=renumbered[at],
        first=place,
        texts=texts.reshape(distinct, classes)[kept],
        occurrences=occurrences[kept],
        prefix=single if size == 1 else before[place],
        suffix=single if size == 1 else before[place + 1],
    )


def _frozen(array: Array) -> Array:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@kernel(types.int64(KEYS, CLASSES, types.int64, OUT32), allocates=True)
def _number(keys: Array, valid: Array, last: int, at: Array) -> int:
    """Numbers the distinct keys of the first `last` tokens, and finds these in the others; answers how many there are.

    A table with open addressing that doubles when it is half full.
    """
    capacity = 1 << 16
    slots = np.full(capacity, -1, dtype=np.int32)
    known = np.empty(capacity // 2, dtype=np.int64)
    count = 0
    for place in range(len(keys)):
        if valid[place] == 0:
            continue
        key = keys[place]
        mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(capacity - 1))
        while slots[slot] >= 0 and known[slots[slot]] != key:
            slot = (slot + 1) & (capacity - 1)
        if slots[slot] >= 0:
            at[place] = slots[slot]
            continue
        if place >= last:
            continue
        if count == capacity // 2:
            capacity *= 2
            slots = np.full(capacity, -1, dtype=np.int32)
            more = np.empty(capacity // 2, dtype=np.int64)
            more[:count] = known[:count]
            known = more
            for number in range(count):
                mixed = np.uint64(known[number]) * np.uint64(0x9E3779B97F4A7C15)
                slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(capacity - 1))
                while slots[slot] >= 0:
                    slot = (slot + 1) & (capacity - 1)
                slots[slot] = number
            mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
            slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(capacity - 1))
            while slots[slot] >= 0:
                slot = (slot + 1) & (capacity - 1)
        known[count] = key
        slots[slot] = count
        at[place] = count
        count += 1
    return count


@kernel(types.void(IDS, IDS, CLASSES, types.int64, types.int64, OUT64, OUT64, OUT64, OUT64), allocates=True)
def _tally(
    at: Array, text_of: Array, class_of: Array, classes: int, last: int, texts: Array, looked_at: Array, occurrences: Array, first: Array
) -> None:
    """Counts texts by class, looked-at texts and occurrences of each term, and finds its first place; texts come in order."""
    newest = np.full(len(first), -1, dtype=np.int32)
    for place in range(len(at)):
        term = at[place]
        if term < 0:
            continue
        text = text_of[place]
        if place < last:
            if newest[term] < 0:
                first[term] = place
            occurrences[term] += 1
        if newest[term] != text:
            newest[term] = text
            texts[term * classes + class_of[text]] += 1
            if place < last:
                looked_at[term] += 1
