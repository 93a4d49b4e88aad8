"""The engine of simple lists under one fold: the automaton, and hyperscan where it is faster.

Which one is faster depends on the words, on how often texts hold them, and on the machine, so that it is measured: on some texts, now and
then. What they answer is the same.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from srp_assets.wordlists.columns import Units, read_only, units_of
from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.simple.automaton import Automaton
from srp_assets.wordlists.simple.literals import MOST_BYTES, Literals
from srp_assets.wordlists.syntax import Rule
from srp_assets.wordlists.transforms import Fold

LEAST_BYTES = 1 << 14
"""Below this a scan takes some tens of microseconds either way."""

SAMPLE_BYTES = 1 << 18
TRIAL_EVERY_BYTES = 1 << 28
"""What is scanned both ways, and after how many bytes again: a thousandth of the work."""


class SimpleEngine:
    """Words and rules under one fold.

    It remembers which way was faster, and nothing else of a scan: threads may share it.
    """

    def __init__(self, automaton: Automaton, literals: Literals | None) -> None:
        self.automaton = automaton
        self._literals = literals
        self._favours_literals = False
        self._bytes_to_trial = 0

    @classmethod
    def build(cls, words: Sequence[str], rules: Sequence[Rule], fold: Fold) -> Self:
        """Compiles words and rules; its entries are the words and then the rules. Args as of `Automaton.build`."""
        return cls(Automaton.build(words, rules, fold), None if rules else Literals.build(words, fold))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The engine as plain arrays."""
        literals = {} if self._literals is None else self._literals.to_arrays()
        return self.automaton.to_arrays() | {f"literals.{name}": array for name, array in literals.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave. The automaton is used where it lies."""
        literals = {name.removeprefix("literals."): array for name, array in arrays.items() if name.startswith("literals.")}
        automaton = {name: array for name, array in arrays.items() if not name.startswith("literals.")}
        return cls(Automaton.from_arrays(automaton), Literals.from_arrays(literals) if literals else None)

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the entries that hit texts."""
        return self.scan_units(units_of(parts))

    def scan_units(self, units: Units) -> Found:
        """Finds the entries that hit units of texts."""
        if self._literals is not None and units.parts == 1 and LEAST_BYTES <= len(units.data) <= MOST_BYTES:
            self._bytes_to_trial -= len(units.data)
            if self._bytes_to_trial < 0:
                self._bytes_to_trial = TRIAL_EVERY_BYTES
                self._favours_literals = self._are_literals_faster(self._literals, units)
            if self._favours_literals:
                found = self._by_literals(self._literals, units)
                if found is not None:
                    return found
                self._favours_literals = False
        return self.automaton.scan_units(units)

    def _are_literals_faster(self, literals: Literals, units: Units) -> bool:
        """Scans the first texts both ways."""
        count = max(1, int(np.searchsorted(units.starts, SAMPLE_BYTES)))
        sample = Units(units.data[: units.ends[:count].max()], units.starts[:count], units.ends[:count], 1)
        seconds = []
        for scan in (self.automaton.scan_units, lambda texts: self._by_literals(literals, texts)):
            took = []
            for _ in range(2):  # the first time, tables come from memory
                began = time.perf_counter()
                if scan(sample) is None:
                    return False
                took.append(time.perf_counter() - began)
            seconds.append(min(took))
        return seconds[1] < seconds[0]

    def _by_literals(self, literals: Literals, units: Units) -> Found | None:
        hits = literals.scan(units)
        if hits is None:
            return None
        row, entry = hits.row, hits.word
        if len(hits.suspects):
            suspects = Units(units.data, read_only(units.starts[hits.suspects]), read_only(units.ends[hits.suspects]), 1)
            found = self.automaton.scan_units(suspects)
            row, entry = np.concatenate([row, hits.suspects[found.row]]), np.concatenate([entry, found.entry])
        return Found(row, entry, np.zeros(len(row), dtype=np.bool_))
