"""CSV files of one entity: UTF-8, commas, a header line, quotes as in RFC 4180; an empty field is null, a quoted one an empty text.

The standard library's parser does not tell `""` from nothing and Arrow's loses a block to one broken line, so records are split here: one
with too many or too few fields, with an unpaired quote, or not in UTF-8, is rejected alone.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

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

BYTE_ORDER_MARK = "\ufeff"

LONGEST_RECORD_LINES = 1_000
"""A quote that is never closed must not swallow the rest of the file: after so many lines its first line alone is rejected."""

Fields = list[str | None]


class _UnclosedQuoteError(ValueError):
    """A quoted field that may go on in the next line."""


def read(request: Request) -> Iterator[Readable]:
    """Reads a file, or all CSV files of a folder."""
    entity = request.known_entity()
    for path in request.files(".csv"):
        yield from _read_file(path, entity)


def _read_file(path: Path, entity: str) -> Iterator[Readable]:
    source = str(path)
    header: list[str] | None = None
    rows: list[Fields] = []
    numbers: list[int] = []
    texts: list[str] = []
    try:
        with path.open("r", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            for number, text, fields in _records(stream):
                if header is None:
                    header = _header(fields)
                    if header is None:
                        yield Reject(entity, UNREADABLE, source, None, "its first line names no columns: " + _readable(text))
                        return
                elif fields is None or len(fields) != len(header) or not _is_utf8(text):
                    yield Reject(entity, MALFORMED, source, number, _readable(text))
                else:
                    rows.append(fields)
                    numbers.append(number)
                    texts.append(text)
                    if len(rows) == BATCH_ROWS:
                        yield _batch(entity, source, header, rows, numbers, texts)
                        rows, numbers, texts = [], [], []
    except OSError as error:
        yield Reject(entity, UNREADABLE, source, None, shortened(str(error)))
    if header is not None and rows:
        yield _batch(entity, source, header, rows, numbers, texts)


def _records(stream: TextIO) -> Iterator[tuple[int, str, Fields | None]]:
    """Records, each with the number of its first line, its text, and its fields (None if it is malformed)."""
    lines = iter(partial(stream.readline, LONGEST_LINE), "")
    waiting: deque[str] = deque()
    number = 1
    while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        record = [line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line]
        fields: Fields | None = None
        while len(record) <= LONGEST_RECORD_LINES:
            try:
                fields = _fields("".join(record).rstrip("\r\n"))
            except _UnclosedQuoteError:
                if (more := _through_next_quote(waiting, lines, LONGEST_RECORD_LINES - len(record))) is None:
                    break
                record += more
                continue
            except ValueError:
                break
            break
        if fields is None:
            waiting.extendleft(reversed(record[1:]))
            record = record[:1]
        text = "".join(record).rstrip("\r\n")
        if text:
            yield number, text, fields
        number += len(record)


def _through_next_quote(waiting: deque[str], lines: Iterator[str], most: int) -> list[str] | None:
    """The next lines up to one with a quote, without which a quoted field cannot end; None if there is none."""
    more: list[str] = []
    while len(more) < most and (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        more.append(line)
        if '"' in line:
            return more
    waiting.extendleft(reversed(more))
    return None


def _fields(text: str) -> Fields:
    if '"' not in text:
        return [field or None for field in text.split(",")]
    fields: Fields = []
    place = 0
    while place <= len(text):
        if text[place : place + 1] == '"':
            end = _closing_quote(text, place + 1)
            fields.append(text[place + 1 : end].replace('""', '"'))
            place = end + 1
            if place < len(text) and text[place] != ",":
                raise ValueError("text after a closing quote")
        else:
            end = text.find(",", place)
            end = len(text) if end < 0 else end
            fields.append(text[place:end] or None)
            place = end
        place += 1
    return fields


def _closing_quote(text: str, start: int) -> int:
    while (end := text.find('"', start)) >= 0:
        if text[end + 1 : end + 2] != '"':
            return end
        start = end + 2
    raise _UnclosedQuoteError


def _header(fields: Fields | None) -> list[str] | None:
    names = [(field or "").strip() for field in fields or []]
    if not names or not all(names) or len(set(names)) != len(names) or not all(_is_utf8(name) for name in names):
        return None
    return names


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(text: str) -> str:
    return shortened(text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def _batch(entity: str, source: str, header: list[str], rows: list[Fields], numbers: list[int], texts: list[str]) -> RawBatch:
    return RawBatch(
        entity=entity,
        columns={name: pa.array(values, pa.string()) for name, values in zip(header, zip(*rows, strict=True), strict=True)},
        rows=len(rows),
        source=source,
        source_rows=pa.array(numbers, pa.int64()),
        raw_text=lambda place: shortened(texts[place]),
    )
