"""Cases as files for other tools: CSV, JSON Lines or Parquet, by the file's ending. A file appears whole or not at all."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.progress import Progress
from srp_assets.recall.cases import CASE_SCHEMA, case_batches, case_json
from srp_assets.warehouse.storage import Storage

CSV_COLUMNS = ("product", "object", "id", "hits", "texts", "extra", "joined")
"""What is nested is JSON in its cell."""


def export_cases(storage: Storage, folder: str, task_id: str, target: Path, *, limit: int | None, total: int, progress: Progress) -> int:
    """Writes the cases of a task, in order, to a file; returns their number.

    Raises:
        InvalidInput: if the file's ending says none of the three forms.
        Unavailable: if it cannot be written.
    """
    writers = {".csv": _write_csv, ".jsonl": _write_json_lines, ".parquet": _write_parquet}
    if target.suffix.lower() not in writers:
        raise InvalidInput(f"no form of file is known by {target.suffix!r}", where=str(target), remedy="end it in .csv, .jsonl or .parquet")
    wanted = total if limit is None else min(limit, total)
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        written = writers[target.suffix.lower()](partial, _limited(storage, folder, task_id, wanted, progress))
        partial.replace(target)
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(target), remedy="choose another place, or free space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return written


def _limited(storage: Storage, folder: str, task_id: str, wanted: int, progress: Progress) -> Iterator[Any]:
    done = 0
    for batch in case_batches(storage, folder, task_id):
        if done >= wanted:
            return
        part = batch.slice(0, wanted - done)
        yield part
        done += part.num_rows
        progress("cases", done, wanted)


def _write_csv(path: Path, batches: Iterator[Any]) -> int:
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for batch in batches:
            for row in batch.to_pylist():
                case = case_json(row)
                writer.writerow([_cell(case[column]) for column in CSV_COLUMNS])
                written += 1
    return written


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write_json_lines(path: Path, batches: Iterator[Any]) -> int:
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in batches:
            for row in batch.to_pylist():
                file.write(json.dumps(case_json(row), ensure_ascii=False) + "\n")
                written += 1
    return written


def _write_parquet(path: Path, batches: Iterator[Any]) -> int:
    written = 0
    with pq.ParquetWriter(path, CASE_SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            written += batch.num_rows
    return written
