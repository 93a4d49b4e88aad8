"""What adapters of public data sets share: Parquet files in batches, and rows of a batch handed on as rows of a log."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.errors import InvalidInput
from srp_assets.warehouse.readers.base import BATCH_ROWS, UNREADABLE, RawBatch, RawColumn, Reject, Request, row_as_json, shortened


def require_logs(request: Request, names: tuple[str, ...], example: str) -> None:
    """Refuses a log catalogue that the adapter's rows do not fit.

    Raises:
        InvalidInput: if one of the logs is not declared.
    """
    missing = [name for name in names if name not in request.catalogue.entities]
    if missing:
        raise InvalidInput(f"the log catalogue has no log {missing[0]!r}", where="SRP_LOGS", remedy=f"use {example}")


def parquet_batches(path: Path, log: str, columns: list[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch] | Reject]:
    """The batches of a file, each with the number of its first row; a reject of `log` where the file cannot be read on."""
    first = 1
    try:
        with pq.ParquetFile(path) as file:
            wanted = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                yield first, batch
                first += batch.num_rows
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        yield Reject(log, UNREADABLE, str(path), None, shortened(" ".join(str(error).split())))


def rows_of_log(log: str, columns: Mapping[str, pa.Array], chosen: np.ndarray, source: Path, first: int) -> RawBatch:
    """Some rows of a batch as raw rows of a log.

    Args:
        log: whose rows they become.
        columns: raw columns of the whole batch.
        chosen: int64, the places of the rows.
        source: the file.
        first: number of the batch's first row in it.
    """
    taken: dict[str, RawColumn] = {name: column.take(pa.array(chosen)) for name, column in columns.items()}
    return RawBatch(
        entity=log,
        columns=taken,
        rows=len(chosen),
        source=str(source),
        source_rows=pa.array(chosen + first, pa.int64()),
        raw_text=lambda place: shortened(row_as_json(taken, place)),
    )
