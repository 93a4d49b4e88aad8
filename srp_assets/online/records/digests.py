"""Digests of texts: how keys and values stand in records, where a text of any length would not fit.

64 bits: digests are compared within the record of one key alone, where even a million texts collide with a probability below 1 in 10^7.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

REMEMBERED = 1 << 18
"""Digests that a process keeps: a digest takes ten times as long as finding it again."""


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True) or 1


@lru_cache(REMEMBERED)
def digest_of(text: str) -> int:
    """The digest of a text, as a signed integer of 64 bits; never 0."""
    return _digest(text)


def id_digests(ids: Iterable[str]) -> list[int]:
    """The digests of texts that hardly any process meets twice, which are not remembered."""
    return [_digest(text) for text in ids]


def digest_of_all(texts: Sequence[str]) -> int:
    """The digest of several texts in their order; of a single one its own."""
    if len(texts) == 1:
        return digest_of(texts[0])
    # With its length before it, no text runs into the next one.
    return digest_of("".join(f"{len(text)}:{text}" for text in texts))
