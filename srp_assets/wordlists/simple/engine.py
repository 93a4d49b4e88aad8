"""The engine of simple lists under one fold: the automaton, and ways of finding plain words by their bytes where these are faster.

Which one is the fastest depends on the words, on how often texts hold them, and on the machine, so that it is measured: on some texts, now
and then. What they answer is the same.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from srp_assets.wordlists.columns import Units, read_only, units_of
from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.simple.automaton import Automaton
from srp_assets.wordlists.simple.byte_search import ByteSearch
from srp_assets.wordlists.simple.literals import MOST_BYTES, Literals
from srp_assets.wordlists.simple.strides import Strides
from srp_assets.wordlists.syntax import Rule
from srp_assets.wordlists.transforms import Fold

LEAST_BYTES = 1 << 14
"""Below this a scan takes some tens of microseconds either way."""

SAMPLE_BYTES = 1 << 18
TRIAL_EVERY_BYTES = 1 << 28
"""What is scanned in all ways, and after how many bytes again: a thousandth of the work."""

_TRIES = 4
"""Of each way: the first time, tables come from memory, and others may disturb it."""

_BYTE_SEARCHES: Mapping[str, type[Strides] | type[Literals]] = {"strides": Strides, "literals": Literals}


class SimpleEngine:
    """Words and rules under one fold.

    It remembers which way was the fastest, and nothing else of a scan: threads may share it.

    Args:
        automaton: finds everything.
        searches: by name, what finds the words by their bytes; none if there are rules.
    """

    def __init__(self, automaton: Automaton, searches: Mapping[str, ByteSearch]) -> None:
        self.automaton = automaton
        self.searches = dict(searches)
        self._favourite: ByteSearch | None = None
        self._bytes_to_trial = 0

    @classmethod
    def build(cls, words: Sequence[str], rules: Sequence[Rule], fold: Fold) -> Self:
        """Compiles words and rules; its entries are the words and then the rules. Args as of `Automaton.build`."""
        searches = {} if rules else {name: search.build(words, fold) for name, search in _BYTE_SEARCHES.items()}
        return cls(Automaton.build(words, rules, fold), {name: search for name, search in searches.items() if search})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The engine as plain arrays."""
        arrays = self.automaton.to_arrays()
        for way, search in self.searches.items():
            arrays |= {f"{way}.{name}": array for name, array in search.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave. It is used where it lies."""
        searches: dict[str, ByteSearch] = {}
        for way, search in _BYTE_SEARCHES.items():
            own = {name.removeprefix(f"{way}."): array for name, array in arrays.items() if name.startswith(f"{way}.")}
            opened = search.from_arrays(own) if own else None
            if opened:
                searches[way] = opened
        return cls(Automaton.from_arrays({name: array for name, array in arrays.items() if "." not in name}), searches)

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the entries that hit texts."""
        return self.scan_units(units_of(parts))

    def scan_units(self, units: Units) -> Found:
        """Finds the entries that hit units of texts."""
        if self.searches and units.parts == 1 and LEAST_BYTES <= len(units.data) <= MOST_BYTES:
            self._bytes_to_trial -= len(units.data)
            if self._bytes_to_trial < 0:
                self._bytes_to_trial = TRIAL_EVERY_BYTES
                self._favourite = self._fastest(units)
            if self._favourite:
                found = self.by_bytes(self._favourite, units)
                if found is not None:
                    return found
                self._favourite = None
        return self.automaton.scan_units(units)

    def by_bytes(self, search: ByteSearch, units: Units) -> Found | None:
        """Finds the words by their bytes, and by the automaton in suspect rows; None if there are too many for this way."""
        hits = search.scan(units)
        if hits is None:
            return None
        row, entry = hits.row, hits.word
        if len(hits.suspects):
            suspects = Units(units.data, read_only(units.starts[hits.suspects]), read_only(units.ends[hits.suspects]), 1)
            found = self.automaton.scan_units(suspects)
            row, entry = np.concatenate([row, hits.suspects[found.row]]), np.concatenate([entry, found.entry])
        return Found(row, entry, np.zeros(len(row), dtype=np.bool_))

    def _fastest(self, units: Units) -> ByteSearch | None:
        """Scans the first texts in all ways, in turns; None if the automaton is the fastest."""
        count = max(1, int(np.searchsorted(units.starts, SAMPLE_BYTES)))
        sample = Units(units.data[: units.ends[:count].max()], units.starts[:count], units.ends[:count], 1)
        ways = (None, *self.searches.values())
        least = [float("inf")] * len(ways)
        for _ in range(_TRIES):
            for number, search in enumerate(ways):
                least[number] = min(least[number], self._seconds(search, sample))
        return ways[int(np.argmin(least))]

    def _seconds(self, search: ByteSearch | None, sample: Units) -> float:
        """What scanning some texts costs this thread, whatever else the machine does; without end if there are too many hits."""
        began = time.thread_time()
        found = self.by_bytes(search, sample) if search else self.automaton.scan_units(sample)
        return time.thread_time() - began if found else float("inf")
