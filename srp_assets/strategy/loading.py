"""Reads the YAML and JSON files that people apply into plain dicts, and trusts nothing in them.

YAML is read as its 1.2 core: only `true` and `false` are flags, and dates stay texts, so that the words `no` and `on` or a bound of
2024-03-09 are what they look like. Refused are: keys that stand twice, tags, keys that are no texts, aliases that grow without bound,
deep nesting, files that are not UTF-8. Every error names the file and, where it can, the line.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from srp_assets.errors import InvalidInput, NotFound

SUFFIXES = (".yaml", ".yml", ".json")

MAX_BYTES = 50_000_000
"""Far more than a list of a million words (an arbitrary bound)."""

MAX_NESTING = 64
"""Levels of lists and mappings; a strategy of the deepest logic has about 40."""

MAX_ENTRIES = 2_000_000
"""Values in one document with all its aliases written out: what keeps a few nested aliases from filling the memory."""

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # The C parser reads 100,000 words in a tenth of the time.

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")
}


@dataclass(frozen=True)
class RawDocument:
    """One document as it stands in a file.

    `place` is the file, and in YAML the line where it begins; `content` what it holds; `lines` are, in YAML, the lines on which the entries
    of its lists begin, by the keys of the lists, apart from lists that stand on the first line of the document.
    """

    place: str
    content: dict[str, Any]
    lines: Mapping[str, Sequence[int]] = field(default_factory=dict)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files to apply: those named, and all YAML and JSON files below the folders named; hidden ones are left out.

    Raises:
        NotFound: if a path does not exist, or a folder holds no such file.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES
                and file.is_file()
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            if not found:
                raise NotFound("the folder holds no YAML or JSON file", where=str(path), remedy="name a file, or another folder")
            files |= dict.fromkeys(found)
        elif path.is_file():
            files[path] = None
        else:
            raise NotFound("there is no such file or folder", where=str(path), remedy="check the path")
    return list(files)


def load_file(path: Path) -> list[RawDocument]:
    """All documents of a file: YAML documents with `---` between them, or JSON: one object, or a list of them.

    Raises:
        InvalidInput: if the file cannot be read, or anything in it is not what a document may hold.
    """
    text = _read(path)
    found = _json_documents(text, path) if path.suffix.lower() == ".json" else _yaml_documents(text, path)
    documents = []
    for line, content, lines in found:
        place = f"{path}:{line}" if line else str(path)
        if not isinstance(content, dict):
            raise InvalidInput("a document is a mapping of keys, like kind: strategy", where=place, remedy="put --- between documents")
        _require_storable(content, place)
        documents.append(RawDocument(place, content, lines))
    if not documents:
        raise InvalidInput("the file holds no document", where=str(path), remedy="write one, or remove the file")
    return documents


def _read(path: Path) -> str:
    try:
        content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise InvalidInput(f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its permissions") from error
    if content is None:
        raise InvalidInput(f"the file is larger than {MAX_BYTES:,} bytes", where=str(path), remedy="split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput("the file is not UTF-8", where=f"{path}:{line}", remedy="save it with the encoding UTF-8") from error


def _json_documents(text: str, path: Path) -> Iterator[tuple[int, Any, Mapping[str, Sequence[int]]]]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise InvalidInput(f"key {repeated!r} stands twice in one object", where=str(path), remedy="remove one")
        return content

    try:
        content = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"this is no JSON: {error.msg}", where=f"{path}:{error.lineno}", remedy="correct the file") from error
    except (RecursionError, ValueError) as error:
        message = "nests too deeply" if isinstance(error, RecursionError) else "holds a number of too many digits"
        raise InvalidInput(f"the file {message}", where=str(path), remedy="simplify it") from error
    for document in content if isinstance(content, list) else [content]:
        yield 0, document, {}


def _require_storable(content: Any, place: str) -> None:
    """Refuses what JSON and a database cannot keep, and what nests too deeply for anybody."""
    if _depth(content) > MAX_NESTING:
        raise InvalidInput(f"the document nests deeper than {MAX_NESTING} levels", where=place, remedy="share parts of it as rules")
    try:
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("a text holds half of a surrogate pair", where=place, remedy="write the whole character") from error
    except ValueError as error:
        raise InvalidInput("a number is not finite", where=place, remedy="write a smaller one") from error


def _depth(content: Any) -> int:
    """How deep lists and mappings nest, found level by level."""
    depth, level = 0, [content]
    while level := [entry for entry in level if isinstance(entry, dict | list)]:
        depth += 1
        level = [child for entry in level for child in (entry.values() if isinstance(entry, dict) else entry)]
    return depth


def _yaml_documents(text: str, path: Path) -> Iterator[tuple[int, Any, Mapping[str, Sequence[int]]]]:
    builder = None
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(path)
            elif builder is not None and isinstance(event, yaml.DocumentEndEvent):
                if builder.root is not None:
                    yield builder.line, builder.root, builder.lines_of_lists
                builder = None
            elif builder is not None:
                builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InvalidInput(f"this is no YAML: {problem}", where=where, remedy="correct the file") from error


class _Builder:
    """Builds one document from the events of the parser, without recursion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Any = None
        self.line = 1
        self.entries = 0
        self._is_begun = False
        self._open: list[tuple[Any, str | None, int]] = []
        self._keys: list[str | None] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[str, list[int]] = {}
        self._lines_of_list: list[int] = []

    @property
    def lines_of_lists(self) -> dict[str, list[int]]:
        """The lines of the entries of the document's lists, by their keys, apart from lists that stand on its first line."""
        return {key: lines for key, lines in self._lines.items() if any(line != self.line for line in lines)}

    def take(self, event: Any) -> None:
        """Takes the next event of the document."""
        line = event.start_mark.line + 1
        if not self._is_begun:
            self._is_begun, self.line = True, line
        if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            content, anchor, before = self._open.pop()
            self._keys.pop()
            if anchor is not None:
                self._anchors[anchor] = (content, self.entries - before)
            return
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._error(f"alias *{event.anchor} is not defined before it", line, "write it out")
            content, size = self._anchors[event.anchor]
            self._count(size, line)
            self._add(content, line)
            return
        self._count(1, line)
        # "!" only says that a scalar is quoted.
        if event.tag not in (None, "!"):
            raise self._error(f"tag {event.tag} is not allowed", line, "write a plain value")
        if isinstance(event, yaml.ScalarEvent):
            content = self._scalar(event, line)
            if event.anchor is not None:
                self._anchors[event.anchor] = (content, 1)
            self._add(content, line)
            return
        content = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        key = self._keys[-1] if len(self._keys) == 1 else None
        if key is not None and isinstance(content, list):
            self._lines_of_list = self._lines[key] = []
        self._add(content, line)
        self._open.append((content, event.anchor, self.entries))
        self._keys.append(None)

    def _scalar(self, event: Any, line: int) -> Any:
        text = event.value
        if not event.implicit[0] or self._expects_key():
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > 30:
                raise self._error("a number has too many digits", line, "write it in quotes if it is a text")
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit() else text

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1][0], dict) and self._keys[-1] is None

    def _add(self, content: Any, line: int) -> None:
        if not self._open:
            self.root = content
            return
        parent = self._open[-1][0]
        if isinstance(parent, list):
            parent.append(content)
            if len(self._open) == 2 and isinstance(self.root, dict):
                self._lines_of_list.append(line)
        elif self._keys[-1] is None:
            if not isinstance(content, str):
                raise self._error("a key is not a text", line, "write a name before the colon")
            if content in parent:
                raise self._error(f"key {content!r} stands twice in one mapping", line, "remove one")
            self._keys[-1] = content
        else:
            parent[self._keys[-1]] = content
            self._keys[-1] = None

    def _count(self, entries: int, line: int) -> None:
        self.entries += entries
        if self.entries > MAX_ENTRIES:
            raise self._error(f"the document has more than {MAX_ENTRIES:,} values with its aliases written out", line, "use fewer aliases")

    def _error(self, message: str, line: int, remedy: str) -> InvalidInput:
        return InvalidInput(message, where=f"{self.path}:{line}", remedy=remedy)
