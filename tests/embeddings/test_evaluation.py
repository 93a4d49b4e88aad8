"""Figures on small vectors whose answers are plain, and against naive loops."""

import math

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.evaluation.ablation import WHOLE, ablation, variants_of
from srp_assets.embeddings.evaluation.intervals import interval_of
from srp_assets.embeddings.evaluation.judging import figures_of, popularity_figures
from srp_assets.embeddings.evaluation.ranks import (
    bookings_as_sessions_proceed,
    ndcg_at,
    next_clicks,
    next_purchases,
    ranks_by_popularity,
    ranks_by_similarity,
    recall_at,
)
from srp_assets.embeddings.evaluation.structure import coherence, purity
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary, corpus_of, vocabulary_of
from srp_assets.embeddings.training.trainer import Warm
from srp_assets.embeddings.weekly.inputs import corpus_of_table
from srp_assets.samples.ranking.listings import ListingWorld

IDS = pa.array(list("abcdefgh"))
VOCABULARY = Vocabulary(IDS, np.arange(8, 0, -1), np.zeros(8, np.int32))


def corpus(lists: list[str], booked: list[str | None]) -> Corpus:
    return corpus_of(VOCABULARY, pa.array([list(items) for items in lists]), pa.array(booked, pa.string()))


SESSIONS = corpus(["abc", "aba", "d", "efg", "hgf"], ["c", None, "e", "h", "g"])


def test_the_next_click_is_asked_from_those_before_it() -> None:
    found = next_clicks(SESSIONS)
    assert found.session.tolist() == [0, 3, 4]
    assert found.wanted.tolist() == [2, 6, 5]
    assert found.clicked.tolist() == [0, 1, 4, 5, 7, 6]


def test_a_purchase_is_asked_from_the_clicks_before_its_item_was_met() -> None:
    found = next_purchases(SESSIONS)
    assert found.session.tolist() == [0, 2, 3, 4]
    assert [found.clicked[start:end].tolist() for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)] == [
        [0, 1],
        [3],
        [4, 5, 6],
        [7],
    ]


def test_bookings_are_ranked_at_each_of_the_last_clicks() -> None:
    found = bookings_as_sessions_proceed(SESSIONS, 2)
    assert found.session.tolist() == [0, 0, 2, 3, 3, 4, 4]
    assert found.step.tolist() == [1, 0, 0, 1, 0, 1, 0]


def test_ranks_are_those_of_a_naive_loop() -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(8, 4)).astype(np.float32)
    vectors[3] = vectors[5]
    markets = np.array([0, 1, 0, 1, 0, 1, 0, 1], np.int32)
    for exclude in (True, False):
        for own in (None, markets):
            queries = next_purchases(SESSIONS)
            found = ranks_by_similarity(vectors, queries, own, exclude=exclude)
            for place, rank in enumerate(found):
                clicked = queries.clicked[queries.offsets[place] : queries.offsets[place + 1]]
                assert rank == pytest.approx(naive_rank(vectors, clicked.tolist(), int(queries.wanted[place]), own, exclude=exclude))


def naive_rank(vectors: np.ndarray, clicked: list[int], wanted: int, markets: np.ndarray | None, *, exclude: bool) -> float:
    lengths = [math.sqrt(sum(float(x) ** 2 for x in row)) for row in vectors]
    asked = [sum(float(vectors[item][place]) / lengths[item] for item in clicked) / len(clicked) for place in range(vectors.shape[1])]
    scores = {}
    for item in range(len(vectors)):
        skipped = exclude and item in clicked or markets is not None and markets[item] != markets[wanted]
        if item == wanted or not skipped:
            score = sum(asked[place] * float(vectors[item][place]) / lengths[item] for place in range(vectors.shape[1]))
            scores[item] = round(score, 5)
    alike = sum(score == scores[wanted] for item, score in scores.items() if item != wanted)
    return 1 + sum(score > scores[wanted] for score in scores.values()) + alike / 2


def test_popularity_shares_places_among_the_equally_popular() -> None:
    queries = next_clicks(SESSIONS)
    assert ranks_by_popularity(np.full(8, 3), queries).tolist() == [3.5, 3.5, 3.5]
    assert ranks_by_popularity(VOCABULARY.counts, queries).tolist() == [1.0, 5.0, 6.0]


def test_recall_and_ndcg_of_one_wanted_item() -> None:
    ranks = np.array([1.0, 3.0, 20.0, 21.0])
    assert recall_at(ranks, 20).tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(ndcg_at(ranks, 20), [1, 0.5, 1 / math.log2(21), 0])


