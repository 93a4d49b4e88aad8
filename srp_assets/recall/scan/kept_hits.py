"""What a scan need not look for: hits that standing lists left with a build, found by what was looked for, not by what it is called.

A rule pins the version of its list, so the words of a kept list and of a rule's list are compared, and the columns of their texts. No
framework but numpy and pyarrow.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from srp_assets.recall.scan.bit_kernels import mark_rows
from srp_assets.recall.scan.compile import Probe
from srp_assets.recall.scan.logic_table import PackedBits
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.hit_files import read_hits
from srp_assets.wordlists.standing.lists import list_digest


class ProbeHits(NamedTuple):
    """Hits in some rows: three parallel arrays of int64, the row, the number of the probe, the place of the word in its list."""

    row: np.ndarray
    probe: np.ndarray
    word: np.ndarray

    def by_probe(self, rows: int) -> "ProbeBits":
        """The rows that each probe hits, of so many rows."""
        counts = np.bincount(self.probe)
        slots = np.where(counts > 0, np.cumsum(counts > 0) - 1, -1)
        bits = np.zeros((int(np.count_nonzero(counts)), -(-rows // 8)), dtype=np.uint8)
        mark_rows(self.row, self.probe, slots, bits)
        return ProbeBits(slots, bits)

    def of(self, chosen: np.ndarray) -> "ProbeHits":
        """The hits of chosen rows (int64, ascending), which are counted by their place among them."""
        place = np.searchsorted(chosen, self.row)
        is_chosen = place < len(chosen)
        is_chosen[is_chosen] = chosen[place[is_chosen]] == self.row[is_chosen]
        return ProbeHits(place[is_chosen], self.probe[is_chosen], self.word[is_chosen])


class ProbeBits(NamedTuple):
    """The rows that probes hit: `slots` has the place of each probe in `bits`, below zero where it hits nothing."""

    slots: np.ndarray
    bits: np.ndarray

    def of(self, probe: int) -> PackedBits:
        """The rows that a probe hits."""
        slot = self.slots[probe] if probe < len(self.slots) else -1
        return np.zeros(self.bits.shape[1], dtype=np.uint8) if slot < 0 else self.bits[slot]


NO_ROWS = np.empty(0, dtype=np.int64)
NO_HITS = ProbeHits(NO_ROWS, NO_ROWS, NO_ROWS)


class KeptProbe(Frozen):
    """A probe that is answered by kept hits: its number, and the feature and list under which its hits are kept."""

    probe: int
    feature: str
    list: str


class KeptUnit(Frozen):
    """The kept hits of one built file.

    `answers` is the place, among those of the order, of the probes that they answer; `path` the file that holds them, None where there are
    none; `file` the built file's place in it.
    """

    answers: int
    path: str | None
    file: int


class KeptRows(NamedTuple):
    """What is known of some rows without a scan: the numbers of the probes that are answered, and their hits, sorted by row."""

    probes: frozenset[int]
    hits: ProbeHits

    def within(self, start: int, rows: int) -> "KeptRows":
        """The same for a range of the rows, counted from its start."""
        first, last = np.searchsorted(self.hits.row, (start, start + rows))
        row, probe, word = (array[first:last] for array in self.hits)
        return KeptRows(self.probes, ProbeHits(row - start, probe, word))

    def of(self, chosen: np.ndarray) -> "KeptRows":
        """The same for chosen rows (int64, ascending), counted by their place among them."""
        return KeptRows(self.probes, self.hits.of(chosen))


NOTHING_KEPT = KeptRows(frozenset(), NO_HITS)


def kept_probes(probes: Sequence[Probe], lists: Mapping[str, ResolvedList], hits: StandingHits) -> tuple[KeptProbe, ...]:
    """The probes of a scan that the kept hits of a build answer.

    Args:
        probes: of the scan, by their number.
        lists: the lists of the batch by their key.
        hits: what is kept.
    """
    features = {parts: name for name, parts in hits.features.items()}
    kept = {mark.digest: mark.id for mark in hits.lists}
    digests = {key: list_digest(lists[key]) for key in {probe.list_key for probe in probes}}
    return tuple(
        KeptProbe(probe=number, feature=features[probe.feature.parts], list=kept[digests[probe.list_key]])
        for number, probe in enumerate(probes)
        if probe.feature.parts in features and digests[probe.list_key] in kept
    )


def read_kept(storage: Storage, unit: KeptUnit | None, answers: Sequence[Sequence[KeptProbe]]) -> KeptRows:
    """The kept hits of a built file; nothing is known where there is no unit.

    Args:
        storage: the warehouse.
        unit: the built file.
        answers: those of the order.
    """
    if unit is None:
        return NOTHING_KEPT
    probes = answers[unit.answers]
    numbers = frozenset(probe.probe for probe in probes)
    if unit.path is None:
        return KeptRows(numbers, NO_HITS)
    table = read_hits(storage, unit.path, unit.file)
    if not table.num_rows:
        return KeptRows(numbers, NO_HITS)
    (features, feature_of), (lists, list_of) = _encoded(table["feature"]), _encoded(table["list"])
    text_of = feature_of * len(lists) + list_of
    by_text = np.argsort(text_of, kind="stable")
    found = [probe for probe in probes if probe.feature in features and probe.list in lists]
    wanted = np.array([features[probe.feature] * len(lists) + lists[probe.list] for probe in found], dtype=np.int64)
    first, last = (np.searchsorted(text_of, wanted, side, sorter=by_text) for side in ("left", "right"))
    places = [by_text[start:stop] for start, stop in zip(first, last, strict=True)]
    place = np.concatenate([np.empty(0, dtype=np.int64), *places])
    number = np.repeat(np.array([probe.probe for probe in found], dtype=np.int64), last - first)
    row, word = (table[name].to_numpy().astype(np.int64)[place] for name in ("row", "word"))
    order = np.argsort(row, kind="stable")
    return KeptRows(numbers, ProbeHits(row[order], number[order], word[order]))


def _encoded(column: pa.ChunkedArray) -> tuple[dict[str, int], np.ndarray]:
    """The number of each distinct text, and these numbers instead of the texts."""
    encoded = column.combine_chunks().dictionary_encode()
    return {text: number for number, text in enumerate(encoded.dictionary.to_pylist())}, encoded.indices.to_numpy().astype(np.int64)
