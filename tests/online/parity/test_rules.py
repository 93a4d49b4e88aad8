"""The rules of parity: what each fault breaks, and that what is the same breaks nothing."""

from collections.abc import Callable
from random import Random

import pytest

from expectations.parity_rules import RULES, Tolerances, problems_of
from srp_assets.online.parity.reference import Pair, statistics_of

ROWS = 2_000
TOLERANCES = Tolerances()

Values = list[float | None]


def amounts(seed: int = 1) -> Values:
    """Amounts with a long tail, some of them zero, some null."""
    random = Random(seed)
    return [None if random.random() < 0.1 else 0.0 if random.random() < 0.2 else random.lognormvariate(3, 1) for _ in range(ROWS)]


def pairs_of(served: Values, offline: Values) -> list[Pair]:
    rows = zip(served, offline, strict=True)
    return [Pair("compared", found, expected, found != expected, False) for found, expected in rows]


def broken(served: Values, offline: Values) -> set[str]:
    return set(problems_of(statistics_of(pairs_of(served, offline)), TOLERANCES))


def changed(values: Values, change: Callable[[float], float]) -> Values:
    return [None if value is None else change(value) for value in values]


def mean_of(values: Values) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


MEAN = mean_of(amounts())

FAULTS: dict[str, tuple[Callable[[Values], Values], set[str]]] = {
    "nothing": (lambda values: list(values), set()),
    "a few values": (lambda values: [*values[:-2], 1.0, 2.0], set()),
    "a unit slip": (lambda values: changed(values, lambda value: value * 100), {"mean", "variance", "quantiles", "values"}),
    "3 % more": (lambda values: changed(values, lambda value: value * 1.02), {"values"}),
    "7 % more": (lambda values: changed(values, lambda value: value * 1.07), {"mean", "variance", "values"}),
    "a wider spread": (lambda values: changed(values, lambda value: MEAN + (value - MEAN) * 1.03), {"variance", "quantiles", "values"}),
    "other rows' values": (lambda values: [*values[1:], values[0]], {"values"}),
    "null for some": (lambda values: [None if number % 20 == 0 else value for number, value in enumerate(values)], {"nulls", "values"}),
    "the default for null": (
        lambda values: [0.0 if value is None else value for value in values],
        {"mean", "variance", "nulls", "quantiles", "values"},
    ),
    "the default for all": (lambda _: [0.0] * ROWS, {"mean", "variance", "nulls", "quantiles", "values"}),
    "null for all": (lambda _: [None] * ROWS, {"mean", "variance", "nulls", "quantiles", "values"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_breaks_its_rules(fault: str) -> None:
    spoil, expected = FAULTS[fault]
    offline = amounts()
    assert broken(spoil(offline), offline) == expected


def test_every_rule_is_broken_by_something() -> None:
    assert set().union(*(expected for _, expected in FAULTS.values())) == set(RULES) - {"evidence"}


def test_the_variance_is_looked_at_itself() -> None:
    """Where the standard deviation is off by 4 %, the variance is by 8 %."""
    offline: Values = [float(number % 2) * 2 - 1 + 100 for number in range(ROWS)]
    assert broken(changed(offline, lambda value: 100 + (value - 100) * 1.04), offline) == {"variance", "values"}
    assert broken(changed(offline, lambda value: 100 + (value - 100) * 1.02), offline) == {"values"}


@pytest.mark.parametrize(("shift", "holds"), [(0.004, True), (0.006, False)])
def test_a_mean_near_zero_is_measured_by_the_spread(shift: float, holds: bool) -> None:
    """The mean is 0 and the deviation 1: a twentieth of a tenth of the deviation may be between the means."""
    offline: Values = [float(number % 2) * 2 - 1 for number in range(ROWS)]
    assert ("mean" not in broken(changed(offline, lambda value: value + shift), offline)) is holds


def test_a_constant_agrees_with_itself_alone() -> None:
    offline: Values = [0.1] * ROWS
    assert broken([0.1 * (1 + 1e-12)] * ROWS, offline) <= {"values"}
    assert broken([0.11] * ROWS, offline) == {"mean", "quantiles", "values"}
    assert broken([0.0] * ROWS, [0.0] * ROWS) == set()
    assert broken([None] * ROWS, [None] * ROWS) == set()


def test_counts_whose_quantiles_jump_agree_by_their_ranks() -> None:
    """Half of the values are 0: moving a few rows makes the median jump, and not its rank."""
    offline: Values = [0.0] * (ROWS // 2) + [9.0] * (ROWS // 2)
    assert "quantiles" not in broken([0.0] * (ROWS // 2 + 40) + [9.0] * (ROWS // 2 - 40), offline)
    assert "quantiles" in broken([0.0] * (ROWS // 2 + 240) + [9.0] * (ROWS // 2 - 240), offline)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda pairs: pairs[:999], "999 rows are too few; 1,000 are needed"),
        (lambda pairs: [Pair("missing", None, 1.0, False, False), *pairs], "1 rows were served without it"),
        (lambda pairs: [Pair("foreign", 1.0, 1.0, False, False), *pairs], "1 rows were served under another version of it"),
        (lambda _: [], "0 rows are too few; 1,000 are needed"),
    ],
    ids=["too few", "missing", "another version", "none"],
)
def test_half_an_evidence_is_none(spoil: Callable[[list[Pair]], list[Pair]], problem: str) -> None:
    pairs = pairs_of(amounts(), amounts())
    assert problems_of(statistics_of(pairs), TOLERANCES) == {}
    assert problems_of(statistics_of(spoil(pairs)), TOLERANCES) == {"evidence": problem}


def test_no_row_at_all_is_no_evidence() -> None:
    assert problems_of(None, TOLERANCES) == {"evidence": "no row was compared"}


def test_flagged_defaults_are_named() -> None:
    offline = amounts()
    pairs = [Pair("compared", 0.0, value, value != 0.0, True) for value in offline]
    assert "2,000 are flagged as defaults" in problems_of(statistics_of(pairs), TOLERANCES)["values"]
