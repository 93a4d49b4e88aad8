"""Drift: the index by hand, and what it says of values that moved or did not."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.features.declaration.model import Drift
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.drift import drift_of, stability_index

RULES = Drift()


def pairs(values: Sequence[float | str | None]) -> pa.Table:
    texts = any(isinstance(value, str) for value in values)
    rows = [
        {"feature": "own", "served": None if texts else value, "served_text": value if texts else None, "state": "compared"}
        for value in values
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS)


def gauss(mean: float, spread: float, seed: int) -> list[float | None]:
    random = Random(seed)
    return [random.gauss(mean, spread) for _ in range(3_000)]


def test_the_index_is_the_sum_over_buckets() -> None:
    shares = [(20.5 / 101, 30.5 / 101), (80.5 / 101, 70.5 / 101)]
    expected = sum((now - before) * math.log(now / before) for before, now in shares)
    assert stability_index(np.array([20.0, 80.0]), np.array([30.0, 70.0])) == pytest.approx(expected)
    assert stability_index(np.array([5.0, 0.0]), np.array([5.0, 0.0])) == 0


@pytest.mark.parametrize(
    ("expected", "found", "drifted"),
    [
        (gauss(0, 1, 1), gauss(0, 1, 2), False),
        (gauss(0, 1, 1), gauss(1, 1, 2), True),
        (gauss(0, 1, 1), gauss(0, 2, 2), True),
        ([0.0] * 2_000 + [1.0] * 1_000, [0.0] * 1_950 + [1.0] * 1_050, False),
        ([0.0] * 2_000 + [1.0] * 1_000, [0.0] * 1_000 + [1.0] * 2_000, True),
        ([1.0] * 3_000, [2.0] * 3_000, True),
        (["a"] * 2_000 + ["b"] * 1_000, ["b"] * 1_020 + ["a"] * 1_980, False),
        (["a"] * 2_000 + ["b"] * 1_000, ["c"] * 2_000 + ["b"] * 1_000, True),
        ([f"item {number}" for number in range(3_000)], [f"other {number}" for number in range(3_000)], False),
        ([1.0] * 3_000, [1.0] * 2_800 + [None] * 200, True),
        ([1.0] * 3_000, [1.0] * 2_900 + [None] * 100, False),
        ([None] * 3_000, [None] * 3_000, False),
    ],
    ids=["same", "moved", "wider", "counts", "other counts", "constant", "texts", "other texts", "ids", "nulls", "few nulls", "all null"],
)
def test_what_moved_is_found(expected: list[float | str | None], found: list[float | str | None], drifted: bool) -> None:
    (own,) = drift_of(pairs(expected), pairs(found), RULES)
    assert own.drifted is drifted


def test_buckets_hold_about_as_many_values() -> None:
    """By hand: 90 % of the values fell into the tenth that was the lowest before."""
    expected = [float(number) for number in range(1_000)]
    (own,) = drift_of(pairs(expected), pairs([0.0] * 900 + [950.0] * 100), RULES)
    shares = [(100.5, 900.5), *[(100.5, 0.5)] * 8, (100.5, 100.5)]
    index = sum((now - before) / 1_005 * math.log(now / before) for before, now in shares)
    assert own.index == pytest.approx(index)


def test_a_feature_of_one_side_alone_is_not_compared() -> None:
    assert drift_of(PAIRS.empty_table(), pairs([1.0]), RULES) == []
