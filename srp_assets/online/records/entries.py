"""What the entries of records are written with; `layout.py` says what they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.online.records.layout import CODE_BITS, WORDS_BITS

WORD = 8

LONGEST_ID = 65_536
"""Bytes of an event's id that are kept: an entry has to fit its own length."""


def head(code: int, words: int, day: int) -> int:
    """The first word of an entry."""
    return code | words << CODE_BITS | day << CODE_BITS + WORDS_BITS


@dataclass(frozen=True)
class IdWords:
    """The ids of events as entries have them.

    Args:
        words: of all ids, each filled up with zeros.
        bounds: where those of each id begin, one more than there are ids.
        sizes: the bytes of each id.
    """

    words: Integers
    bounds: Integers
    sizes: Integers


def id_words(ids: Sequence[str]) -> IdWords:
    """Ids as words."""
    written = [text.encode()[:LONGEST_ID] for text in ids]
    sizes = np.array([len(own) for own in written], np.int64)
    bounds = np.concatenate([[0], np.cumsum(-(-sizes // WORD))]).astype(np.int64)
    words = np.frombuffer(b"".join(own + bytes(-len(own) % WORD) for own in written), np.int64)
    return IdWords(words, bounds, sizes)
