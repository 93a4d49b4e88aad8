"""The engines that `matching.py` compares: each is built from plain words and answers, from Arrow to Arrow, the ids of each row's words.

Every engine is used in the fastest way that we know of: over the whole data buffer where it takes bytes, in one batch where it has one.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain

import ahocorasick
import ahocorasick_rs
import daachorse
import hyperscan
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from matcher_py import ProcessType, SimpleMatcher

from srp_assets.wordlists import scanner
from srp_assets.wordlists.resolved import ResolvedList

Scan = Callable[[pa.StringArray], pa.ListArray]
"""From texts to the ids of each row's words, in any order."""


def ours(words: Sequence[str], transforms: tuple[str, ...] = (), *, case_sensitive: bool = True) -> Scan:
    """The scanner of this project."""
    list_ = ResolvedList(id="words", version=1, words=tuple(words), transforms=transforms, case_sensitive=case_sensitive)
    compiled = scanner.compile([list_])

    def scan(texts: pa.StringArray) -> pa.ListArray:
        hits = compiled.scan(texts)
        return _lists(np.concatenate([[0], np.cumsum(np.bincount(hits.row, minlength=len(texts)))]), hits.word)

    return scan


def matcher(words: Sequence[str], process: int = ProcessType.NONE) -> Scan:
    """matcher_py's `batch_process`."""
    built = SimpleMatcher.from_dict({process: dict(enumerate(words))})
    return lambda texts: _listed([[result.word_id for result in found] for found in built.batch_process(texts.to_pylist())])


def matcher_filtered(words: Sequence[str], process: int = ProcessType.NONE) -> Scan:
    """matcher_py's `batch_is_match`, then `batch_process` on the rows that hit."""
    built = SimpleMatcher.from_dict({process: dict(enumerate(words))})

    def scan(texts: pa.StringArray) -> pa.ListArray:
        rows = texts.to_pylist()
        hit = np.flatnonzero(built.batch_is_match(rows))
        found: list[list[int]] = [[]] * len(rows)
        for row, results in zip(hit.tolist(), built.batch_process([rows[row] for row in hit]), strict=True):
            found[row] = [result.word_id for result in results]
        return _listed(found)

    return scan


def pyahocorasick(words: Sequence[str]) -> Scan:
    """Text by text."""
    automaton = ahocorasick.Automaton()
    for number, word in enumerate(words):
        automaton.add_word(word, number)
    automaton.make_automaton()
    return lambda texts: _listed([list({number for _, number in automaton.iter(text)}) for text in texts.to_pylist()])


def ahocorasick_rs_buffer(words: Sequence[str], implementation: ahocorasick_rs.Implementation | None = None) -> Scan:
    """Over the whole buffer."""
    automaton = ahocorasick_rs.BytesAhoCorasick([word.encode() for word in words], implementation=implementation)

    def scan(texts: pa.StringArray) -> pa.ListArray:
        found = automaton.find_matches_as_indexes(np.frombuffer(texts.buffers()[2], dtype=np.uint8), overlapping=True)
        number, start, end = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found)).reshape(-1, 3).T
        return _rows_of(texts, start, end, number)

    return scan


def ahocorasick_rs_dfa(words: Sequence[str]) -> Scan:
    """Over the whole buffer, as a DFA."""
    return ahocorasick_rs_buffer(words, ahocorasick_rs.Implementation.DFA)


def daachorse_buffer(words: Sequence[str]) -> Scan:
    """Over the whole buffer."""
    automaton = daachorse.DoubleArrayAhoCorasick([word.encode() for word in words])

    def scan(texts: pa.StringArray) -> pa.ListArray:
        found = automaton.find_overlapping(texts.buffers()[2].to_pybytes())
        start, end, number = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found)).reshape(-1, 3).T
        return _rows_of(texts, start, end, number)

    return scan


def hyperscan_buffer(words: Sequence[str]) -> Scan:
    """Literals over the whole buffer."""
    encoded = [word.encode() for word in words]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=encoded, ids=list(range(len(words))), elements=len(words), flags=[0] * len(words), literal=True)
    lengths = np.array([len(word) for word in encoded])

    def scan(texts: pa.StringArray) -> pa.ListArray:
        found: list[int] = []
        extend = found.extend
        database.scan(_bytes(texts), lambda number, start, end, flags, context: extend((number, end)))
        number, end = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return _rows_of(texts, end - lengths[number], end, number)

    return scan


def polars(words: Sequence[str]) -> Scan:
    """`extract_many`, whose strings become ids by a lookup. It builds its automaton on every call."""
    patterns = list(words)
    ids = pl.Series(range(len(patterns)), dtype=pl.Int32)
    names = pl.Series(patterns)

    def scan(texts: pa.StringArray) -> pa.ListArray:
        found = pl.DataFrame({"text": pl.Series(texts)}).select(pl.col("text").str.extract_many(patterns, overlapping=True).list.unique())
        as_ids = pl.col("text").list.eval(pl.element().replace_strict(names, ids, return_dtype=pl.Int32))
        return found.select(as_ids).to_series().to_arrow()

    return scan


def pandas_alternation(words: Sequence[str]) -> Callable[[pa.StringArray], pa.Array]:
    """One alternation; answers whether a row hits, not by which word."""
    pattern = re.compile("|".join(map(re.escape, words)))
    return lambda texts: pa.array(pd.Series(texts.to_pylist()).str.contains(pattern))


def _bytes(texts: pa.StringArray) -> memoryview:
    return memoryview(texts.buffers()[2]).cast("B")


def _rows_of(texts: pa.StringArray, start: np.ndarray, end: np.ndarray, number: np.ndarray) -> pa.ListArray:
    """The ids of each row from matches in the buffer; matches across two rows are none, and an id counts once a row."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)
    row = np.searchsorted(offsets, start, side="right") - 1
    within = end <= offsets[row + 1]
    pairs = np.unique(row[within] << 32 | number[within])
    return _lists(np.concatenate([[0], np.cumsum(np.bincount(pairs >> 32, minlength=len(texts)))]), (pairs & 0xFFFFFFFF).astype(np.int32))


def _listed(found: list[list[int]]) -> pa.ListArray:
    return pa.array(found, pa.list_(pa.int32()))


def _lists(offsets: np.ndarray, values: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
