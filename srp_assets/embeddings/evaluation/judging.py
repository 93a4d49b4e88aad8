"""Every figure of some vectors on sessions that they were not trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.evaluation.ranks import (
    Queries,
    bookings_as_sessions_proceed,
    ndcg_at,
    next_clicks,
    next_purchases,
    ranks_by_popularity,
    ranks_by_similarity,
    recall_at,
)
from srp_assets.embeddings.evaluation.structure import coherence, purity
from srp_assets.embeddings.training.corpus import Corpus
from srp_assets.embeddings.vectors import Vectors

PLACES = 20
"""Of recall and nDCG."""

STEPS = 10
"""Clicks before the end of a booked session at which its booking is ranked."""

NEIGHBOURS = 10
"""Of purity."""


@dataclass(frozen=True)
class ItemLabels:
    """What is known of items, by number: -1 where it is not; each of shape (items,)."""

    market: npt.NDArray[np.int64]
    type: npt.NDArray[np.int64]
    price: npt.NDArray[np.int64]


def figures_of(vectors: Vectors, corpus: Corpus, markets: npt.NDArray[np.int32], labels: ItemLabels | None = None) -> dict[str, float]:
    """The figures of vectors on held-out sessions; what cannot be measured is not there.

    Args:
        vectors: of the vocabulary, shape (items, dimensions).
        corpus: of the vocabulary's numbers.
        markets: of the items; ranks are also among items of the wanted one's market.
        labels: of the items, if known.
    """
    found: dict[str, float] = {}
    for name, queries in (("next_click", next_clicks(corpus)), ("next_purchase", next_purchases(corpus))):
        if len(queries.wanted):
            found |= _of_ranks(name, ranks_by_similarity(vectors, queries))
            found |= _of_ranks(f"{name}_in_market", ranks_by_similarity(vectors, queries, markets))
    proceeding = bookings_as_sessions_proceed(corpus, STEPS)
    if len(proceeding.wanted):
        ranks = ranks_by_similarity(vectors, proceeding, markets, exclude=False)
        found["booked_rank"] = float(ranks.mean())
        found |= {f"booked_rank_{step}_before": value for step, value in _by_step(proceeding, ranks).items()}
    if labels is not None:
        found |= {
            "market_purity": purity(vectors, labels.market, NEIGHBOURS),
            "type_coherence": coherence(vectors, labels.type),
            "price_coherence": coherence(vectors, labels.price),
        }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def popularity_figures(counts: npt.NDArray[np.int64], corpus: Corpus, markets: npt.NDArray[np.int32]) -> dict[str, float]:
    """The figures of ranking by popularity: what vectors have to beat."""
    found: dict[str, float] = {}
    for name, queries in (("next_click", next_clicks(corpus)), ("next_purchase", next_purchases(corpus))):
        if len(queries.wanted):
            found |= _of_ranks(name, ranks_by_popularity(counts, queries))
            found |= _of_ranks(f"{name}_in_market", ranks_by_popularity(counts, queries, markets))
    return found


def _of_ranks(name: str, ranks: npt.NDArray[np.float64]) -> dict[str, float]:
    return {
        f"{name}_recall": float(recall_at(ranks, PLACES).mean()),
        f"{name}_ndcg": float(ndcg_at(ranks, PLACES).mean()),
        f"{name}_rank": float(ranks.mean()),
    }


def _by_step(queries: Queries, ranks: npt.NDArray[np.float64]) -> dict[int, float]:
    """The mean rank by clicks before the end."""
    return {int(step): float(ranks[queries.step == step].mean()) for step in np.unique(queries.step)}
