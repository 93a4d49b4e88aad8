"""Portraits: the newest actions of each user, packed, each with the time at which it arrived.

A portrait is a sequence of actions in the order in which they were counted; whoever reads it puts them in the order of contract 2. An
action has a first word with the number of its words (from bit 16 on), the digest of its kind, its time and its arrival in microseconds, a
float64 for each number (NaN for null), a digest for each text (0 for null), the bytes of its id, and the id. The store knows the texts.
What an attribute was then follows from the item and the day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from struct import Struct
from typing import Any

import numpy as np

from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, EVENT_COLUMNS
from srp_assets.online.records.digests import digest_of
from srp_assets.online.records.entries import LONGEST_ID, WORD, head

LONGEST = 10_000
"""Actions of a portrait."""

SLACK = 1.25
"""A portrait grows to so many times its length before it is cut: cutting reads all of it."""

KINDS_COLUMN = "kind"
NUMBERS = tuple(name for name, type_ in EVENT_COLUMNS.items() if type_ == "number")
TEXTS = tuple(name for name, type_ in EVENT_COLUMNS.items() if type_ == "text" and name != "user_id" and name not in COMPUTED_COLUMNS)

_FIXED = Struct(f"<4q{len(NUMBERS)}d{len(TEXTS) + 1}q")
FIXED_WORDS = _FIXED.size // WORD
_SIZE_WORD = FIXED_WORDS - 1


def portrait_entry(event: Mapping[str, Any], texts: dict[int, str]) -> bytes:
    """An action, with times in microseconds; the texts that its digests stand for are added to `texts`."""
    numbers = [float("nan") if event.get(name) is None else float(event[name]) for name in NUMBERS]
    digests = []
    for name in (KINDS_COLUMN, *TEXTS):
        value = event.get(name)
        digests.append(0 if value is None else digest_of(value))
        if value is not None:
            texts[digests[-1]] = value
    event_id = event["event_id"].encode()[:LONGEST_ID]
    padding = -len(event_id) % WORD
    first = head(0, FIXED_WORDS + (len(event_id) + padding) // WORD, 0)
    fixed = _FIXED.pack(first, digests[0], event["event_time"], event["arrival_time"], *numbers, *digests[1:], len(event_id))
    return fixed + event_id + bytes(padding)


@dataclass(frozen=True)
class Portrait:
    """Actions of one user, the newest first.

    Args:
        words: of the whole portrait.
        starts: where the actions begin, shape (actions,).
    """

    words: Integers
    starts: Integers

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def kind(self) -> Integers:
        """Digests of the kinds."""
        return self.words[self.starts + 1]

    @property
    def event_time(self) -> Integers:
        """When each happened, in microseconds since 1970."""
        return self.words[self.starts + 2]

    @property
    def arrival_time(self) -> Integers:
        """When each arrived."""
        return self.words[self.starts + 3]

    def number(self, name: str) -> Floats:
        """A column of numbers; NaN for null."""
        return self.words.view(np.float64)[self.starts + 4 + NUMBERS.index(name)]

    def text(self, name: str) -> Integers:
        """The digests of a column of texts; 0 for null."""
        return self.words[self.starts + 4 + len(NUMBERS) + TEXTS.index(name)]

    @cached_property
    def event_ids(self) -> list[str]:
        """The ids of the events."""
        return [_id_at(self.words, start).decode(errors="replace") for start in self.starts.tolist()]


def portrait_of(data: bytes, before: int | None = None, length: int = LONGEST) -> Portrait:
    """The newest actions of packed ones; of those before a time, if one is given.

    Raises:
        ValueError: if the data are no portrait.
    """
    from srp_assets.online.records.kernels import entry_starts, words_of  # numba takes a second to import

    words, _ = words_of(data)
    places = np.empty(len(words) // FIXED_WORDS + 1, np.int64)
    count = entry_starts(words, places) if _lengths_fit(words) else -1
    if count < 0:
        raise ValueError("these words are no portrait")
    starts = places[:count]
    if before is not None:
        starts = starts[words[starts + 2] < before]
    return Portrait(words, starts[_newest_first(words, starts)][:length])


def _lengths_fit(words: Integers) -> bool:
    return len(words) == 0 or words[0] >> 16 & 0xFFFF >= FIXED_WORDS


def _newest_first(words: Integers, starts: Integers) -> Integers:
    """The order of actions: by time and then id, both descending. Ids are read only where times tie."""
    times = words[starts + 2]
    order = np.argsort(times, kind="stable")
    ties = np.flatnonzero(np.diff(times[order]) == 0)
    rank = np.zeros(len(starts), np.int64)
    if len(ties):
        tied = np.unique(np.concatenate([order[ties], order[ties + 1]])).tolist()
        ids = {place: _id_at(words, starts[place]) for place in tied}
        for number, place in enumerate(sorted(tied, key=ids.__getitem__)):
            rank[place] = number
    return np.ascontiguousarray(np.lexsort((rank, times))[::-1])


def _id_at(words: Integers, start: int) -> bytes:
    size = int(words[start + _SIZE_WORD])
    first = start + FIXED_WORDS
    return words[first : first + -(-size // WORD)].tobytes()[:size]


def is_too_long(data_bytes: int) -> bool:
    """Whether a portrait of so many bytes may be longer than it should; ids are taken to be short."""
    return data_bytes > LONGEST * SLACK * FIXED_WORDS * WORD


def cut(data: bytes) -> bytes:
    """The newest actions of packed ones, in the order in which they happened."""
    portrait = portrait_of(data)
    ends = portrait.starts + (portrait.words[portrait.starts] >> 16 & 0xFFFF)
    parts = [data[start * WORD : end * WORD] for start, end in zip(portrait.starts.tolist(), ends.tolist(), strict=True)]
    return b"".join(reversed(parts))
