"""The engine of simple lists: all plain and logical words under one fold, found in one pass over the bytes of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.wordlists.columns import Units, read_only, units_of
from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.kernels import Array
from srp_assets.wordlists.simple import double_array, grams, windows
from srp_assets.wordlists.simple.scan_kernel import Grams, Notes, Room, Rules, Trie, scan_plain, scan_rules
from srp_assets.wordlists.simple.symbols import alphabet_of
from srp_assets.wordlists.syntax import Rule
from srp_assets.wordlists.transforms import Fold

ROOM = 1 << 16
"""Entries for which a scan has room at first; it doubles until it is enough."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """Words and rules under one fold. Its fields are the arrays of `to_arrays`; the kernels say what they hold.

    Attributes:
        entry_of: int32, the entry of each pattern that is a word, -1 for one that only serves rules.
    """

    codes: Array
    table: Array
    depths: Array
    shorter: Array
    bits: Array
    grams: Array
    masks: Array
    symbol_bits: Array
    is_mixed: Array
    entry_of: Array
    demand_bounds: Array
    demands_of: Array
    demands: Array
    required: Array

    @classmethod
    def build(cls, words: Sequence[str], rules: Sequence[Rule], fold: Fold) -> Self:
        """Builds an automaton; its entries are the words and then the rules.

        Args:
            words: transformed plain words, all different.
            rules: what logical words ask, all different.
            fold: what transforms the texts.
        """
        served = _served(rules)
        patterns = sorted(served.keys() | set(words))
        alphabet = alphabet_of(patterns, [pattern for pattern in patterns if len(pattern) == 1], fold)
        lengths = np.fromiter(map(len, patterns), dtype=np.int64, count=len(patterns))
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        symbol_count = len(alphabet.counts) - 1
        symbol_bits = max(1, symbol_count.bit_length())
        lengths_watched = windows.chosen(lengths, alphabet.counts)
        table, rows = double_array.place(alphabet.symbols, bounds, symbol_count, double_array.trie_size(alphabet.symbols, bounds))
        depths = np.zeros(len(table) // double_array.FIELDS, dtype=np.uint8)
        shorter = np.full(len(patterns), -1, dtype=np.int32)
        gram_lengths = _gram_lengths(lengths, lengths_watched)
        double_array.link(table, shorter, rows, depths, gram_lengths)
        number = {pattern: place for place, pattern in enumerate(patterns)}
        entry_of = np.full(len(patterns), -1, dtype=np.int32)
        entry_of[np.fromiter(map(number.__getitem__, words), dtype=np.int64, count=len(words))] = np.arange(len(words))
        demanded = [served.get(pattern, ()) for pattern in patterns] if served else []
        watched = int(np.sum(gram_lengths > 1))
        bits = np.zeros(min(_power_of_two(watched // grams.KEYS_PER_WORD), grams.MOST_WORDS), dtype=np.uint64)
        gram_table = np.zeros(2 * _power_of_two(2 * watched), dtype=np.uint64)
        grams.watch(alphabet.symbols, bounds, gram_lengths, symbol_bits, table, bits, gram_table)
        masks = np.zeros(windows.MOST_WINDOWS, dtype=np.uint64)
        masks[: len(lengths_watched)] = [(1 << (symbol_bits * length)) - 1 for length in lengths_watched]
        arrays = {
            "codes": alphabet.codes,
            "table": table,
            "depths": depths,
            "shorter": shorter,
            "bits": bits,
            "grams": gram_table,
            "masks": masks,
            "symbol_bits": np.array([symbol_bits], dtype=np.uint64),
            "is_mixed": np.array([len(lengths_watched) > 1 or bool(np.any(lengths == 1))]),
            "entry_of": entry_of,
            "demand_bounds": np.cumsum([0, *map(len, demanded)], dtype=np.int32),
            "demands_of": np.array([demand for demands in demanded for demand in demands], dtype=np.int32),
            "demands": _demands(rules),
            "required": np.array([len(rule.required) for rule in rules], dtype=np.int32),
        }
        return cls(**{name: read_only(array) for name, array in arrays.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The automaton as plain arrays."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave; nothing is copied."""
        return cls(**arrays)

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the entries that hit texts."""
        return self.scan_units(units_of(parts))

    def scan_units(self, units: Units) -> Found:
        """Finds the entries that hit units of texts."""
        room: list[Array] = [np.empty(ROOM, dtype=dtype) for dtype in (np.int64, np.int64, np.bool_)]
        count, unit = 0, 0
        while True:
            further, unit = self._scan(units, unit, Room(*(array[count:] for array in room)))
            count += further
            if unit == len(units.starts):
                break
            room = [np.concatenate([array, np.empty_like(array)]) for array in room]
        rows, found, crosses = (array[:count] for array in room)
        patterns = len(self.entry_of)
        is_rule = found >= patterns
        words = int(self.entry_of.max(initial=-1)) + 1
        return Found(rows, np.where(is_rule, found - patterns + words, self.entry_of[np.where(is_rule, 0, found)]), crosses)

    def _scan(self, units: Units, first: int, room: Room) -> tuple[int, int]:
        """Scans from a unit on until there is no more room; answers how many entries were found and the unit to go on from."""
        scan = scan_rules if len(self.required) else scan_plain
        return scan(
            units,
            self.codes,
            Trie(self.table, self.depths, self.shorter),
            Grams(
                self.bits, _shift(self.bits), self.grams, _shift(self.grams[::2]), self.masks, self.symbol_bits[0], bool(self.is_mixed[0])
            ),
            Rules(read_only((self.entry_of >= 0).view(np.uint8)), self.demand_bounds, self.demands_of, self.demands, self.required),
            np.full(len(self.entry_of), -1, np.int64),
            self._notes(),
            self._notes(),
            first,
            room,
        )

    def _notes(self) -> Notes:
        """Nothing has been met yet."""
        demands, rules = len(self.demands) // 3, len(self.required)
        return Notes(
            np.full(demands, -1, np.int64),
            np.empty(demands, np.int32),
            np.full(rules, -1, np.int64),
            np.empty(rules, np.int32),
            np.full(rules, -1, np.int64),
            np.empty(rules, np.int32),
        )


def _gram_lengths(lengths: npt.NDArray[np.int64], watched: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The longest window that each pattern fills; 1 for a single symbol, 0 if there are no windows."""
    grams_ = np.full(len(lengths), 1 if watched else 0, dtype=np.uint8)
    for window in sorted(watched):
        grams_[lengths >= window] = window
    return grams_


def _served(rules: Sequence[Rule]) -> dict[str, list[int]]:
    """For each text that rules ask for, the demands that it serves, numbered through all rules."""
    served: dict[str, list[int]] = {}
    number = 0
    for rule in rules:
        for segment, _ in (*rule.required, *rule.forbidden):
            for text in segment:
                served.setdefault(text, []).append(number)
            number += 1
    return served


def _demands(rules: Sequence[Rule]) -> npt.NDArray[np.int32]:
    """Three numbers for each demand: its rule, how often, and whether it forbids; numbered as `_served` does."""
    demands = [
        (number, wanted, forbidden)
        for number, rule in enumerate(rules)
        for forbidden, group in ((0, rule.required), (1, rule.forbidden))
        for _, wanted in group
    ]
    return np.array(demands, dtype=np.int32).reshape(-1)


def _power_of_two(least: int) -> int:
    return 1 << max(1, (least - 1).bit_length())


def _shift(array: Array) -> np.uint64:
    """What leaves of a 64-bit hash as many bits as number the places of an array."""
    return np.uint64(64 - (len(array) - 1).bit_length())
