"""The measures against their definitions, pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.models.measures import auc, log_loss

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=30)


@given(ROWS)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int, int]]) -> None:
    pairs = [(a, b) for a in rows if a[0] for b in rows if not b[0]]
    found = auc(*(np.array(column) for column in zip(*rows, strict=True)))
    if not pairs:
        assert math.isnan(found)
        return
    right = sum(a[2] * b[2] * (1.0 if a[1] > b[1] else 0.5 if a[1] == b[1] else 0.0) for a, b in pairs)
    assert found == pytest.approx(right / sum(a[2] * b[2] for a, b in pairs))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99), st.floats(0.1, 3)), min_size=1, max_size=20))
def test_log_loss_is_the_mean_of_the_logarithms(rows: list[tuple[bool, float, float]]) -> None:
    wanted = sum(-w * math.log(p if y else 1 - p) for y, p, w in rows) / sum(w for _, _, w in rows)
    assert log_loss(*(np.array(column) for column in zip(*rows, strict=True))) == pytest.approx(wanted)


def test_a_wrong_certainty_is_not_infinite() -> None:
    assert 20 < log_loss(np.array([True]), np.array([0.0])) < 40
    assert math.isnan(log_loss(np.zeros(0), np.zeros(0)))
