"""Encoded rows: what a network reads of a training set, as arrays that batches are cut from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

PADDING = -1
"""The id of an element that is not there. No table has such a row: a lookup that forgot the mask fails instead of learning from it."""


@dataclass(frozen=True)
class EncodedInputs:
    """The inputs of the ranker, or those of its bias tower.

    Args:
        ids: int32, shape (rows, single inputs): of each the row among all embeddings.
        numbers: float32, shape (rows, numbers).
        lists: int32, shape (rows, columns of all lists); `PADDING` where a list has no element.
        sequences: for each behaviour sequence int32, shape (rows, length, columns), the oldest behaviour first, `PADDING` after the newest.
    """

    ids: np.ndarray
    numbers: np.ndarray
    lists: np.ndarray
    sequences: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, in one order."""
        return (self.ids, self.numbers, self.lists, *self.sequences)

    def taken(self, places: np.ndarray | slice) -> Self:
        """Some of the rows."""
        ids, numbers, lists, *sequences = (array[places] for array in self.arrays)
        return type(self)(ids, numbers, lists, tuple(sequences))


@dataclass(frozen=True)
class EncodedRows:
    """Rows with what came of them.

    Args:
        inputs: of the ranker.
        bias: of its bias tower; without columns where it has none.
        labels: float32, shape (rows, labels), 0 or 1.
        weights: float32, shape (rows,).
    """

    inputs: EncodedInputs
    bias: EncodedInputs
    labels: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def taken(self, places: np.ndarray | slice) -> Self:
        """Some of the rows."""
        return type(self)(self.inputs.taken(places), self.bias.taken(places), self.labels[places], self.weights[places])


def joined(parts: Sequence[EncodedRows]) -> EncodedRows:
    """The rows of several parts, one after the other."""
    if len(parts) == 1:
        return parts[0]

    def inputs(found: Sequence[EncodedInputs]) -> EncodedInputs:
        ids, numbers, lists, *sequences = (np.concatenate(arrays) for arrays in zip(*[one.arrays for one in found], strict=True))
        return EncodedInputs(ids, numbers, lists, tuple(sequences))

    return EncodedRows(
        inputs([part.inputs for part in parts]),
        inputs([part.bias for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )
