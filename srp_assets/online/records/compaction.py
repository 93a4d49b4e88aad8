"""Writes a record anew: what belongs together added up, what no window reaches any more left out."""

import numpy as np

from srp_assets.errors import Unavailable
from srp_assets.features.times import LONGEST_SESSION, MICROSECONDS_OF_DAY
from srp_assets.online.records.entries import WORD
from srp_assets.online.records.layout import FORMS, FamilyRecords

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
            self._forms[code.number] = FORMS.index(code.form)
            self._reach[code.number] = code.reach_days

    def compacted(self, data: bytes, now: int) -> bytes:
        """The same record as far as requests at or after `now` (microseconds) can tell.

        Raises:
            Unavailable: if the record is unreadable.
        """
        from srp_assets.online.records import counting_kernels, kernels  # numba takes a second to import

        words, floats = kernels.words_of(data[: len(data) // WORD * WORD])
        merged = np.empty(len(words), np.int64)
        written = counting_kernels.compact(
            (words, floats),
            (self._key_words, self._forms),
            now // MICROSECONDS_OF_DAY - self._reach,
            now - LONGEST_SESSION_MICROSECONDS,
            # An entry has at least two words, so the table is never more than half full.
            (np.full(1 << len(words).bit_length(), -1, np.int64), np.empty(len(words) // 2 + 1, np.int64)),
            (merged, merged.view(np.float64)),
        )
        if len(data) % WORD or written < 0:
            raise Unavailable("a record of the store is unreadable", where="the online store", remedy="srp online rebuild")
        return merged[:written].tobytes()
