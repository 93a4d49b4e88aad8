"""Writes a record anew: what belongs together added up, what no window reaches any more left out."""

from typing import Any

import numpy as np

from srp_assets.errors import Unavailable
from srp_assets.features.times import LONGEST_SESSION, MICROSECONDS_OF_DAY
from srp_assets.online.records.entries import WORD
from srp_assets.online.records.layout import FamilyRecords

LONGEST_SESSION_MICROSECONDS = LONGEST_SESSION.days * MICROSECONDS_OF_DAY + LONGEST_SESSION.seconds * 1_000_000


class Compactor:
    """Compacts the records of a family."""

    def __init__(self, records: FamilyRecords) -> None:
        numbers = len(records.codes) + 1
        self._key_words = np.zeros(numbers, np.int64)
        self._forms = np.zeros(numbers, np.int64)
        self._reach = np.zeros(numbers, np.int64)
        for code in records.codes:
            self._key_words[code.number] = code.key_words
            self._forms[code.number] = ("count", "sum", "newest").index(code.form)
            self._reach[code.number] = code.reach_days

    def compacted(self, data: bytes, now: int) -> bytes:
        """The same record as far as requests at or after `now` (microseconds) can tell.

        Raises:
            Unavailable: if the record is unreadable.
        """
        from srp_assets.online.records import kernels  # numba takes a second to import

        words, floats = kernels.words_of(data[: len(data) // WORD * WORD])
        places = np.empty(len(words), np.int64)
        count = kernels.entry_starts(words, places)
        starts = places[: max(count, 0)]
        headers = words[starts]
        code = headers & 0xFFFF
        if len(data) % WORD or count < 0 or (count and code.max() >= len(self._forms)):
            raise Unavailable("a record of the store is unreadable", where="the online store", remedy="srp online rebuild")
        is_session = code == 0
        of_session = np.flatnonzero(is_session)
        of_session = of_session[words[starts[of_session] + 1] >= now - LONGEST_SESSION_MICROSECONDS]
        alive = ~is_session & (headers >> 32 >= now // MICROSECONDS_OF_DAY - self._reach[code])
        is_newest = self._forms[code] == kernels.NEWEST
        summed = self._by_cell(words, starts, code, headers, np.flatnonzero(alive & ~is_newest))
        merged = np.empty(len(words), np.int64)
        written = kernels.merge_sums(summed, starts, words, floats, (self._key_words, self._forms), (merged, merged.view(np.float64)))
        newest = self._by_cell(words, starts, code, code, np.flatnonzero(alive & is_newest))
        kept = np.empty(len(newest), np.int64)
        found = kernels.newest_entries(newest, starts, words, self._key_words, kept)
        entries = [*kept[:found].tolist(), *of_session.tolist()]
        ends = np.append(starts, len(words))
        parts = [data[starts[entry] * WORD : ends[entry + 1] * WORD] for entry in entries]
        return b"".join([merged[:written].tobytes(), *parts])

    def _by_cell(self, words: Any, starts: Any, code: Any, first: Any, entries: Any) -> Any:
        """Entries in an order in which those of one cell follow each other; `first` is what they are sorted by before their keys."""
        place, keys = starts[entries], self._key_words[code[entries]]
        # Entries have a word after their header and at least one word of a value, so these places are within the record.
        middle = np.where(keys == 2, words[place + 1], 0)
        last = np.where(keys > 0, words[place + keys], 0)
        return entries[np.lexsort((last, middle, first[entries]))]
