"""Stack Exchange data dumps: a site's folder of XML files, or one of them. One `<row .../>` an element, its values attributes.

Posts are questions (entity `post`) and answers (`answer`), comments `comment`, users `user`; the dump's other files are named and left.
Rows are cut out of the text first and parsed one by one, so that a broken one rejects only itself and a dump of 100 GB is a stream.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

import pyarrow as pa

from srp_assets.errors import InvalidInput
from srp_assets.warehouse.readers.base import (
    BATCH_ROWS,
    LONGEST_LINE,
    MALFORMED,
    UNREADABLE,
    Ignored,
    RawBatch,
    Readable,
    Reject,
    Request,
    shortened,
)

UNKNOWN_POST_TYPE = "unknown post type"
ENTITY_OF_FILE = {"posts": "post", "comments": "comment", "users": "user"}
ENTITY_OF_POST_TYPE = {"1": "post", "2": "answer"}

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SNIFFED_BYTES = 4096
LONGEST_ROW_LINES = 1_000

ROW_START = re.compile(rb"(?=<row[\s/>])")
ROOT_END = re.compile(rb"</(?!row>)[A-Za-z]+>\s*$")
NO_ROW = re.compile(rb"\s*(<\?xml[^>]*\?>|<!--.*-->|</?[A-Za-z]+(\s[^>]*)?>)*\s*")
TAG = re.compile(r"[^<>|]+")

Attributes = dict[str, str]


def read(request: Request) -> Iterator[Readable]:
    """Reads a dump's folder, or one file of it.

    Raises:
        InvalidInput: if the catalogue has none of a dump's entities, or the path holds nothing.
    """
    known = set(ENTITY_OF_FILE.values()) & set(request.catalogue.entities)
    if not known:
        raise InvalidInput(
            "the catalogue has no entity of a Stack Exchange dump", where="SRP_CATALOGUE", remedy="use the example catalogue"
        )
    for path in request.files(".xml", ""):
        entity = _entity_of(path)
        if entity in known:
            yield from _read_file(path, entity, set(request.catalogue.entities))
        else:
            yield Ignored(str(path), "no entity is read from this file")


def _entity_of(path: Path) -> str:
    """The entity of a file by its name, or else by its root element; empty if neither tells."""
    if path.stem.lower() in ENTITY_OF_FILE:
        return ENTITY_OF_FILE[path.stem.lower()]
    try:
        with path.open("rb") as stream:
            root = re.search(rb"<(posts|comments|users)\b", stream.read(SNIFFED_BYTES))
    except OSError:
        return ""
    return ENTITY_OF_FILE[root.group(1).decode()] if root else ""


def _read_file(path: Path, entity: str, entities: set[str]) -> Iterator[Readable]:
    source = str(path)
    rows: dict[str, list[tuple[int, bytes, Attributes]]] = defaultdict(list)
    try:
        with path.open("rb") as stream:
            beginning = stream.read(SNIFFED_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
            if not beginning.startswith(b"<") or b"\0" in beginning:
                yield Reject(entity, UNREADABLE, source, None, "no XML in UTF-8: " + _readable(beginning[:200]))
                return
            stream.seek(0)
            for number, text in _records(stream):
                attributes = _attributes(text)
                if attributes is None:
                    yield Reject(entity, MALFORMED, source, number, _readable(text))
                    continue
                row_entity = entity if entity != "post" else ENTITY_OF_POST_TYPE.get(attributes.get("PostTypeId", ""), "")
                if row_entity not in entities:
                    yield Reject(entity, UNKNOWN_POST_TYPE, source, number, _readable(text))
                    continue
                rows[row_entity].append((number, text, attributes))
                if len(rows[row_entity]) == BATCH_ROWS:
                    yield _batch(row_entity, source, rows.pop(row_entity))
    except OSError as error:
        yield Reject(entity, UNREADABLE, source, None, shortened(str(error)))
    for row_entity, rest in rows.items():
        yield _batch(row_entity, source, rest)


def _records(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The text of each row with the number of its first line, and any text that is none.

    A row ends where its line does, unless it is not closed there and the next line starts no other element.
    """
    record: list[bytes] = []
    first = 0
    for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), start=1):
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        pieces = _pieces(line)
        if record and not _is_closed(record[-1]) and not ROOT_END.match(pieces[0].lstrip()) and len(record) < LONGEST_ROW_LINES:
            record.append(pieces.pop(0))
        for piece in pieces:
            if record and piece.strip():
                yield first, _joined(record)
                record = []
            if piece.startswith(b"<row"):
                record, first = [piece], number
            elif not NO_ROW.fullmatch(piece):
                yield number, piece.strip()
    if record:
        yield first, _joined(record)


def _pieces(line: bytes) -> list[bytes]:
    """The line cut before each row; what stands before the first row is the first piece."""
    text = line.lstrip()
    if text.startswith(b"<row") and text.count(b"<row") == 1:
        return [b"", text]  # nearly every line; the expression below is ten times slower
    return ROW_START.split(line)


def _is_closed(text: bytes) -> bool:
    return text.rstrip().endswith((b"/>", b"</row>"))


def _joined(record: list[bytes]) -> bytes:
    text = b"".join(record).strip()
    return text if text.endswith(b"/>") else ROOT_END.sub(b"", text).strip()


def _attributes(record: bytes) -> Attributes | None:
    """The attributes of one row element, or None if it is not well formed."""
    elements: list[tuple[str, Attributes]] = []
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = lambda name, attributes: elements.append((name, attributes))
    try:
        parser.Parse(record, True)
    except expat.ExpatError:
        return None
    return elements[0][1] if len(elements) == 1 and elements[0][0] == "row" else None


def _batch(entity: str, source: str, rows: list[tuple[int, bytes, Attributes]]) -> RawBatch:
    names = dict.fromkeys(name for _, _, attributes in rows for name in attributes)
    columns: dict[str, pa.Array] = {}
    for name in names:
        values = [attributes.get(name) for _, _, attributes in rows]
        if name == "Tags":
            columns[name] = pa.array([None if value is None else TAG.findall(value) for value in values], pa.list_(pa.string()))
        else:
            columns[name] = pa.array(values, pa.string())
    return RawBatch(
        entity=entity,
        columns=columns,
        rows=len(rows),
        source=source,
        source_rows=pa.array([number for number, _, _ in rows], pa.int64()),
        raw_text=lambda place: _readable(rows[place][1]),
    )


def _readable(text: bytes) -> str:
    return shortened(text.decode("utf-8", "backslashreplace"))