def test_purity_and_coherence_are_those_of_naive_loops() -> None:
    random = np.random.default_rng(6)
    vectors, labels = random.normal(size=(12, 3)).astype(np.float32), np.array([0, 0, 1, 1, 1, 2, 2, -1, 0, 1, 2, 0])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    products = unit @ unit.T
    shares = []
    for item in np.flatnonzero(labels >= 0):
        nearest = sorted((other for other in range(12) if other != item), key=lambda other: -products[item, other])[:3]
        shares.append(np.mean([labels[other] == labels[item] for other in nearest]))
    assert purity(vectors, labels, 3) == pytest.approx(float(np.mean(shares)))
    known = [item for item in range(12) if labels[item] >= 0]
    pairs = [(one, other) for one in known for other in known if one != other]
    within = np.mean([products[pair] for pair in pairs if labels[pair[0]] == labels[pair[1]]])
    assert coherence(vectors, labels) == pytest.approx(float(within - np.mean([products[pair] for pair in pairs])), abs=1e-6)


def test_structure_of_nothing_is_not_known() -> None:
    vectors = np.ones((3, 2), np.float32)
    assert math.isnan(purity(vectors, np.full(3, -1), 2))
    assert math.isnan(coherence(vectors, np.arange(3)))


def test_intervals_are_student_s() -> None:
    found = interval_of([1.0, 2.0, 3.0])
    assert (found.mean, found.high - found.mean) == (2.0, pytest.approx(4.302653 / math.sqrt(3), rel=1e-6))
    assert interval_of([1.0]).high == math.inf


def test_variants_leave_out_one_part_each() -> None:
    names = [variant.name for variant in variants_of(TrainingOptions(), warm=True)]
    assert names == [WHOLE, "no global context", "no market negatives", "no rejections", "no warm start", "16 dimensions", "64 dimensions"]
    merged = variants_of(TrainingOptions(negatives=3, market_negatives=4), warm=False)[2].options
    assert (merged.negatives, merged.market_negatives) == (7, 0)


def test_market_negatives_and_global_context_help_where_markets_are_planted() -> None:
    """With as many negatives in all, those of the market raise ranking within the market; paired over seeds."""
    world = ListingWorld(items=1_600, sessions=6_000, markets=16)
    sequences = world.sequences(world.block(0, world.sessions))
    trained_on, held_out = sequences.slice(0, 4_800), sequences.slice(4_800)
    items = pa.chunked_array(
        [*pa.chunked_array(trained_on["items"].combine_chunks().flatten()).chunks, *trained_on["booked"].drop_null().chunks]
    )
    vocabulary = vocabulary_of(items, 3, world.attributes)
    judged = corpus_of_table(vocabulary, held_out)
    options = TrainingOptions(epochs=6, frequent_share=0)
    rows = ablation(
        corpus_of_table(vocabulary, trained_on),
        vocabulary,
        options,
        lambda trained: figures_of(trained.vectors, judged, vocabulary.markets),
        seeds=range(1, 4),
        leave_out=["no market negatives", "no global context"],
    )
    found = {(row.variant, row.figure): row for row in rows}
    assert found["no market negatives", "next_click_in_market_ndcg"].difference.high < 0
    assert found["no market negatives", "booked_rank"].difference.low > 0
    assert found["no global context", "booked_rank"].difference.low > 0
    popular = popularity_figures(vocabulary.counts, judged, vocabulary.markets)
    assert found[WHOLE, "next_click_recall"].value.low > 2 * popular["next_click_recall"]
    near, far = found[WHOLE, "booked_rank_0_before"].value, found[WHOLE, "booked_rank_5_before"].value
    assert near.high < far.low


def test_a_start_of_other_dimensions_is_none() -> None:
    warm = Warm(IDS, np.ones((8, 16), np.float32), np.ones((8, 16), np.float32))
    rows = ablation(
        SESSIONS,
        VOCABULARY,
        TrainingOptions(dimensions=8, epochs=1),
        lambda trained: {"size": float(trained.vectors.shape[1]), "mean": float(np.abs(trained.vectors).max())},
        seeds=[1],
        start=warm,
        leave_out=["32 dimensions"],
    )
    assert {row.variant: row.value.mean for row in rows if row.figure == "size"}["32 dimensions"] == 32
    assert all(row.value.mean < 0.5 for row in rows if row.figure == "mean")
