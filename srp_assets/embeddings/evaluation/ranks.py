"""The rank of what a user wanted next among all candidates, by similarity to what they clicked so far.

Candidates that score alike share the mean of their places, so that no order of rows is rewarded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.training.corpus import Codes, Corpus
from srp_assets.embeddings.vectors import Vectors, directions_of

Reals = npt.NDArray[np.float64]
QUERIES_AT_ONCE = 512
"""With a million candidates 2 GB of scores; with the usual 50,000 a tenth of a gigabyte."""


@dataclass(frozen=True)
class Queries:
    """What is asked: the items clicked so far, and the one that came then.

    Args:
        clicked: items of all queries, shape (items,).
        offsets: where each query's begin, and the end of the last one's, shape (queries + 1,).
        wanted: the item of each query, shape (queries,).
        step: how many clicks lie between the query's last one and the end of the session, shape (queries,).
        session: that each query is of, shape (queries,).
    """

    clicked: Codes
    offsets: npt.NDArray[np.int64]
    wanted: Codes
    step: npt.NDArray[np.int64]
    session: npt.NDArray[np.int64]


def next_clicks(corpus: Corpus) -> Queries:
    """One query a session: its last item, from those before it; sessions whose last item had been clicked before ask nothing."""
    lists, wanted, sessions = [], [], []
    for session in range(corpus.sessions):
        items = corpus.items[corpus.offsets[session] : corpus.offsets[session + 1]]
        if len(items) > 1 and items[-1] not in items[:-1]:
            lists.append(items[:-1])
            wanted.append(items[-1])
            sessions.append(session)
    return _queries(lists, wanted, [0] * len(lists), sessions)


def next_purchases(corpus: Corpus) -> Queries:
    """One query for each booked session: its booking, from the clicks before that item was first clicked, or from all if it never was."""
    lists, wanted, sessions = [], [], []
    for session in np.flatnonzero(corpus.booked >= 0):
        items = corpus.items[corpus.offsets[session] : corpus.offsets[session + 1]]
        met = np.flatnonzero(items == corpus.booked[session])
        before = items[: met[0]] if len(met) else items
        if len(before):
            lists.append(before)
            wanted.append(corpus.booked[session])
            sessions.append(int(session))
    return _queries(lists, wanted, [0] * len(lists), sessions)


def bookings_as_sessions_proceed(corpus: Corpus, most_steps: int) -> Queries:
    """Queries for each click of booked sessions, up to `most_steps` before the end: the booking, from the clicks until then.

    The measure of Grbovic and Cheng (KDD 2018), section 4.3: the booked item should rank the better the nearer the booking is.
    """
    lists, wanted, steps, sessions = [], [], [], []
    for session in np.flatnonzero(corpus.booked >= 0):
        items = corpus.items[corpus.offsets[session] : corpus.offsets[session + 1]]
        for end in range(max(1, len(items) - most_steps + 1), len(items) + 1):
            lists.append(items[:end])
            wanted.append(corpus.booked[session])
            steps.append(len(items) - end)
            sessions.append(int(session))
    return _queries(lists, wanted, steps, sessions)


def _queries(lists: list[Codes], wanted: list[int], steps: list[int], sessions: list[int]) -> Queries:
    lengths = np.array([len(found) for found in lists], np.int64)
    return Queries(
        np.concatenate([np.empty(0, np.int32), *lists]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array(wanted, np.int32),
        np.array(steps, np.int64),
        np.array(sessions, np.int64),
    )


def query_vectors(vectors: Vectors, queries: Queries) -> Vectors:
    """The mean of the directions of each query's items; shape (queries, dimensions)."""
    directions = directions_of(vectors)
    if not len(queries.wanted):
        return np.empty((0, vectors.shape[1]), np.float32)
    sums = np.add.reduceat(directions[queries.clicked], queries.offsets[:-1], axis=0)
    return (sums / np.diff(queries.offsets)[:, None]).astype(np.float32)


def ranks_by_similarity(vectors: Vectors, queries: Queries, markets: Codes | None = None, *, exclude: bool = True) -> Reals:
    """The rank of each wanted item, from 1.

    Args:
        vectors: of all candidates, shape (items, dimensions).
        queries: what is asked.
        markets: only items of the wanted one's market are candidates; None if all are. Shape (items,).
        exclude: whether the clicked items are no candidates (the wanted one always is).
    """
    directions = directions_of(vectors)
    asked = query_vectors(vectors, queries)
    return _ranks(lambda first, last: asked[first:last] @ directions.T, queries, markets, exclude=exclude)


def ranks_by_popularity(counts: npt.NDArray[np.int64], queries: Queries, markets: Codes | None = None, *, exclude: bool = True) -> Reals:
    """The rank of each wanted item if the most frequent ones come first, arguments as those of `ranks_by_similarity`."""
    whole = counts.astype(np.float32)
    return _ranks(lambda first, last: np.tile(whole, (last - first, 1)), queries, markets, exclude=exclude)


def _ranks(scores_of: Callable[[int, int], Vectors], queries: Queries, markets: Codes | None, *, exclude: bool) -> Reals:
    ranks = np.empty(len(queries.wanted))
    for first in range(0, len(ranks), QUERIES_AT_ONCE):
        last = min(first + QUERIES_AT_ONCE, len(ranks))
        scores = scores_of(first, last)
        own, wanted = np.arange(last - first), queries.wanted[first:last]
        best = scores[own, wanted].copy()
        if exclude:
            rows = np.repeat(own, np.diff(queries.offsets[first : last + 1]))
            scores[rows, queries.clicked[queries.offsets[first] : queries.offsets[last]]] = -np.inf
        if markets is not None:
            scores[markets[None, :] != markets[wanted][:, None]] = -np.inf
        scores[own, wanted] = best
        better = (scores > best[:, None]).sum(axis=1)
        alike = (scores == best[:, None]).sum(axis=1) - 1
        ranks[first:last] = 1 + better + alike / 2
    return ranks


def recall_at(ranks: Reals, places: int) -> Reals:
    """Whether each wanted item is among the first so many; shape (queries,)."""
    return (ranks <= places).astype(np.float64)


def ndcg_at(ranks: Reals, places: int) -> Reals:
    """The nDCG of each query with its one wanted item: 1 / log2(1 + rank) among the first so many, else 0; shape (queries,)."""
    return np.where(ranks <= places, 1 / np.log2(1 + ranks), 0.0)
