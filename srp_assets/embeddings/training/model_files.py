"""Vectors with their contexts as files: what a warm start reads, and what Spark's partitions hand to one another."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
import pyarrow as pa

from srp_assets.embeddings.training.trainer import Trained, Warm
from srp_assets.embeddings.vectors import Vectors
from srp_assets.warehouse.storage import Storage


def write_arrays(storage: Storage, path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes some arrays as one file."""
    storage.filesystem.create_dir(storage.path(path).rsplit("/", 1)[0], recursive=True)
    with storage.filesystem.open_output_stream(storage.path(path)) as stream:
        content = BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        stream.write(content.getbuffer())


def read_arrays(storage: Storage, path: str) -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote."""
    with storage.filesystem.open_input_stream(storage.path(path)) as stream, np.load(BytesIO(stream.read())) as found:
        return {name: found[name] for name in found.files}


def write_model(storage: Storage, path: str, trained: Trained) -> None:
    """Writes vectors and contexts under their ids, for a warm start."""
    columns = {name: _lists(matrix) for name, matrix in (("vector", trained.vectors), ("context", trained.contexts))}
    storage.write(path, pa.table({"item_id": trained.vocabulary.ids, **columns}), dictionaries=False)


def read_model(storage: Storage, path: str) -> Warm:
    """Reads what `write_model` wrote."""
    table = storage.read(path)
    return Warm(table["item_id"].combine_chunks(), _matrix(table["vector"]), _matrix(table["context"]))


def _lists(matrix: Vectors) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).reshape(-1)), matrix.shape[1])


def _matrix(column: pa.ChunkedArray) -> Vectors:
    whole = column.combine_chunks()
    return whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), whole.type.list_size)
