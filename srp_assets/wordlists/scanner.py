"""Finds the words of many lists in columns of text, in one pass for each distinct set of transforms.

`compile(lists)` gives a `Scanner`; `Scanner.scan(texts)` and `Scanner.scan_parts(parts)` give `Hits`. That is the whole interface: what
a hit is, `reference.py` says. A scanner is compiled where it is used, from lists that are plain data, in about 0.1 s for 10,000 words.

Underneath lies the automaton of matcher_py, which never sees a text or word as it was written: `encoding.py` gives it transformed
strings over an alphabet of its own, and words come to it as canonical rules, so that neither its transforms nor its reading of
operators play a part.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from matcher_py import ProcessType, SimpleMatcher, SimpleResult

from srp_assets.wordlists.encoding import Encoder
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import Demand, Rule, parse, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

WINDOW_ROWS = 16_384
WINDOW_BYTES = 8 << 20
"""Rows and bytes that are encoded at a time: enough to be fast, little enough that a batch of long texts needs no gigabytes."""

EXEMPTION = -1
"""The word number of an exemption among found entries."""

_NOTHING = np.empty((3, 0), dtype=np.int64)

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Hits:
    """Which words of which lists hit which rows, sorted by (row, list, word); a word is named once a row.

    `row`, `list` and `word` are parallel: the row of the scanned column, the place of the list among the compiled lists, the place of
    the word in that list's `words`. `silenced` has one number for each list: the rows on which its exemptions took its hits away.
    """

    row: Int32s
    list: Int32s
    word: Int32s
    silenced: Int64s

    def __len__(self) -> int:
        """The number of hits."""
        return len(self.row)


class Scanner:
    """Compiled lists. Holds no state of a scan: it may be used from several threads, and after a fork."""

    def __init__(self, lists: Sequence[ResolvedList]) -> None:
        self._list_count = len(lists)
        self._passes = _passes(lists)

    def scan(self, texts: pa.Array | pa.ChunkedArray) -> Hits:
        """Scans a column of texts (string or large_string). A null hits nothing."""
        return self.scan_parts([texts])

    def scan_parts(self, parts: Sequence[pa.Array | pa.ChunkedArray]) -> Hits:
        """Scans texts made of several columns of the same length.

        No segment is found across the seam between two parts; the segments of a logical word may lie in different parts. A null is no part.

        Raises:
            TypeError: for a column that is neither string nor large_string.
            ValueError: for columns of different lengths, or none.
        """
        columns = [_strings(part) for part in parts]
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"the parts of a text must have one length, not {[len(column) for column in columns]}")
        rows, size = len(columns[0]), sum(column.nbytes for column in columns)
        step = max(1, min(WINDOW_ROWS, rows * WINDOW_BYTES // max(1, size)))
        found = [self._scan_window(columns, start, step) for start in range(0, rows, step)]
        hits = np.concatenate([_NOTHING, *(window for window, _ in found)], axis=1).astype(np.int32)
        silenced = np.sum([np.zeros(self._list_count, np.int64), *(window for _, window in found)], axis=0)
        return Hits(row=hits[0], list=hits[1], word=hits[2], silenced=silenced)

    def _scan_window(self, columns: Sequence[pa.ChunkedArray], start: int, length: int) -> tuple[Int64s, Int64s]:
        """Sorted hits of some rows, as three arrays, and the number of rows on which each list is silenced."""
        parts = [column.slice(start, length).combine_chunks() for column in columns]
        row, list_, word = np.concatenate([_NOTHING, *(one.scan(parts) for one in self._passes)], axis=1)
        text_of_list = row * self._list_count + list_
        is_word = word != EXEMPTION
        exempt = np.unique(text_of_list[~is_word])
        taken_back = np.intersect1d(exempt, text_of_list[is_word])
        kept = np.flatnonzero(is_word & ~np.isin(text_of_list, exempt))
        kept = kept[np.lexsort((word[kept], text_of_list[kept]))]
        hits = np.stack([row[kept] + start, list_[kept], word[kept]])
        return hits, np.bincount(taken_back % max(1, self._list_count), minlength=self._list_count)


def compile(lists: Sequence[ResolvedList]) -> Scanner:
    """Compiles lists into one scanner; a hit names a list by its place among them.

    Raises:
        WordError: for a word that saving the list would have refused.
    """
    return Scanner(lists)


def _strings(part: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    column = part if isinstance(part, pa.ChunkedArray) else pa.chunked_array([part])
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise TypeError(f"texts must be string or large_string, not {column.type}")
    return column


Entries = dict[Rule, list[tuple[int, int]]]
"""Which (list, word) stand behind each rule; words of several lists that ask the same are looked for once."""


def _passes(lists: Sequence[ResolvedList]) -> list["_Pass"]:
    """One pass for each fold that any list, or any exemption of a list, uses."""
    entries: dict[Fold, Entries] = {}
    for number, words in enumerate(lists):
        groups: tuple[ResolvedList | ExemptGroup, ...] = (words, *words.exempt)
        for group in groups:
            fold = fold_of(group.transforms, group.case_sensitive)
            rules = entries.setdefault(fold, {})
            for place, word in enumerate(group.words):
                rules.setdefault(rule_of(parse(word), fold), []).append((number, place if group is words else EXEMPTION))
    return [_Pass(fold, rules) for fold, rules in entries.items() if rules]


class _Pass:
    """All words and exemptions under one fold."""

    def __init__(self, fold: Fold, entries: Entries) -> None:
        rules = list(entries)
        self._encoder = Encoder(fold, (text for rule in rules for text in rule.texts))
        self._matcher = SimpleMatcher.from_dict({ProcessType.NONE: {number: self._written(rule) for number, rule in enumerate(rules)}})
        self._bounds = np.cumsum([0, *(len(behind) for behind in entries.values())])
        self._behind = np.array([pair for behind in entries.values() for pair in behind], dtype=np.int64)

    def _written(self, rule: Rule) -> str:
        """A rule in the automaton's own syntax."""
        required = "&".join(segment for demand in rule.required for segment in self._segments(demand))
        return "".join([required, *(f"~{segment}" for demand in rule.forbidden for segment in self._segments(demand))])

    def _segments(self, demand: Demand) -> list[str]:
        alternatives, wanted = demand
        return ["|".join(map(self._encoder.segment, alternatives))] * wanted

    def scan(self, parts: Sequence[pa.Array]) -> Int64s:
        """All (row, list, word or EXEMPTION) of a window, unsorted, as an array of shape (3, hits)."""
        texts = self._encoder.texts(parts)
        rows = np.flatnonzero(_is_match(self._matcher, texts))
        results = _process(self._matcher, [texts[row] for row in rows])
        rules = np.array([result.word_id for found in results for result in found], dtype=np.int64)
        rule_rows = np.repeat(rows, [len(found) for found in results])
        widths = self._bounds[rules + 1] - self._bounds[rules]
        ends = np.cumsum(widths)
        behind = self._behind[np.arange(ends[-1] if len(ends) else 0) + np.repeat(self._bounds[rules] - ends + widths, widths)]
        return np.stack([np.repeat(rule_rows, widths), behind[:, 0], behind[:, 1]])


_pool_process: int | None = None
"""The process in which matcher_py's thread pool was started: in a fork of it the pool's threads are missing, and batch calls would wait
for ever."""


def _may_batch() -> bool:
    global _pool_process
    _pool_process = _pool_process or os.getpid()
    return _pool_process == os.getpid()


def _is_match(matcher: SimpleMatcher, texts: list[str]) -> list[bool]:
    return matcher.batch_is_match(texts) if _may_batch() else [matcher.is_match(text) for text in texts]


def _process(matcher: SimpleMatcher, texts: list[str]) -> list[list[SimpleResult]]:
    return matcher.batch_process(texts) if _may_batch() else [matcher.process(text) for text in texts]
