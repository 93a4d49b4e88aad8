"""Weights, propensities, sampling and splits equal their naive references, and find what generated clicks were made with."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.training.propensities import Examination, examination_by_regression, examination_of_randomised
from srp_assets.training.reference import (
    naive_em,
    naive_examination,
    naive_recalibration,
    naive_split,
    naive_weights,
)
from srp_assets.training.sampling import kept_rows, recalibrated, uniform_of_ids
from srp_assets.training.splits import newest_whole_day, time_split
from srp_assets.training.weights import effective_rows, weight_rule

ROWS = st.lists(st.tuples(st.none() | st.floats(0.001, 1), st.integers(1, 6), st.booleans()), min_size=1, max_size=30)


@given(ROWS, st.sampled_from(["given", "none", "randomised"]), st.floats(1, 50), st.dictionaries(st.integers(1, 8), st.floats(0.01, 1)))
def test_weights_equal_the_naive_ones(rows: list, weighting: str, limit: float, places: dict[int, float]) -> None:
    examination = Examination("randomised", places, {}, 0) if places else None
    propensities = np.array([np.nan if row[0] is None else row[0] for row in rows])
    positions, clicked = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    rule = weight_rule(weighting, limit, propensities, positions, clicked, examination)  # type: ignore[arg-type]
    found = rule.weights(propensities, positions, clicked)
    assert found == pytest.approx(naive_weights(weighting, limit, rows, places), rel=1e-12)
    assert found.mean() == pytest.approx(1)


def test_effective_rows() -> None:
    assert effective_rows(10, 10) == 10
    assert effective_rows(4 * 1.0 + 1 * 100.0, 4 + 100.0**2) == pytest.approx(104**2 / 10_004)
    assert effective_rows(0, 0) == 0


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=60))
def test_examination_by_chance_equals_the_naive_one(rows: list) -> None:
    columns = [np.array([row[place] for row in rows], dtype=type_) for place, type_ in ((0, np.int64), (1, bool), (2, bool))]
    found = examination_of_randomised(*columns)
    assert (dict(found.by_position) if found else {}) == pytest.approx(naive_examination(rows))


def generated_clicks(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places, clicks, whether chance chose, and one number that tells the relevance; better items stand further up."""
    random = np.random.default_rng(seed)
    number = random.normal(size=rows)
    explored = random.random(rows) < 0.3
    ranked = np.clip(3 - np.round(number + random.normal(size=rows)), 1, 5).astype(np.int64)
    positions = np.where(explored, random.integers(1, 6, rows), ranked)
    clicked = random.random(rows) < positions**-0.7 / (1 + np.exp(1 - number))
    return positions, clicked, explored, number


def test_both_estimates_find_how_likely_places_are_looked_at_and_click_rates_do_not() -> None:
    positions, clicked, explored, number = generated_clicks(60_000, seed=5)
    truth = {place: place**-0.7 for place in range(1, 6)}
    by_chance = examination_of_randomised(positions, clicked, explored)
    by_regression = examination_by_regression(positions, clicked, number[:, None])
    assert by_chance is not None
    assert by_regression is not None
    for place, expected in truth.items():
        assert abs(by_chance.by_position[place] - expected) < 4 * max(by_chance.standard_errors[place], 1e-9)
        assert by_regression.by_position[place] == pytest.approx(expected, abs=0.04)
    rates = {place: clicked[positions == place].mean() for place in truth}
    assert abs(rates[5] / rates[1] - truth[5]) > 0.1


def test_regression_em_agrees_with_em_over_items() -> None:
    random = np.random.default_rng(3)
    items = random.integers(0, 4, 3_000)
    positions = random.integers(1, 4, 3_000)
    clicked = random.random(3_000) < positions**-0.7 * np.array([0.2, 0.4, 0.6, 0.8])[items]
    rows = [(int(place), bool(hit), str(item)) for place, hit, item in zip(positions, clicked, items, strict=True)]
    found = examination_by_regression(positions, clicked, np.eye(4)[items])
    assert found is not None
    assert dict(found.by_position) == pytest.approx(naive_em(rows, rounds=40), abs=0.02)


