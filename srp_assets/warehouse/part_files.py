"""How the rows of a pass meet: through files of a scratch folder, in columns, from the tasks that find them to those that need them.

A task writes its rows sorted by the number of the *part* that they belong to, a batch for each part; whoever works on a part reads that
batch of all files. Nothing is sorted or shuffled in Spark's own process, which would turn every column into rows and back.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.warehouse.storage import Storage

PARTS = b"parts"
"""In the metadata of a file's schema: the part of each batch, as int64."""

NOWHERE = -1
"""The part of rows that nobody needs."""


def part_numbers(texts: pa.ChunkedArray, count: int) -> np.ndarray:
    """A number below `count` for each text: its CRC-32, so that equal texts meet; 0 for null."""
    if count == 1:
        return np.zeros(len(texts), np.int64)
    encoded = texts.combine_chunks().dictionary_encode()
    numbers = np.array([crc32(text.encode()) % count for text in encoded.dictionary.to_pylist()] + [0], np.int64)
    return numbers[pc.fill_null(encoded.indices, len(numbers) - 1).to_numpy(zero_copy_only=False)]


def write_parts(storage: Storage, path: str, rows: pa.Table, parts: np.ndarray) -> int:
    """Writes rows by their parts; returns how many were written.

    Args:
        storage: what they lie in.
        path: of the file.
        rows: in any order; that of the rows of a part stays.
        parts: int64, the part of each row, or `NOWHERE`.
    """
    order = np.argsort(parts, kind="stable")
    order = order[np.searchsorted(parts[order], 0) :]
    numbers, starts = np.unique(parts[order], return_index=True)
    borders = [*starts.tolist(), len(order)]
    ordered = rows.take(pa.array(order))
    batches = [
        (number, batch)
        for number, start, end in zip(numbers.tolist(), borders, borders[1:], strict=False)
        for batch in ordered.slice(start, end - start).combine_chunks().to_batches()
    ]
    schema = rows.schema.with_metadata({PARTS: np.array([number for number, _ in batches], "<i8").tobytes()})
    storage.filesystem.create_dir(storage.path(path).rsplit("/", 1)[0], recursive=True)
    with (
        storage.filesystem.open_output_stream(storage.path(path)) as stream,
        pa.ipc.new_file(stream, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer,
    ):
        for _, batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return len(order)


class PartFiles:
    """Files of `write_parts`, open for reading.

    Args:
        storage: what they lie in.
        paths: of the files.
        schema: of their rows.
    """

    def __init__(self, storage: Storage, paths: Sequence[str], schema: pa.Schema) -> None:
        self._storage = storage
        self._paths = paths
        self._schema = schema
        self._open = ExitStack()
        self._files: list[tuple[Any, np.ndarray]] = []

    def __enter__(self) -> Self:
        for path in self._paths:
            stream = self._open.enter_context(self._storage.filesystem.open_input_file(self._storage.path(path)))
            file = self._open.enter_context(pa.ipc.open_file(stream))
            self._files.append((file, np.frombuffer(file.schema.metadata[PARTS], "<i8")))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, number: int) -> pa.Table:
        """The rows of a part."""
        batches = [file.get_batch(place) for file, parts in self._files for place in np.flatnonzero(parts == number).tolist()]
        return pa.Table.from_batches([batch.replace_schema_metadata(None) for batch in batches], self._schema)
