"""Vectors of items that no session knows well enough: the mean of their nearest neighbours in attributes.

Nearest are items of the same market and type whose price bucket is closest, the more frequent first; where there are none, those of the
same type in other markets. An item without any such neighbour gets no vector, and counts as not covered.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.attributes import price_buckets
from srp_assets.embeddings.training.trainer import Trained
from srp_assets.embeddings.vectors import Vectors

Key = tuple[Any, ...]


def cold_vectors(trained: Trained, attributes: pa.Table, bounds: tuple[float, ...], neighbours: int) -> tuple[pa.Array, Vectors]:
    """Vectors of the items that have attributes and were not trained.

    Args:
        trained: the items with vectors of their own, the most frequent first.
        attributes: `item_id`, `market`, `type`, `price` of all items.
        bounds: of the price buckets.
        neighbours: how many a mean is made of, at most.

    Returns:
        The ids of the cold items with a vector, and the vectors, shape (items, dimensions).
    """
    cold = attributes.filter(pc.invert(pc.is_in(attributes["item_id"], value_set=trained.vocabulary.ids)))
    places = pc.index_in(trained.vocabulary.ids, value_set=attributes["item_id"].combine_chunks())
    warm, rows = attributes.take(places.drop_null()), np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
    warm_buckets, cold_buckets = (price_buckets(items["price"], bounds) for items in (warm, cold))
    vectors, found = np.zeros((cold.num_rows, trained.vectors.shape[1]), np.float32), np.zeros(cold.num_rows, bool)
    for columns in (("market", "type"), ("type",)):
        members = _members(_keys(warm, columns), range(warm.num_rows))
        left = np.flatnonzero(~found).tolist()
        keys = _keys(cold, columns)
        # Items that share key and bucket share their neighbours.
        waiting = _members([None if keys[place] is None else (keys[place], int(cold_buckets[place])) for place in left], left)
        for wanted, own in waiting.items():
            key, bucket = wanted
            if key in members:
                near = np.array(members[key], np.int64)
                nearest = near[np.argsort(np.abs(warm_buckets[near] - bucket), kind="stable")[:neighbours]]
                vectors[own] = trained.vectors[rows[nearest]].mean(axis=0)
                found[own] = True
    return cold["item_id"].combine_chunks().filter(pa.array(found)), vectors[found]


def _keys(items: pa.Table, columns: Sequence[str]) -> list[Key | None]:
    """The values of some columns of each item; None where one is not known."""
    values = zip(*(items[name].to_pylist() for name in columns), strict=True)
    return [None if None in found else found for found in values]


def _members(keys: Sequence[Key | None], places: Sequence[int]) -> dict[Key, list[int]]:
    """The places of each key that is known, in their order."""
    found: dict[Key, list[int]] = defaultdict(list)
    for key, place in zip(keys, places, strict=True):
        if key is not None:
            found[key].append(place)
    return found
