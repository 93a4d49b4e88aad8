"""The interval for a total: exact bounds where few are seen, and the coverage that it promises."""

from math import exp, factorial

import numpy as np
import pytest

from srp_assets.recall.estimate.interval import CONFIDENCE, total_interval

SHARE = 0.01


def test_everything_is_exact() -> None:
    found = total_interval([3, 4], 1.0)
    assert (found.total, found.low, found.high) == (7, 7, 7)


def test_no_case_in_the_sample_still_bounds_the_total() -> None:
    found = total_interval([], SHARE)
    assert (found.total, found.low) == (0, 0)
    # No case is seen with a probability of 2.5 % where that many are expected in the sample: exp(-m) = 0.025.
    assert found.high * SHARE == pytest.approx(-np.log(0.025))


@pytest.mark.parametrize("seen", [1, 4, 12])
def test_roots_of_one_case_get_the_exact_interval_of_a_poisson_count(seen: int) -> None:
    found = total_interval([1] * seen, 1e-9)

    def at_most(count: int, mean: float) -> float:
        return sum(exp(-mean) * mean**number / factorial(number) for number in range(count + 1))

    assert 1 - at_most(seen - 1, found.low * 1e-9) == pytest.approx(0.025)
    assert at_most(seen, found.high * 1e-9) == pytest.approx(0.025, rel=1e-6)


def test_cases_that_come_together_are_worth_less_than_cases_apart() -> None:
    apart, together = total_interval([1] * 60, SHARE), total_interval([10] * 6, SHARE)
    assert apart.total == together.total
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_the_total_is_at_least_what_was_seen() -> None:
    assert total_interval([100], SHARE).low >= 100


def population(name: str, roots: int, random: np.random.Generator) -> np.ndarray:
    """Cases of each root that has any."""
    if name == "one each":
        return np.ones(roots, dtype=int)
    if name == "geometric":
        return random.geometric(0.4, roots)
    return np.ceil(random.lognormal(0.5, 1.0, roots)).astype(int)


@pytest.mark.parametrize("roots", [600, 2_000, 6_000])
@pytest.mark.parametrize("name", ["one each", "geometric", "skewed"])
def test_the_interval_covers_the_truth_as_often_as_it_says(name: str, roots: int) -> None:
    """Samples of one percent, each of another population: 93 to 98 % of the intervals hold the truth."""
    random = np.random.default_rng(roots)
    trials = 3_000
    covered = 0
    for _ in range(trials):
        cases = population(name, roots, random)
        found = total_interval(cases[random.random(roots) < SHARE].tolist(), SHARE)
        covered += found.low <= cases.sum() <= found.high
    assert CONFIDENCE - 0.02 <= covered / trials <= CONFIDENCE + 0.03, covered / trials


@pytest.mark.parametrize("roots", [20, 100])
def test_rare_cases_are_covered_at_least_as_often(roots: int) -> None:
    """Where a sample holds about one case or none, counts are too coarse for exactly 95 %: the interval errs to the safe side."""
    random = np.random.default_rng(roots)
    trials = 1_500
    intervals = [total_interval([1] * int(random.binomial(roots, SHARE)), SHARE) for _ in range(trials)]
    assert sum(found.low <= roots <= found.high for found in intervals) / trials >= CONFIDENCE
