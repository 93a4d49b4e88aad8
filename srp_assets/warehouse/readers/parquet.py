"""Parquet files of one entity: a file, or all Parquet files of a folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.warehouse.readers.base import BATCH_ROWS, UNREADABLE, RawBatch, Readable, Reject, Request, row_as_json, shortened


def read(request: Request) -> Iterator[Readable]:
    """Reads a file, or all Parquet files of a folder."""
    entity = request.known_entity()
    for path in request.files(".parquet", ".pq"):
        yield from _read_file(path, entity)


def _read_file(path: Path, entity: str) -> Iterator[Readable]:
    source = str(path)
    first = 1
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
                    yield record_batch_as_raw(entity, batch, source, first)
                    first += batch.num_rows
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        yield Reject(entity, UNREADABLE, source, None, shortened(" ".join(str(error).split())))


def record_batch_as_raw(entity: str, batch: pa.RecordBatch, source: str, first_row: int) -> RawBatch:
    """An Arrow batch as raw rows."""
    columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
    return RawBatch(
        entity=entity,
        columns=columns,
        rows=batch.num_rows,
        source=source,
        source_rows=pa.array(np.arange(first_row, first_row + batch.num_rows)),
        raw_text=lambda place: shortened(row_as_json(columns, place)),
    )
