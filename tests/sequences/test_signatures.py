"""The approximate soft search: signatures tell angles, what is found has its exact score, and little is missed."""

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.declaration import Sequence
from srp_assets.sequences.search.attributes import ITEM, AttributeIndex
from srp_assets.sequences.search.described import Described
from srp_assets.sequences.search.searching import Finals, PreparedSequence, SearchVectors
from srp_assets.sequences.search.signatures import BITS, signatures_of

ITEMS, ACTIONS, CANDIDATES, LENGTH = 400, 900, 40, 20
NOW = 20_000 * MICROSECONDS_OF_DAY


@pytest.fixture(scope="module")
def vectors() -> ItemVectors:
    """Items in ten clusters, as items of categories are."""
    random = np.random.default_rng(1)
    matrix = random.standard_normal((10, 16))[random.integers(0, 10, ITEMS)] + 0.5 * random.standard_normal((ITEMS, 16))
    return ItemVectors("v", pa.array([f"i{number}" for number in range(ITEMS)]), matrix.astype(np.float32))


def searched(small: Definitions, vectors: ItemVectors, *, approximate: bool) -> list[dict[int, float]]:
    """By candidate the places that are found, with their scores."""
    random = np.random.default_rng(2)
    times = NOW - 1 - np.sort(random.integers(0, 30 * MICROSECONDS_OF_DAY, ACTIONS))
    items = np.array([digest_of(f"i{number}") for number in random.integers(0, ITEMS, ACTIONS)])
    columns = {ITEM: items}
    described = Described(times, times, columns.__getitem__, columns.__getitem__, AttributeIndex(small, {}))
    final = {"search": "soft", "length": LENGTH, "approximate": approximate, "half_life_days": 30}
    sequence = Sequence.model_validate({"name": "s", "description": "x", "final": final})
    prepared = PreparedSequence(sequence, described, SearchVectors(vectors))
    candidates = np.array([digest_of(f"i{number}") for number in range(CANDIDATES)])
    found: Finals = prepared.final(np.arange(ACTIONS), NOW, candidates)
    parts = zip(np.split(found.rows, found.offsets[1:-1]), np.split(found.scores, found.offsets[1:-1]), strict=True)
    return [dict(zip(rows.tolist(), scores.tolist(), strict=True)) for rows, scores in parts]


def test_what_is_found_has_its_exact_score_and_little_is_missed(small: Definitions, vectors: ItemVectors) -> None:
    exact = searched(small, vectors, approximate=False)
    approximate = searched(small, vectors, approximate=True)
    recalls = []
    for own, its in zip(exact, approximate, strict=True):
        assert len(own) == len(its) == LENGTH
        both = own.keys() & its.keys()
        assert all(own[place] == its[place] for place in both)
        assert max(its.values()) <= max(own.values())
        recalls.append(len(both) / LENGTH)
    # Not everything, or the search would not be an approximate one.
    assert 0.85 < np.mean(recalls) < 1


def test_signatures_differ_as_angles_do() -> None:
    random = np.random.default_rng(3)
    first, second = random.standard_normal((2, 2_000, 8)).astype(np.float32)
    cosines = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    differing = np.bitwise_count(signatures_of(first) ^ signatures_of(second)) / BITS
    # The same planes for all pairs, so more than the chance of independent bits.
    assert np.abs(differing - np.arccos(cosines) / np.pi).mean() < 0.1
    assert np.corrcoef(differing, np.arccos(cosines))[0, 1] > 0.8
    assert np.array_equal(signatures_of(first), signatures_of(3 * first))
