"""Finds the words of many lists in columns of text.

`compile(lists)` gives a `Scanner`; `Scanner.scan(texts)` and `Scanner.scan_parts(parts)` give `Hits`. That is the whole interface: what
a hit is, `reference.py` says. A scanner is compiled once; `save` writes it as one flat file, which every worker opens with `load`.

This file gives entries (`entries.py`) to engines and puts together what these find: one engine for the simple words under each fold, one
pass for each, and the engines of patterns and of similar texts, which are imported only where a list needs them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from srp_assets.errors import Unavailable
from srp_assets.wordlists import flat_file
from srp_assets.wordlists.columns import pieces, units_of
from srp_assets.wordlists.engine import Engine, Found
from srp_assets.wordlists.entries import Behind, Group, Numbering, groups_of, simple_entries
from srp_assets.wordlists.hits import EXEMPTION, Hits, joined, settled
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.simple.engine import SimpleEngine

__all__ = ["EXEMPTION", "Hits", "Scanner", "compile", "load"]


class _Pass(NamedTuple):
    """One engine, and what stands behind its entries."""

    kind: str
    engine: Engine
    behind: Behind


class Scanner:
    """Compiled lists. Holds no state of a scan: it may be used from several threads, and after a fork."""

    def __init__(self, lists: Sequence[str], passes: Sequence[_Pass]) -> None:
        self._lists = tuple(lists)
        self._passes = tuple(passes)

    @property
    def nbytes(self) -> int:
        """The bytes of the flat form."""
        return sum(array.nbytes for array in self._to_arrays().values())

    def scan(self, texts: pa.Array | pa.ChunkedArray) -> Hits:
        """Scans a column of texts (string or large_string). A null hits nothing."""
        return self.scan_parts([texts])

    def scan_parts(self, parts: Sequence[pa.Array | pa.ChunkedArray]) -> Hits:
        """Scans texts made of several columns of the same length.

        Nothing is found across the seam between two parts; the segments of a logical word may lie in different parts. A null is no part.

        Raises:
            TypeError: for a column that is neither string nor large_string.
            ValueError: for columns of different lengths, or none, or whose offsets lie outside of their data.
            Unavailable: if a pattern takes too long.
        """
        columns = [_strings(part) for part in parts]
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"the parts of a text must have one length, not {[len(column) for column in columns]}")
        return joined([(start, self._scan(arrays)) for start, arrays in pieces(columns)], len(self._lists))

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the scanner as one flat file."""
        flat_file.save(Path(path), self._to_arrays())

    def _scan(self, parts: Sequence[pa.Array]) -> Hits:
        units = units_of(parts)
        found = [one.engine.scan_units(units) if isinstance(one.engine, SimpleEngine) else self._found(one, parts) for one in self._passes]
        return settled([(hits, *one.behind) for hits, one in zip(found, self._passes, strict=True)], len(self._lists))

    def _found(self, one: _Pass, parts: Sequence[pa.Array]) -> Found:
        if one.kind == "similar":
            return one.engine.scan(parts)
        from srp_assets.wordlists.patterns.engine import PatternOutOfTime

        try:
            return one.engine.scan(parts)
        except PatternOutOfTime as error:
            number, word = one.behind.pairs[2 * one.behind.bounds[error.entry] :][:2].tolist()
            where = f"word_list {self._lists[number]}: {'exempt' if word == EXEMPTION else f'words: number {word + 1}'}"
            raise Unavailable(str(error), where=where, remedy="write the pattern without references back, or as several words") from error

    def _to_arrays(self) -> dict[str, np.ndarray]:
        about = {"lists": self._lists, "passes": [one.kind for one in self._passes]}
        arrays = {"about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
        for number, one in enumerate(self._passes):
            arrays |= {f"{number}.behind.{name}": array for name, array in one.behind._asdict().items()}
            arrays |= {f"{number}.engine.{name}": array for name, array in one.engine.to_arrays().items()}
        return arrays

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        about = json.loads(arrays["about"].tobytes())
        passes = []
        for number, kind in enumerate(about["passes"]):
            behind = Behind(*(arrays[f"{number}.behind.{name}"] for name in Behind._fields))
            prefix = f"{number}.engine."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            passes.append(_Pass(kind, _engine_type(kind).from_arrays(own), behind))
        return cls(about["lists"], passes)


def compile(lists: Sequence[ResolvedList]) -> Scanner:
    """Compiles lists into one scanner; a hit names a list by its place among them.

    Raises:
        WordError: for a word that saving the list would have refused.
    """
    groups = list(groups_of(lists))
    simple = [
        _Pass("simple", SimpleEngine.build(entries.words.entries, entries.rules.entries, entries.fold), entries.behind())
        for entries in simple_entries(groups)
    ]
    return Scanner([words.id for words in lists], [*simple, *_patterns(groups), *_similar(groups)])


def load(path: str | PathLike[str]) -> Scanner:
    """Opens a scanner that was saved: its tables are mapped from the file, and nothing of them is compiled.

    Raises:
        FlatFileError: for a file that is cut, damaged, of another version or no scanner.
    """
    return Scanner._from_arrays(flat_file.load(Path(path)))


def _strings(part: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    column = part if isinstance(part, pa.ChunkedArray) else pa.chunked_array([part])
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise TypeError(f"texts must be string or large_string, not {column.type}")
    return column


def _engine_type(kind: str) -> type[Engine]:
    """The class of an engine. Those of other than simple lists are imported here alone: they bring libraries along."""
    if kind == "patterns":
        from srp_assets.wordlists.patterns.engine import PatternEngine

        return PatternEngine
    if kind == "similar":
        from srp_assets.wordlists.similar.engine import SimilarEngine

        return SimilarEngine
    return SimpleEngine


def _patterns(groups: Sequence[Group]) -> Iterator[_Pass]:
    """The pass for lists of patterns, if there are any."""
    if all(group.words.type in ("simple", "similar") for group in groups):
        return
    from srp_assets.wordlists.patterns.engine import PatternEngine
    from srp_assets.wordlists.patterns.entries import PATTERN_TYPES, PatternEntry, entries_of

    numbering: Numbering[PatternEntry] = Numbering()
    for group in groups:
        if group.words.type in PATTERN_TYPES:
            entries = entries_of(group.words)
            numbering.add(group, entries, range(len(entries)))
    if numbering.entries:
        yield _Pass("patterns", PatternEngine.build(numbering.entries), numbering.behind())


def _similar(groups: Sequence[Group]) -> Iterator[_Pass]:
    """The pass for lists of similar texts, if there are any."""
    if all(group.words.type != "similar" for group in groups):
        return
    from srp_assets.wordlists.similar.engine import SimilarEngine, SimilarEntry

    numbering: Numbering[SimilarEntry] = Numbering()
    for group in groups:
        words = group.words
        if words.type == "similar":
            transforms = tuple(sorted(words.transforms))
            entries = [SimilarEntry(word, words.threshold or 1.0, transforms, words.case_sensitive) for word in words.words]
            numbering.add(group, entries, range(len(entries)))
    yield _Pass("similar", SimilarEngine.build(numbering.entries), numbering.behind())
