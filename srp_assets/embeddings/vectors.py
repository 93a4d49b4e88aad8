"""Vectors of items as everybody reads them: ids and a matrix under the version that made them. Other domains need this file alone.

Which version is current, and where its file lies, is in `registry.py`. A feature or a table that was made from vectors keeps their version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.warehouse.storage import Storage

Vectors = npt.NDArray[np.float32]

VERSION = b"embedding_version"
"""The key of the version in the metadata of a Parquet file."""


@dataclass(frozen=True)
class ItemVectors:
    """The vectors of one version.

    Args:
        version: identity of the version, as text.
        ids: of the items, each once.
        vectors: shape (items, dimensions), in the order of the ids.

    Raises:
        InvalidInput: if ids and vectors do not fit each other.
    """

    version: str
    ids: pa.Array
    vectors: Vectors

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise InvalidInput(
                f"{len(self.ids)} ids have vectors of shape {self.vectors.shape}",
                where=f"vectors {self.version}",
                remedy="give each id a row",
            )
        if self.ids.null_count or len(pc.unique(self.ids)) != len(self.ids):
            raise InvalidInput("an id is missing or there twice", where=f"vectors {self.version}", remedy="give each item one id")

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self.vectors.shape[1])

    @cached_property
    def directions(self) -> Vectors:
        """The vectors at length 1, so that their products are cosines; vectors of nothing stay zero. Shape (items, dimensions)."""
        return directions_of(self.vectors)

    def places(self, ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """The rows of some items, -1 for those without a vector; shape (ids,)."""
        wanted = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.string())
        return pc.fill_null(pc.index_in(wanted, value_set=self.ids), -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def similarity(self, left: Sequence[str] | pa.Array, right: Sequence[str] | pa.Array) -> npt.NDArray[np.float64]:
        """The cosine of each pair of items, nan where one has no vector; shape (pairs,)."""
        first, second = self.places(left), self.places(right)
        found = np.einsum("ij,ij->i", self.directions[first], self.directions[second], dtype=np.float64)
        return np.where((first >= 0) & (second >= 0), found, np.nan)


def directions_of(vectors: Vectors) -> Vectors:
    """Vectors at length 1; vectors of nothing stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def write_vectors(storage: Storage, path: str, found: ItemVectors, columns: dict[str, Any] | None = None) -> int:
    """Writes vectors as one Parquet file (`item_id`, `vector`, and columns that a version adds); returns its size in bytes."""
    flat = pa.array(np.ascontiguousarray(found.vectors, np.float32).reshape(-1))
    table = pa.table({"item_id": found.ids, **(columns or {}), "vector": pa.FixedSizeListArray.from_arrays(flat, found.dimensions)})
    return storage.write(path, table.replace_schema_metadata({VERSION: found.version.encode()}), dictionaries=False)


def read_vectors(storage: Storage, path: str) -> ItemVectors:
    """Reads vectors that `write_vectors` wrote.

    Raises:
        InvalidInput: if the file has no vectors of a version.
    """
    table = storage.read(path)
    version = (table.schema.metadata or {}).get(VERSION)
    if version is None:
        raise InvalidInput("the file names no version of vectors", where=storage.path(path), remedy="read a file that embeddings wrote")
    column = table["vector"].combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    return ItemVectors(version.decode(), table["item_id"].combine_chunks(), vectors)
