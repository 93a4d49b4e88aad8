"""Texts of the sample world: neutral words by a Zipf-like law, with the planted phrases between them, straight to Arrow."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from srp_assets.samples.draws import Draws, Flags, Ids
from srp_assets.samples.plants import PLANT_NAMES, PLANTS, Slot
from srp_assets.samples.vocabulary import LANGUAGES

LONGEST = 64
"""No text has more words: the draw of a word is numbered by its row times this plus its place."""

WORD_EXPONENT = 2.0
"""How unevenly words are used: the first tenth of the vocabulary makes a third of all text."""


@lru_cache
def _dictionary(product: str) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64]]:
    """All neutral words and after them all phrases; for each plant the place of its first phrase and their number."""
    entries = list(LANGUAGES[product].words)
    first, count = [], []
    for name in PLANT_NAMES:
        phrases: tuple[str, ...] = getattr(PLANTS[name], product)
        first.append(len(entries))
        count.append(len(phrases))
        entries += phrases
    return pa.array(entries, pa.string()), np.array(first), np.array(count)


def _place(slot: Slot, lengths: Ids, chance: NDArray[np.float64]) -> Ids:
    half = (lengths - 2) // 2
    if slot == "first":
        return np.zeros_like(lengths)
    if slot == "last":
        return lengths - 1
    if slot == "front half":
        return 1 + (chance * half).astype(np.int64)
    return 1 + half + (chance * (lengths - 2 - half)).astype(np.int64)


def sentences(
    draws: Draws, name: str, rows: Ids, product: str, words: tuple[int, int], plants: list[tuple[Ids, Slot]], absent: Flags
) -> pa.Array:
    """One text for each row.

    Args:
        draws: the chance to draw from.
        name: name of the text and its version; texts of other names are independent of it.
        rows: int64, shape (n,): numbers of the rows.
        product: whose language it is in.
        words: smallest and largest number of words; at least 4, so that every slot is a place of its own.
        plants: for each slot in use the plants as `plants_in` gives them.
        absent: bool, shape (n,): where the text is null.

    Returns:
        An Arrow array of n strings.
    """
    dictionary, first, count = _dictionary(product)
    low, high = words
    lengths = low + draws.below(f"{name}/length", rows, high - low + 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    tokens = draws.power_law(f"{name}/word", np.repeat(rows, lengths) * LONGEST + places, len(LANGUAGES[product].words), WORD_EXPONENT)
    for number, (codes, slot) in enumerate(plants):
        planted = np.flatnonzero(codes >= 0)
        which = codes[planted]
        phrases = first[which] + draws.below(f"{name}/phrase {number}", rows[planted], count[which])
        chance = draws.uniform(f"{name}/place {number}", rows[planted])
        tokens[offsets[:-1][planted] + _place(slot, lengths[planted], chance)] = phrases
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), dictionary.take(pa.array(tokens)))
    return pc.if_else(pa.array(absent), pa.scalar(None, pa.string()), pc.binary_join(lists, LANGUAGES[product].separator))
