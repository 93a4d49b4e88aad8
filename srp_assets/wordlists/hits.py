"""What a scan answers, and how it comes from what engines found: entries become words, exemptions silence, everything is sorted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import types

from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.kernels import BOOLS, INT32S, INT64S, OUT_BOOLS, OUT_INT32S, OUT_INT64S, Array, kernel

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

EXEMPTION = -1
"""The word number of an exemption."""

_GAPS = (701, 301, 132, 57, 23, 10, 4, 1)
"""Of Shell's sort (Ciura 2001), for texts with thousands of hits; nearly all have a few, which the last gap alone sorts sooner."""

_FEW = 48


@dataclass(frozen=True, eq=False)
class Hits:
    """Which words of which lists hit which rows, sorted by (row, list, word); a word is named once a row.

    `row`, `list`, `word` and `crosses` are parallel: the row of the scanned column, the place of the list among the compiled lists, the
    place of the word in that list's `words`, and whether it is a logical word whose segments lie in several parts of the text, so that no
    part alone would have hit. `silenced` has one number for each list: the rows on which its exemptions took its hits away.
    """

    row: Int32s
    list: Int32s
    word: Int32s
    crosses: npt.NDArray[np.bool_]
    silenced: Int64s

    def __len__(self) -> int:
        """The number of hits."""
        return len(self.row)


@kernel(types.void(INT64S, INT64S, BOOLS, INT32S, INT32S, OUT_INT64S, OUT_INT64S, types.int64))
def _expand(
    rows: Array, entries: Array, crosses: Array, bounds: Array, behind: Array, out_rows: Array, out_keys: Array, count: int
) -> None:
    """Writes one key for each (list, word) behind each entry, from `count` on."""
    for place in range(len(rows)):
        for link in range(bounds[entries[place]], bounds[entries[place] + 1]):
            out_rows[count] = rows[place]
            out_keys[count] = (((np.int64(behind[2 * link]) << 32) | (np.int64(behind[2 * link + 1]) + 1)) << 1) | crosses[place]
            count += 1


@kernel(types.int64(INT64S, OUT_INT64S, OUT_INT32S, OUT_INT32S, OUT_INT32S, OUT_BOOLS, OUT_INT64S))
def _settle(rows: Array, keys: Array, out_rows: Array, out_lists: Array, out_words: Array, out_crosses: Array, silenced: Array) -> int:
    """Sorts the keys of each row, and lets exemptions silence their lists; answers how many hits are left.

    `rows`, ascending, and `keys` are what `_expand` wrote, for all engines; the arrays `out_..` are filled, and `silenced` counts up.
    """
    count, start = 0, 0
    while start < len(rows):
        row, stop = rows[start], start + 1
        while stop < len(rows) and rows[stop] == row:
            stop += 1
        for gap in _GAPS:
            if gap > 1 and stop - start <= _FEW:
                continue
            for place in range(start + gap, stop):
                key, before = keys[place], place - gap
                while before >= start and keys[before] > key:
                    keys[before + gap] = keys[before]
                    before -= gap
                keys[before + gap] = key
        exempt, silent = np.int64(-1), np.int64(-1)
        for place in range(start, stop):
            key = keys[place]
            list_, word = key >> 33, ((key >> 1) & 0xFFFFFFFF) - 1
            if word == EXEMPTION:
                exempt = list_
            elif list_ == exempt:
                if silent != list_:
                    silent = list_
                    silenced[list_] += 1
            else:
                out_rows[count], out_lists[count], out_words[count], out_crosses[count] = row, list_, word, key & 1 == 1
                count += 1
        start = stop
    return count


def settled(found: Sequence[tuple[Found, Int32s, Int32s]], list_count: int) -> Hits:
    """Hits, from what engines found in a column.

    Args:
        found: what each engine found; where the (list, word) pairs behind each of its entries begin; and these pairs, one after the other,
            a word being `EXEMPTION` for an exemption.
        list_count: the lists.
    """
    counts = [int(np.sum(bounds[hits.entry + 1] - bounds[hits.entry])) for hits, bounds, _ in found]
    rows, keys = (np.empty(sum(counts), dtype=np.int64) for _ in range(2))
    for (hits, bounds, behind), first in zip(found, np.cumsum([0, *counts]).tolist(), strict=False):
        _expand(hits.row, hits.entry, hits.crosses, bounds, behind, rows, keys, first)
    if bool(np.any(rows[1:] < rows[:-1])):
        by_row = np.argsort(rows, kind="stable")
        rows, keys = rows[by_row], keys[by_row]
    out: list[Array] = [np.empty(len(rows), dtype=dtype) for dtype in (np.int32, np.int32, np.int32, np.bool_)]
    silenced = np.zeros(list_count, dtype=np.int64)
    count = _settle(rows, keys, *out, silenced)
    row, list_, word, crosses = (array[:count] for array in out)
    return Hits(row, list_, word, crosses, silenced)


def joined(pieces: Sequence[tuple[int, Hits]], list_count: int) -> Hits:
    """The hits of a column from those of its pieces, each with the row at which it begins."""
    if len(pieces) == 1:
        return pieces[0][1]
    nothing = np.empty(0, dtype=np.int32)
    return Hits(
        np.concatenate([nothing, *(hits.row + np.int32(start) for start, hits in pieces)]),
        np.concatenate([nothing, *(hits.list for _, hits in pieces)]),
        np.concatenate([nothing, *(hits.word for _, hits in pieces)]),
        np.concatenate([nothing.astype(np.bool_), *(hits.crosses for _, hits in pieces)]),
        np.sum([np.zeros(list_count, dtype=np.int64), *(hits.silenced for _, hits in pieces)], axis=0),
    )
