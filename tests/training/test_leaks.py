"""The leak test by shifted time: honest features pass, a planted look ahead does not; few rows accuse nobody."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.training.leaks import leak_findings, strength


@given(st.lists(st.tuples(st.booleans(), st.one_of(st.just(float("nan")), st.integers(-3, 3).map(float))), min_size=2, max_size=30))
def test_strength_is_the_share_of_rightly_ordered_pairs(rows: list[tuple[bool, float]]) -> None:
    happened, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if happened.all() or not happened.any():
        return
    ranked = np.where(np.isnan(values), -np.inf, values)
    pairs = [(own > other) + (own == other) / 2 for own in ranked[happened] for other in ranked[~happened]]
    assert strength(happened, values) == pytest.approx(abs(sum(pairs) / len(pairs) - 0.5))


def rows_of(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    honest = random.normal(size=count)
    clicked = random.random(count) < 1 / (1 + np.exp(2 - honest))
    return {"clicked": clicked, "order": np.zeros(count, bool)}, honest, random.normal(size=count)


def test_what_looks_ahead_is_found_and_what_drifts_is_not() -> None:
    labels, honest, noise = rows_of(4_000, seed=1)
    planted = noise + 2 * labels["clicked"]
    stored = {"honest": honest, "planted": planted, "noise": noise}
    earlier = {"honest": honest + 0.3 * np.random.default_rng(2).normal(size=4_000), "planted": noise, "noise": noise}
    found = leak_findings(labels, stored, earlier)
    assert [finding.feature for finding in found if finding.is_leak] == ["planted"]
    assert found[0].feature == "planted"
    assert {finding.label for finding in found} == {"clicked"}


def test_few_rows_accuse_nobody() -> None:
    for seed in range(20):
        labels, honest, noise = rows_of(60, seed)
        found = leak_findings({"clicked": labels["clicked"]}, {"noise": noise, "honest": honest}, {"noise": -noise[::-1], "honest": honest})
        assert not any(finding.is_leak for finding in found)
