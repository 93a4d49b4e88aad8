"""The files of a version, by their names in its folder."""

VECTORS = "vectors.parquet"
"""`item_id`, `market`, `cold`, `vector` (`vectors.py` reads it)."""

MODEL = "model.parquet"
"""Vectors and contexts of the trained items, for the next warm start."""

TYPES = "types.parquet"
"""Vectors of user types and item types; missing where nobody booked."""

ITEM_TO_ITEM = "neighbours.parquet"
"""The item-to-item table (`neighbours.py`)."""

INDEX = "index.faiss"
"""The index for the online side (`index.py`)."""
