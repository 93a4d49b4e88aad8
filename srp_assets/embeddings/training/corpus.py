"""What is trained on, as arrays: sessions of items by number, and the vocabulary that the numbers stand for.

Arrays are flat with offsets, so that a window of many days is a few blocks of memory and a kernel walks along it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

NOTHING = -1
"""The number of an item that is not there: no booking, or none of the vocabulary."""


@dataclass(frozen=True)
class Corpus:
    """Sessions as numbers of items.

    Args:
        items: numbers of the items of all sessions, each in order, shape (tokens,).
        offsets: where each session begins, and the end of the last one, shape (sessions + 1,).
        booked: the item that each session led to, -1 for an exploratory one, shape (sessions,).
        rejected: items that sessions turned down, of all sessions, shape (rejections,).
        rejected_offsets: where each session's begin, and the end of the last one's, shape (sessions + 1,).
    """

    items: Codes
    offsets: Offsets
    booked: Codes
    rejected: Codes
    rejected_offsets: Offsets

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self.booked)

    @property
    def tokens(self) -> int:
        """How many items all sessions have together."""
        return len(self.items)

    def part(self, first: int, last: int) -> "Corpus":
        """The sessions from `first` to before `last`, without copying."""
        start, end = self.offsets[first], self.offsets[last]
        rejected_start, rejected_end = self.rejected_offsets[first], self.rejected_offsets[last]
        return Corpus(
            self.items[start:end],
            self.offsets[first : last + 1] - start,
            self.booked[first:last],
            self.rejected[rejected_start:rejected_end],
            self.rejected_offsets[first : last + 1] - rejected_start,
        )


@dataclass(frozen=True)
class Vocabulary:
    """The items that get vectors of their own.

    Args:
        ids: of the items, the most frequent first; ties in the order of the ids.
        counts: how often each is there, shape (items,).
        markets: number of each item's market, shape (items,); all zero where there are no markets.
    """

    ids: pa.Array
    counts: npt.NDArray[np.int64]
    markets: Codes

    def codes(self, ids: pa.Array | pa.ChunkedArray) -> Codes:
        """The numbers of some items, -1 for those that are not in the vocabulary or null; shape (ids,)."""
        return pc.fill_null(pc.index_in(ids, value_set=self.ids), NOTHING).to_numpy(zero_copy_only=False).astype(np.int32)


def vocabulary_of(items: pa.ChunkedArray | pa.Array, least_count: int, markets: pa.Table | None = None) -> Vocabulary:
    """The items that are there often enough.

    Args:
        items: of all sessions, and those that they led to.
        least_count: how often an item must be there.
        markets: `item_id` and `market`; items that it does not name are of one market of their own. None if there are no markets.
    """
    counted = pc.value_counts(items.drop_null())
    table = pa.table({"id": counted.field("values"), "count": counted.field("counts")})
    table = table.filter(pc.field("count") >= least_count).sort_by([("count", "descending"), ("id", "ascending")])
    ids = table["id"].combine_chunks().cast(pa.string())
    numbers = np.zeros(len(ids), np.int32)
    if markets is not None:
        named = markets["market"].take(pc.index_in(ids, value_set=markets["item_id"].combine_chunks()))
        numbers = pc.fill_null(named, "").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int32)
    return Vocabulary(ids, table["count"].to_numpy().astype(np.int64), numbers)


def corpus_of(
    vocabulary: Vocabulary,
    items: pa.ListArray | pa.ChunkedArray,
    booked: pa.Array | pa.ChunkedArray | None = None,
    rejected: pa.ListArray | pa.ChunkedArray | None = None,
) -> Corpus:
    """Sessions as numbers; items that the vocabulary has not are left out, and so are sessions without any other.

    Args:
        vocabulary: of the numbers.
        items: a list for each session.
        booked: what each session led to, null for an exploratory one; None if all are.
        rejected: a list for each session; None if none is known.
    """
    sessions = len(items)
    numbers, lengths = _known(vocabulary, items)
    kept = lengths > 0
    own = np.full(sessions, NOTHING, np.int32) if booked is None else vocabulary.codes(booked)
    if rejected is None:
        refused, refused_lengths = np.empty(0, np.int32), np.zeros(sessions, np.int64)
    else:
        refused, refused_lengths = _known(vocabulary, rejected)
        refused = refused[np.repeat(kept, refused_lengths)]
    return Corpus(numbers, _offsets(lengths[kept]), own[kept], refused, _offsets(refused_lengths[kept]))


def joined(parts: Sequence[Corpus]) -> Corpus:
    """Some corpora of one vocabulary after one another."""
    return Corpus(
        np.concatenate([part.items for part in parts]),
        _offsets(np.concatenate([np.diff(part.offsets) for part in parts])),
        np.concatenate([part.booked for part in parts]),
        np.concatenate([part.rejected for part in parts]),
        _offsets(np.concatenate([np.diff(part.rejected_offsets) for part in parts])),
    )


def _known(vocabulary: Vocabulary, lists: pa.ListArray | pa.ChunkedArray) -> tuple[Codes, Offsets]:
    """The known items of all lists, and how many each list has."""
    whole = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    lengths = pc.fill_null(pc.list_value_length(whole), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    numbers = vocabulary.codes(whole.flatten())
    known = numbers >= 0
    before = np.concatenate([[0], np.cumsum(known)])
    ends = np.cumsum(lengths)
    return numbers[known], (before[ends] - before[ends - lengths]).astype(np.int64)


def _offsets(lengths: npt.NDArray[np.int64]) -> Offsets:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