def test_nothing_is_estimated_without_clicks() -> None:
    nothing = np.zeros(4, dtype=bool)
    assert examination_of_randomised(np.arange(1, 5), nothing, ~nothing) is None
    assert examination_by_regression(np.arange(1, 5), nothing, np.zeros((4, 1))) is None


def test_an_unknown_place_is_taken_for_the_nearest() -> None:
    examination = Examination("randomised", {1: 1.0, 3: 0.5}, {}, 0)
    assert examination.of(np.array([1, 2, 3, 9])).tolist() == [1.0, 1.0, 0.5, 0.5]


@given(st.floats(0, 1), st.floats(0.01, 1))
def test_recalibration_equals_the_naive_one(probability: float, share: float) -> None:
    assert recalibrated(np.array([probability]), share)[0] == pytest.approx(naive_recalibration(probability, share), rel=1e-9, abs=1e-12)


def test_down_sampling_keeps_positives_and_a_share_of_the_rest_and_is_undone_by_recalibration() -> None:
    ids = pa.array([f"impression-{number}" for number in range(40_000)])
    positive = np.random.default_rng(1).random(40_000) < 0.05
    kept = kept_rows(ids, positive, 0.1, seed=7)
    assert kept[positive].all()
    assert kept[~positive].mean() == pytest.approx(0.1, abs=0.01)
    assert (kept == kept_rows(ids, positive, 0.1, seed=7)).all()
    assert (kept != kept_rows(ids, positive, 0.1, seed=8)).any()
    rate = positive[kept].mean()
    assert recalibrated(np.array([rate]), 0.1)[0] == pytest.approx(positive.mean(), rel=0.05)


def test_hashes_of_ids_do_not_depend_on_how_they_lie_in_memory() -> None:
    ids = ["", "a", "abcdefgh", "abcdefghi", "Ü" * 20, None]
    whole = uniform_of_ids(pa.array(ids, pa.string()), seed=1)
    parts = [uniform_of_ids(pa.array([one], pa.string()), seed=1)[0] for one in ids]
    sliced = uniform_of_ids(pa.array(["x", *ids], pa.large_string()).slice(1), seed=1)
    assert whole.tolist() == parts == sliced.tolist()
    assert len(set(parts[:-1])) == 5
    assert uniform_of_ids(pa.array([], pa.string()), seed=1).tolist() == []


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 3), st.integers(0, 8))
def test_splits_equal_the_naive_ones_and_leave_a_gap(numbers: set[int], validation_days: int, gap_days: int) -> None:
    days = [str(date(2024, 3, 1) + timedelta(days=number)) for number in numbers]
    train, judged = naive_split(days, validation_days, gap_days)
    if not train:
        with pytest.raises(InvalidInput, match="judged ones"):
            time_split(days, validation_days, gap_days)
        return
    split = time_split(days, validation_days, gap_days)
    assert (list(split.train), list(split.validation)) == (train, judged)
    assert sorted((*split.train, *split.gap, *split.validation)) == sorted(days)


def test_a_split_may_train_on_some_days_alone() -> None:
    days = [f"2024-03-{day:02d}" for day in range(1, 21)]
    split = time_split(days, 2, 3, train_days=5)
    assert split.train == tuple(days[10:15])
    assert split.gap == tuple(days[15:18])


def test_a_day_with_few_rows_is_not_looked_at() -> None:
    assert newest_whole_day({"2024-03-01": 900, "2024-03-02": 1_000, "2024-03-03": 20, "2024-03-04": 0}) == "2024-03-02"
    assert newest_whole_day({"2024-03-01": 3}) == "2024-03-01"
    assert newest_whole_day({"2024-03-01": 0}) is None
    assert newest_whole_day({}) is None
