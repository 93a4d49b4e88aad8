"""The rows with the lowest hashes of each group: a simple random sample of so many, whoever sees which rows in whatever order.

A row's hash comes from its key and a seed alone, so samples of parts of the rows put together are the sample of all of them, and a sample
that is drawn again is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Payload = TypeVar("Payload")


class Kept(NamedTuple, Generic[Payload]):
    """A row that is in the sample of its group."""

    group: int
    hash: int
    payload: Payload


def hashes_of(keys: Sequence[str], seed: int) -> Ints:
    """A hash for each key, below 2^63."""
    found: npt.NDArray[np.uint64] = pd.util.hash_array(np.array(keys, dtype=object), hash_key=f"{seed % 10**16:016d}", categorize=False)
    return (found >> np.uint64(1)).view(np.int64)


class Lowest(Generic[Payload]):
    """Keeps so many rows of each group, those with the lowest hashes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups = np.empty(0, dtype=np.int64)
        self._hashes = np.empty(0, dtype=np.int64)
        self._payloads: list[Payload] = []

    def add(self, groups: Ints, hashes: Ints, payloads: Callable[[Ints], Sequence[Payload]]) -> None:
        """Looks at some rows.

        Args:
            groups: of each row.
            hashes: of each row.
            payloads: gives what is kept of rows, by their places here: asked for those alone that are kept.
        """
        known = len(self._groups)
        group, hash_ = np.concatenate([self._groups, groups]), np.concatenate([self._hashes, hashes])
        order = np.lexsort((hash_, group))
        starts = np.flatnonzero(np.append(True, group[order][1:] != group[order][:-1])) if len(order) else np.empty(0, dtype=np.int64)
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
        kept = np.sort(order[rank < self._most])
        new = kept[kept >= known]
        self._payloads = [self._payloads[place] for place in kept[kept < known]] + list(payloads(new - known))
        self._groups, self._hashes = group[kept], hash_[kept]

    def __iter__(self) -> Iterator[Kept[Payload]]:
        """The kept rows, by group and hash."""
        for place in np.lexsort((self._hashes, self._groups)):
            yield Kept(int(self._groups[place]), int(self._hashes[place]), self._payloads[place])
