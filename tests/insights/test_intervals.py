"""Intervals hold the truth as often as they say, whatever the strata; and equal what is known of simple cases."""

import numpy as np
import pytest

from srp_assets.insights.intervals import Sample, proportion, simple_sample, wilson
from srp_assets.insights.sheets.sample_sheet import allocate

ROUNDS = 700


def stratified(random: np.random.Generator, populations: list[np.ndarray], size: int) -> Sample:
    """A stratified sample of populations of verdicts, as a sheet draws it."""
    drawn = allocate([len(population) for population in populations], size)
    right, weight, stratum, marked, left_out = [], [], [], [], []
    for number, (population, count) in enumerate(zip(populations, drawn, strict=True)):
        right.append(random.choice(population, count, replace=False))
        weight.append(np.full(count, len(population) / count))
        stratum.append(np.full(count, number))
        marked.append(np.full(count, count))
        left_out.append(np.full(count, 1 - count / len(population)))
    return Sample(*(np.concatenate(column) for column in (right, weight, stratum, marked, left_out)))


def populations(random: np.random.Generator, cases: int, strata: int, beta: tuple[float, float]) -> list[np.ndarray]:
    """Strata of falling sizes, each with a precision of its own."""
    sizes = np.maximum(3, (cases / np.arange(1, strata + 1) / (1 / np.arange(1, strata + 1)).sum()).astype(int))
    return [random.random(size) < share for size, share in zip(sizes, random.beta(*beta, strata), strict=True)]


@pytest.mark.parametrize(
    ("size", "cases", "strata", "beta"),
    [
        pytest.param(60, 5_000, 8, (8, 2), id="small sheet"),
        pytest.param(200, 20_000, 20, (6, 1.5), id="usual sheet"),
        pytest.param(200, 20_000, 60, (1, 0.5), id="words that differ much"),
        pytest.param(100, 300, 5, (5, 2), id="a third of all cases"),
        pytest.param(400, 1_000, 40, (3, 3), id="many words of middling precision"),
        pytest.param(150, 30_000, 1, (8, 2), id="one stratum"),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(size: int, cases: int, strata: int, beta: tuple[float, float]) -> None:
    random = np.random.default_rng(20_260_301)
    held = 0
    for _ in range(ROUNDS):
        found = populations(random, cases, strata, beta)
        interval = proportion(stratified(random, found, size))
        assert interval is not None
        held += interval.low <= np.concatenate(found).mean() <= interval.high
    assert 0.93 <= held / ROUNDS <= 0.98


def test_intervals_of_a_part_of_the_cases_hold_its_share() -> None:
    """A word that cuts across strata: its cases are known by the strata of others."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(ROUNDS):
        found = populations(random, 8_000, 12, (4, 2))
        belongs = [random.random(len(population)) < share for population, share in zip(found, random.random(12), strict=True)]
        packed = [population + 2 * mine for population, mine in zip(found, belongs, strict=True)]
        drawn = stratified(random, packed, 240)
        sample = Sample(drawn.right % 2 == 1, drawn.weight, drawn.stratum, drawn.marked, drawn.left_out).where(drawn.right >= 2)
        truth = np.concatenate(found)[np.concatenate(belongs)].mean()
        interval = proportion(sample)
        held += interval is not None and interval.low <= truth <= interval.high
    assert 0.93 <= held / ROUNDS <= 0.98


def test_weighted_shares_are_unbiased() -> None:
    random = np.random.default_rng(7)
    found = populations(random, 4_000, 15, (2, 2))
    estimates = [proportion(stratified(random, found, 90)).estimate for _ in range(600)]
    truth = np.concatenate(found).mean()
    # Some estimates of a mean lie further from it than three times their standard error: this seed's do not.
    assert abs(np.mean(estimates) - truth) < 3 * np.std(estimates) / np.sqrt(len(estimates))


def test_a_simple_sample_has_wilsons_interval() -> None:
    right = np.arange(50) < 40
    interval = proportion(simple_sample(right, 10**9))
    assert interval is not None
    assert (interval.estimate, interval.effective_sample_size) == (0.8, pytest.approx(50, rel=1e-6))
    # Wilson's interval for 40 of 50, as it stands in tables.
    assert (interval.low, interval.high) == (pytest.approx(0.6696, abs=1e-4), pytest.approx(0.8876, abs=1e-4))
    assert wilson(0.0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))


def test_what_is_marked_whole_is_exact() -> None:
    interval = proportion(simple_sample(np.array([True, True, False, True]), 4))
    assert interval is not None
    assert (interval.low, interval.estimate, interval.high, interval.effective_sample_size) == (0.75, 0.75, 0.75, float("inf"))


def test_nothing_marked_says_nothing() -> None:
    assert proportion(simple_sample(np.empty(0, dtype=np.bool_), 10)) is None


def test_uneven_weights_cost_effective_marks() -> None:
    """Kish's formula: with weights 1 and 9 half and half, one of 1.64 marks is left."""
    weight = np.tile([1.0, 9.0], 50)
    one = np.zeros(100, dtype=np.int64)
    sample = Sample(np.ones(100, dtype=np.bool_), weight, one, one + 100, np.ones(100))
    assert proportion(sample).effective_sample_size == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
