"""The index of a version for the online side: a graph of small worlds (HNSW) by faiss, in one file beside the vectors.

Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world graphs", 2018.
Similarity is the cosine: directions are indexed by their products. The only file that imports faiss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.embeddings.vectors import ItemVectors, Vectors, directions_of
from srp_assets.warehouse.storage import Storage

LINKS = 32
"""Of each item in the graph: faiss's own advice for vectors of this size."""

BUILD_BREADTH, SEARCH_BREADTH = 100, 128
"""How many candidates are kept while the graph is built and while it is asked; a search for more keeps as many as it is asked for."""


def write_index(storage: Storage, path: str, found: ItemVectors) -> int:
    """Builds the index of some vectors and writes it; returns its size in bytes."""
    import faiss

    index = faiss.IndexHNSWFlat(found.dimensions, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_BREADTH
    index.add(found.directions)
    content = faiss.serialize_index(index).tobytes()
    storage.filesystem.create_dir(storage.path(path).rsplit("/", 1)[0], recursive=True)
    with storage.filesystem.open_output_stream(storage.path(path)) as stream:
        stream.write(content)
    return len(content)


@dataclass(frozen=True)
class NearestItems:
    """An index that is open for questions.

    Args:
        version: of the vectors.
        ids: of the items, in the order of the index.
        index: of faiss.
    """

    version: str
    ids: pa.Array
    index: Any

    def search(self, vectors: Vectors, count: int) -> tuple[Sequence[Sequence[str]], npt.NDArray[np.float32]]:
        """The items nearest to some vectors, and their cosines, the nearest first; shape (vectors, count)."""
        self.index.hnsw.efSearch = max(SEARCH_BREADTH, count)
        similarities, rows = self.index.search(directions_of(np.ascontiguousarray(vectors, np.float32)), count)
        names = self.ids.take(pa.array(rows.ravel(), mask=rows.ravel() < 0)).to_pylist()
        return [names[start : start + count] for start in range(0, len(names), count)], similarities


def read_index(storage: Storage, path: str, found: ItemVectors) -> NearestItems:
    """Opens an index that `write_index` wrote of these vectors."""
    import faiss

    with storage.filesystem.open_input_stream(storage.path(path)) as stream:
        content = np.frombuffer(stream.read(), np.uint8)
    return NearestItems(found.version, found.ids, faiss.deserialize_index(content))
