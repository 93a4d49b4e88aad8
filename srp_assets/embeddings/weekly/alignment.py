"""Vectors of two weeks in one space: training may turn the whole space at will, and a turn changes no product of two vectors.

The turn that brings this week's vectors nearest to the last week's is that of orthogonal Procrustes (Schönemann, "A generalized solution of
the orthogonal Procrustes problem", Psychometrika 1966); for vectors of language over time: Hamilton, Leskovec and Jurafsky, ACL 2016.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.vectors import ItemVectors, Vectors, directions_of


@dataclass(frozen=True)
class Drift:
    """How far items moved since the week before, after alignment.

    Args:
        shared: how many items both weeks have.
        mean: distance (1 - cosine), over these items.
        median: of the distances.
        largest: the distance that one item in twenty exceeds.
    """

    shared: int
    mean: float
    median: float
    largest: float


def turn_between(vectors: Vectors, before: Vectors) -> npt.NDArray[np.float64]:
    """The orthogonal matrix Q for which `vectors @ Q` is nearest to `before`.

    Args:
        vectors: of some items now, shape (items, dimensions).
        before: of the same items, of the same shape.

    Returns:
        Shape (dimensions, dimensions).
    """
    left, _, right = np.linalg.svd(vectors.T.astype(np.float64) @ before.astype(np.float64))
    return left @ right


def shared_rows(ids: ItemVectors, before: ItemVectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of the items that both have, in each of them."""
    places = before.places(ids.ids)
    return np.flatnonzero(places >= 0), places[places >= 0]


def drift_of(vectors: Vectors, before: Vectors) -> Drift:
    """The drift of some items; both matrices have a row for each."""
    if not len(vectors):
        return Drift(0, 0.0, 0.0, 0.0)
    cosines = np.einsum("ij,ij->i", directions_of(vectors), directions_of(before), dtype=np.float64)
    distances = 1 - cosines
    return Drift(len(vectors), float(distances.mean()), float(np.median(distances)), float(np.quantile(distances, 0.95)))
