"""What a reader is: it turns a file or folder into batches of raw rows, and into rejects where it cannot.

A reader knows a file format, not the catalogue's types: values stay as the file has them, and `validation.py` types them. It never raises
for what is in a file: what it cannot read is a `Reject`, and the rest goes on. It streams: memory does not depend on the file's size.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from srp_assets.errors import InvalidInput, nearest
from srp_assets.warehouse.catalogue import Catalogue

BATCH_ROWS = 65_536
"""Rows a batch: enough for column-wise work, few enough that their raw texts fit into memory beside it."""

RAW_CHARACTERS = 100_000
"""How much of a reject's raw text is kept: a broken file may be one endless line."""

LONGEST_LINE = 64 * 1024 * 1024
"""A longer line is no row: a file without line ends must not fill the memory."""

MALFORMED = "malformed row"
UNREADABLE = "unreadable file"

RawColumn: TypeAlias = pa.Array | list[Any]
"""One column of raw values: an Arrow array, or Python values of any kinds."""


@dataclass(frozen=True)
class RawBatch:
    """Some raw rows of one entity.

    Args:
        entity: which entity the rows are of.
        columns: raw values by the raw column's name, all of the same length; an absent value is null.
        rows: how many rows.
        source: the file they are from.
        source_rows: int64, each row's place in its file, from 1: its line in a text, its number in a Parquet file.
        raw_text: gives a row's raw text by its place in the batch, for rejects.
    """

    entity: str
    columns: Mapping[str, RawColumn]
    rows: int
    source: str
    source_rows: pa.Array
    raw_text: Callable[[int], str]


@dataclass(frozen=True)
class Reject:
    """A row, or a whole file, that could not be read (`source_row` is None for a file)."""

    entity: str
    reason: str
    source: str
    source_row: int | None
    raw_text: str


@dataclass(frozen=True)
class Ignored:
    """A file that the reader knows but has no entity for; the user is told."""

    source: str
    why: str


Readable = RawBatch | Reject | Ignored


@dataclass(frozen=True)
class Request:
    """What to read: a path, the catalogue, and the entity of the rows where the format does not say it."""

    path: Path
    catalogue: Catalogue
    entity: str | None = None

    def files(self, *suffixes: str) -> list[Path]:
        """The file itself, or the folder's files with these suffixes in order of their names.

        Raises:
            InvalidInput: if there is nothing of that kind at the path.
        """
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise InvalidInput("no file or folder is there", where=str(self.path), remedy="check the path")
        files = sorted(path for path in self.path.iterdir() if path.is_file() and path.name.lower().endswith(suffixes))
        if not files:
            raise InvalidInput("the folder has no file to read", where=str(self.path), remedy=f"readable: {', '.join(suffixes)}")
        return files

    def known_entity(self) -> str:
        """The entity of the rows, where the format does not say it: the one asked for, or the only one of the catalogue.

        Raises:
            InvalidInput: if it is not given or unknown.
        """
        entities = self.catalogue.entities
        if self.entity is None and len(entities) == 1:
            return next(iter(entities))
        if self.entity is None:
            raise InvalidInput("this reader needs to know the entity", where="--entity", remedy="valid: " + ", ".join(entities))
        if self.entity not in entities:
            raise InvalidInput(f"unknown entity {self.entity!r}", where="--entity", remedy=nearest(self.entity, entities))
        return self.entity


Reader = Callable[[Request], Iterator[Readable]]


def shortened(text: str) -> str:
    """A raw text as a reject keeps it: characters that UTF-8 has no bytes for are escaped, the end of an endless one is cut."""
    return text[:RAW_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def row_as_json(columns: Mapping[str, RawColumn], place: int) -> str:
    """The raw text of a row whose format has none of its own: its values that are not null, as JSON."""
    values: dict[str, Any] = {}
    for name, column in columns.items():
        value = column[place] if isinstance(column, list) else _python_value(column[place])
        if value is not None:
            values[name] = value
    return json.dumps(values, ensure_ascii=False, default=_as_text)


def _python_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.cast(pa.binary()).as_py().decode("utf-8", "backslashreplace")


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
