"""Whether vectors know what nobody told them: markets, categories and prices of items, and how many items have one."""

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.vectors import Vectors, directions_of

ROWS_AT_ONCE = 1_024

Labels = npt.NDArray[np.int64]


def purity(vectors: Vectors, labels: Labels, neighbours: int) -> float:
    """The mean share of an item's nearest neighbours that have its label.

    Args:
        vectors: shape (items, dimensions).
        labels: of the items, -1 where it is not known; shape (items,).
        neighbours: how many are looked at.

    Returns:
        nan where no item has a label.
    """
    directions = directions_of(vectors)
    shares: list[npt.NDArray[np.float64]] = []
    count = min(neighbours, len(vectors) - 1)
    known = np.flatnonzero(labels >= 0)
    for first in range(0, len(known) if count > 0 else 0, ROWS_AT_ONCE):
        rows = known[first : first + ROWS_AT_ONCE]
        scores = directions[rows] @ directions.T
        scores[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        shares.append((labels[nearest] == labels[rows][:, None]).mean(axis=1))
    return float(np.concatenate(shares).mean()) if shares else float("nan")


def coherence(vectors: Vectors, labels: Labels) -> float:
    """How much more alike items of one label are than any two: the mean cosine within labels less that over all pairs.

    Args:
        vectors: shape (items, dimensions).
        labels: of the items, -1 where it is not known; shape (items,).

    Returns:
        nan where no label has two items.
    """
    known = labels >= 0
    directions = directions_of(vectors)[known].astype(np.float64)
    # The sum of all products of a group is the square of its sum: no pair is looked at.
    _, groups = np.unique(labels[known], return_inverse=True)
    sizes = np.bincount(groups)
    sums = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(sums, groups, directions)
    lengths = np.bincount(groups, weights=(directions**2).sum(axis=1))
    pairs = sizes * (sizes - 1)
    if pairs.sum() == 0:
        return float("nan")
    within = ((sums**2).sum(axis=1) - lengths).sum() / pairs.sum()
    whole, count = directions.sum(axis=0), len(directions)
    overall = (whole @ whole - lengths.sum()) / (count * (count - 1))
    return float(within - overall)
