"""JSON Lines: one JSON object a line, UTF-8, of one entity; plain or gzip-compressed."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from srp_assets.warehouse.readers.base import (
    BATCH_ROWS,
    LONGEST_LINE,
    MALFORMED,
    UNREADABLE,
    RawBatch,
    Readable,
    Reject,
    Request,
    shortened,
)

SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(request: Request) -> Iterator[Readable]:
    """Reads a file, or all JSON Lines files of a folder."""
    entity = request.known_entity()
    for path in request.files(*SUFFIXES):
        yield from _read_file(path, entity)


def _read_file(path: Path, entity: str) -> Iterator[Readable]:
    source = str(path)
    values: list[dict[str, Any]] = []
    numbers: list[int] = []
    texts: list[bytes] = []
    try:
        with _opened(path) as stream:
            for number, line in _lines(stream):
                value = _parsed(line)
                if value is None:
                    yield Reject(entity, MALFORMED, source, number, shortened(line.decode("utf-8", "backslashreplace")))
                    continue
                values.append(value)
                numbers.append(number)
                texts.append(line)
                if len(values) == BATCH_ROWS:
                    yield _batch(entity, source, values, numbers, texts)
                    values, numbers, texts = [], [], []
    except (OSError, EOFError) as error:
        yield Reject(entity, UNREADABLE, source, None, shortened(str(error)))
    if values:
        yield _batch(entity, source, values, numbers, texts)


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        rest = line
        while not rest.endswith(b"\n") and len(rest) == LONGEST_LINE:
            rest = stream.readline(LONGEST_LINE)
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _batch(entity: str, source: str, values: list[dict[str, Any]], numbers: list[int], texts: list[bytes]) -> RawBatch:
    names = dict.fromkeys(name for value in values for name in value)
    columns = {name: [value.get(name) for value in values] for name in names}
    return RawBatch(
        entity=entity,
        columns=columns,
        rows=len(values),
        source=source,
        source_rows=pa.array(numbers, pa.int64()),
        raw_text=lambda place: shortened(texts[place].decode("utf-8", "backslashreplace")),
    )
