"""Which records, and which entries in them, the candidates of a request ask for: every combination of keys once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.online.answering.columns import Columns
from srp_assets.online.records.digests import digest_of, digest_of_all


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
    places, identities = _combinations(columns, keys)
    middle = [digest_of_all(identity[1:-1]) if len(identity) > 2 else 0 for _, identity in identities]
    last = [digest_of(identity[-1]) if len(identity) > 1 else 0 for _, identity in identities]
    return _sorted(places, [record for record, _ in identities], middle, last)


def value_slots(columns: Columns, keys: Sequence[str]) -> Slots:
    """The slots of an entity of whose entries the last key is a value: all its keys but the first are in the middle."""
    places, identities = _combinations(columns, keys)
    middle = [digest_of_all(identity[1:]) if len(identity) > 1 else 0 for _, identity in identities]
    return _sorted(places, [record for record, _ in identities], middle, [0] * len(identities))


def _combinations(columns: Columns, keys: Sequence[str]) -> tuple[Integers, list[tuple[int, tuple[str, ...]]]]:
    """The combination of each candidate (-1 where a key is null), and of each its record and its keys."""
    coded = [columns.coded(key) for key in keys]
    codes = [places for places, _ in coded]
    texts = [values for _, values in coded]
    varying = [number for number, places in enumerate(codes) if len(places) > 1]
    if any(len(places) == 1 and places[0] < 0 for places in codes):
        return np.full(1, -1), []
    if not varying:
        chosen: list[tuple[int, ...]] = [tuple(int(places[0]) for places in codes)]
        places = np.zeros(1, np.int64)
    elif len(varying) == 1:
        only = varying[0]
        places = codes[only]
        fixed = [int(own[0]) for own in codes]
        chosen = [tuple(value if number == only else fixed[number] for number in range(len(keys))) for value in range(len(texts[only]))]
    else:
        numbers: dict[tuple[int, ...], int] = {}
        size = max(map(len, codes))
        combined = zip(*(own.tolist() if len(own) > 1 else own.tolist() * size for own in codes), strict=True)
        places = np.array([-1 if min(own) < 0 else numbers.setdefault(own, len(numbers)) for own in combined], np.int64)
        chosen = list(numbers)
    return places, [(own[0], tuple(texts[number][code] for number, code in enumerate(own))) for own in chosen]


def _sorted(places: Integers, record: list[int], middle: list[int], last: list[int]) -> Slots:
    columns = [np.array(column, np.int64) for column in (record, middle, last)]
    order = np.lexsort(columns[::-1])
    place_of = np.full(len(order) + 1, -1, np.int64)
    place_of[order] = np.arange(len(order))
    return Slots(place_of[places], *(column[order] for column in columns))
