"""Which records, and which entries in them, the candidates of a request ask for: every combination of keys once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.online.answering.columns import Columns
from srp_assets.online.records.digests import digest_of_all


@dataclass(frozen=True)
class Slots:
    """The different combinations of some keys, in the order of their record and their digests.

    Args:
        places: the slot of each candidate, or one for all, -1 where a key is null.
        record: the number of the first key's value.
        middle: the digest of the keys between the first and the last (0 for none).
        last: the digest of the last key (0 if there is but one).
    """

    places: Integers
    record: Integers
    middle: Integers
    last: Integers

    def __len__(self) -> int:
        return len(self.record)


def entity_slots(columns: Columns, keys: Sequence[str]) -> Slots:
    """The slots of an entity, whose entries have all its keys."""
    places, codes = _combinations(columns, keys)
    nothing = np.zeros(len(codes[0]), np.int64)
    last = columns.digests(keys[-1])[codes[-1]] if len(keys) > 1 else nothing
    middle = _digests(columns, keys[1:-1], codes[1:-1]) if len(keys) > 2 else nothing
    return _sorted(places, codes[0], middle, last)


def value_slots(columns: Columns, keys: Sequence[str]) -> Slots:
    """The slots of an entity of whose entries the last key is a value: all its keys but the first are in the middle."""
    places, codes = _combinations(columns, keys)
    nothing = np.zeros(len(codes[0]), np.int64)
    middle = _digests(columns, keys[1:], codes[1:]) if len(keys) > 1 else nothing
    return _sorted(places, codes[0], middle, nothing)


def _digests(columns: Columns, keys: Sequence[str], codes: Sequence[Integers]) -> Integers:
    """The digest of each combination of some keys."""
    if len(keys) == 1:
        return columns.digests(keys[0])[codes[0]]
    texts = [columns.coded(key)[1] for key in keys]
    rows = zip(*(own.tolist() for own in codes), strict=True)
    return np.array([digest_of_all([texts[number][code] for number, code in enumerate(row)]) for row in rows], np.int64)


def _combinations(columns: Columns, keys: Sequence[str]) -> tuple[Integers, list[Integers]]:
    """The combination of each candidate (-1 where a key is null), and by key the codes of the different combinations."""
    coded = [columns.coded(key)[0] for key in keys]
    varying = [number for number, codes in enumerate(coded) if len(codes) > 1]
    fixed = [codes for codes in coded if len(codes) == 1]
    if len(varying) <= 1 and all(codes[0] >= 0 for codes in fixed):
        # Most keys are the same for all candidates: then the combinations are the values of the one that is not.
        place_of = coded[varying[0]] if varying else fixed[0]
        count = len(columns.coded(keys[varying[0]])[1]) if varying else 1
        return place_of, [np.arange(count) if number in varying else np.zeros(count, np.int64) for number in range(len(keys))]
    size = max(map(len, coded))
    together = np.zeros(size, np.int64)
    known = np.ones(size, bool)
    for codes in coded:
        together = together * (int(codes.max()) + 2) + codes
        known &= codes >= 0
    _, first, places = np.unique(together[known], return_index=True, return_inverse=True)
    place_of = np.full(size, -1, np.int64)
    place_of[known] = places
    chosen = np.flatnonzero(known)[first]
    return place_of, [codes[chosen] if len(codes) > 1 else np.broadcast_to(codes, size)[chosen] for codes in coded]


def _sorted(places: Integers, record: Integers, middle: Integers, last: Integers) -> Slots:
    if (record[1:] > record[:-1]).all():
        return Slots(places, record, middle, last)
    order = np.lexsort((last, middle, record))
    place_of = np.full(len(order) + 1, -1, np.int64)
    place_of[order] = np.arange(len(order))
    return Slots(place_of[places], record[order], middle[order], last[order])
