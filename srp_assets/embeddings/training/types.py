"""Types of users and items, many to one: what is learned of them holds for those of whom little is known.

Declared buckets make a type: of an item its market, type and price bucket; of a user the columns of their context and how often they had
booked. Over the long sequence of a user's bookings, each booking is two tokens, the user's type then and the item's type, and both learn
in one space (Grbovic and Cheng, KDD 2018, section 3.2).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.attributes import price_buckets
from srp_assets.embeddings.declaration.model import Embeddings
from srp_assets.embeddings.sessions.session_files import USER_PREFIX
from srp_assets.embeddings.training.corpus import corpus_of, vocabulary_of
from srp_assets.embeddings.training.trainer import Trained, train

USER, ITEM = "user", "item"
"""What the name of a type begins with."""

UNKNOWN = "?"


def item_types(attributes: pa.Table, bounds: tuple[float, ...]) -> pa.Array:
    """The type of each item: market, type and price bucket."""
    parts = [pc.fill_null(attributes[name], UNKNOWN).to_pylist() for name in ("market", "type")]
    buckets = price_buckets(attributes["price"], bounds).tolist()
    return pa.array([f"{ITEM}|{market}|{type_}|{bucket}" for market, type_, bucket in zip(*parts, buckets, strict=True)], pa.string())


def type_sequences(sequences: pa.Table, attributes: pa.Table, declared: Embeddings) -> pa.Table:
    """The types of what users booked, a row (`user_id`, `types`) for each user who booked, in the order of their sessions.

    Args:
        sequences: of `embeddings/sequences`.
        attributes: of all items; what they do not name is of an unknown type.
        declared: the buckets.
    """
    booked = sequences.filter(pc.greater(pc.list_value_length(sequences["bookings"]), 0)).filter(pc.field("user_id").is_valid())
    booked = booked.sort_by([("user_id", "ascending"), ("start", "ascending"), ("session_id", "ascending")])
    type_of = dict(zip(attributes["item_id"].to_pylist(), item_types(attributes, declared.items.price_bounds).to_pylist(), strict=True))
    context = [pc.fill_null(booked[f"{USER_PREFIX}{name}"], UNKNOWN).to_pylist() for name in declared.users.columns]
    contexts = ["|".join(values) for values in zip(*context, strict=True)] if context else [""] * booked.num_rows
    tokens: dict[str, list[str]] = {}
    for user, own, items in zip(booked["user_id"].to_pylist(), contexts, booked["bookings"].to_pylist(), strict=True):
        found = tokens.setdefault(user, [])
        for item in items:
            bucket = int(np.searchsorted(declared.users.booking_bounds, len(found) // 2, side="right"))
            found += [f"{USER}|{own}|{bucket}", type_of.get(item, f"{ITEM}|{UNKNOWN}|{UNKNOWN}|-1")]
    return pa.table({"user_id": pa.array(list(tokens), pa.string()), "types": pa.array(list(tokens.values()), pa.list_(pa.string()))})


def train_types(sequences: pa.Table, attributes: pa.Table, declared: Embeddings) -> Trained | None:
    """The vectors of all types that somebody's bookings had; None where nobody booked."""
    types = type_sequences(sequences, attributes, declared)
    if not types.num_rows:
        return None
    vocabulary = vocabulary_of(pc.list_flatten(types["types"]), declared.type_training.least_count)
    options = declared.type_training.model_copy(update={"dimensions": declared.training.dimensions})
    return train(corpus_of(vocabulary, types["types"]), vocabulary, options)
