"""Word lists outside of a call that applies them: all that is wrong with those of some files, and one list to be tried."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from srp_assets.errors import InvalidInput, NotFound, nearest
from srp_assets.strategy.library import Found, Library
from srp_assets.strategy.loading import RawDocument, find_files, load_file
from srp_assets.strategy.logic import LogicReader
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.registry import Reference
from srp_assets.strategy.written import Written, read_document, reference_of
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.checks import WordProblem, WordWarning, examine, where_of
from srp_assets.wordlists.model import WordList
from srp_assets.wordlists.resolved import ResolvedList


class Remark(NamedTuple):
    """What is wrong with a word, or odd about it: its place in the list, the line of the file where that is known, and the error.

    A warning is an error without remedy.
    """

    word: WordProblem | WordWarning
    line: int | None
    error: InvalidInput


@dataclass
class CheckedList:
    """A list of a file: where it stands, its type and number of words if it could be read, and what is to be told.

    `problems` are those of the list as a whole, `wrong` and `odd` those of its words.
    """

    id: str
    place: str
    type: str | None = None
    words: int = 0
    problems: list[InvalidInput] = field(default_factory=list)
    wrong: list[Remark] = field(default_factory=list)
    odd: list[Remark] = field(default_factory=list)


@dataclass
class CheckedFiles:
    """All lists of some files, and what is wrong with the files themselves."""

    lists: list[CheckedList]
    problems: list[InvalidInput]

    @property
    def errors(self) -> list[InvalidInput]:
        """Everything that would keep the files from being applied, as far as lists go."""
        return [*self.problems, *(error for one in self.lists for error in (*one.problems, *(remark.error for remark in one.wrong)))]


def check_lists(connection: Connection, catalogue: Catalogue, path: Path) -> CheckedFiles:
    """Checks the word lists of a file or folder. Lists that exempt by others find them there, or among the stored ones.

    Raises:
        NotFound: if the path does not exist.
    """
    found = _read(path)
    reader = LogicReader(catalogue, Library(connection, found.written.values(), found.broken))
    for document in found.written.values():
        if isinstance(document.document, WordList):
            found.checked.lists.append(_check(reader, document, document.document))
    return found.checked


def find_list(connection: Connection, catalogue: Catalogue, name: str, id_: str | None = None) -> ResolvedList:
    """A list with all that it exempts by: the stored one of this id, or one of a file, which is checked.

    Args:
        connection: the registry.
        catalogue: what documents are read against.
        name: an id, or the path of a file.
        id_: which list of the file, if it holds several.

    Raises:
        NotFound: if there is no such list.
        InvalidInput: if the file's list is wrong, or it is not clear which of several is meant.
    """
    written: Sequence[Written] = ()
    if Path(name).is_file():
        found = _read(Path(name))
        written = list(found.written.values())
        broken = {one.id: one.problems for one in found.checked.lists}
        ids = [document.document.id for document in written if isinstance(document.document, WordList)]
        if found.checked.problems and not ids:
            raise InvalidDocuments(found.checked.problems)
        id_ = _chosen([*ids, *broken], name, id_)
        if id_ in broken:
            raise InvalidDocuments(broken[id_])
    elif id_ is not None:
        raise NotFound("there is no such file", where=name, remedy="check the path, or leave --list out")
    reader = LogicReader(catalogue, Library(connection, written))
    meant = reader.refer(WordList, id_ or name, name)
    if meant is None:
        raise NotFound(reader.problems[0].message, where=name, remedy=f"{reader.problems[0].remedy}, or name a file")
    checked = _check(reader, Written(meant.place, meant.document, {}, meant.lines), meant.document)
    resolved = reader.resolve_list(meant)
    if resolved is None or checked.wrong:
        raise InvalidDocuments([*(remark.error for remark in checked.wrong), *reader.problems])
    return resolved


@dataclass
class _Read:
    """The documents of files that could be read, which lists could not, and what is wrong with these and with the files."""

    written: dict[Reference, Written] = field(default_factory=dict)
    broken: set[Reference] = field(default_factory=set)
    checked: CheckedFiles = field(default_factory=lambda: CheckedFiles([], []))


def _read(path: Path) -> _Read:
    found = _Read()
    for file in find_files([path]):
        try:
            documents = load_file(file)
        except InvalidInput as error:
            found.checked.problems.append(error)
            continue
        for raw in documents:
            _read_document(raw, found)
    return found


def _read_document(raw: RawDocument, found: _Read) -> None:
    """Reads one document. What is wrong with others than lists is not our business: applying them tells."""
    try:
        kind, id_ = reference_of(raw.content, raw.place)
    except InvalidInput as error:
        found.checked.problems.append(error)
        return
    first = found.written.get((kind, id_))
    try:
        if first is not None:
            raise InvalidDocuments([InvalidInput("the list stands there twice", where=raw.place, remedy=f"see {first.place}")])
        found.written[kind, id_] = read_document(raw.content, raw.place, raw.lines)
    except InvalidDocuments as error:
        found.broken.add((kind, id_))
        if kind == "word_list":
            found.checked.lists.append(CheckedList(id_, raw.place, problems=list(error.problems)))


def _check(reader: LogicReader, written: Written, document: WordList) -> CheckedList:
    """Checks the words of a list and the lists that it exempts by."""

    def remark(word: WordProblem | WordWarning) -> Remark:
        lines = written.lines.get(word.place, ())
        remedy = word.remedy if isinstance(word, WordProblem) else None
        error = InvalidInput(word.message, where=f"{written.place}: {where_of(word, written.lines)}", remedy=remedy)
        return Remark(word, lines[word.number - 1] if word.number <= len(lines) else None, error)

    checked = examine(document)
    known = len(reader.problems)
    reader.resolve_list(Found(document, written.place, 0, False))
    return CheckedList(
        id=document.id,
        place=written.place,
        type=document.type,
        words=len(document.words),
        problems=reader.problems[known:],
        wrong=[remark(problem) for problem in checked.problems],
        odd=[remark(warning) for warning in checked.warnings],
    )


def _chosen(ids: Sequence[str], file: str, id_: str | None) -> str:
    if id_ in ids:
        return str(id_)
    if id_ is not None or not ids:
        raise NotFound(f"the file holds no word list {id_ or ''}".rstrip(), where=file, remedy=nearest(id_ or "", ids))
    if len(ids) > 1:
        raise InvalidInput("the file holds several word lists", where=file, remedy=f"say which one is meant: --list {ids[0]}")
    return ids[0]
