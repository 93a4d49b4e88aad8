"""When the values that were served agree with those that were computed again: the rules, on plain figures of one feature.

Each rule is a function of `FeatureStatistics` and `Tolerances` that gives the problem in a sentence, or None where there is none. What
applies them to a Spark frame is `parity.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LEVELS: tuple[float, ...] = tuple(step / 20 for step in range(21))
"""The levels at which quantiles are taken: 0, 5 %, .., 100 %. A quantile may be off by one of these steps."""

SAME = 1e-9
"""Relative difference of two float64 that were summed in another order (contract 8); no more than that is ever a difference."""


@dataclass(frozen=True)
class Tolerances:
    """How far served and recomputed values of a feature may lie apart.

    Args:
        rows: compared rows below which there is no verdict but a failure.
        share: of the recomputed mean, and of the recomputed variance, by which the served one may differ.
        near_zero: a mean nearer to zero than this share of the standard deviation is measured against that share of the deviation.
        nulls: difference of the shares of nulls.
        mismatches: share of rows whose two values differ.
    """

    rows: int = 1000
    share: float = 0.05
    near_zero: float = 0.1
    nulls: float = 0.01
    mismatches: float = 0.001


@dataclass(frozen=True)
class Side:
    """One side's values: how many are null, and of the others the mean, the population variance and the quantiles at `LEVELS`."""

    nulls: int
    mean: float | None
    variance: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class FeatureStatistics:
    """A feature in the compared sample.

    Args:
        rows: compared.
        mismatches: of these, rows whose two values differ; a null on one side alone is a difference.
        missing: sampled rows that were served without the feature.
        foreign: sampled rows that were served under another version of the feature than the declared one.
        defaulted: compared rows that are flagged as answered by the default because the store could not be asked.
        served: what was served.
        offline: what was computed again.
    """

    rows: int
    mismatches: int
    missing: int
    foreign: int
    defaulted: int
    served: Side
    offline: Side

    @property
    def mismatch_rate(self) -> float:
        """Share of the compared rows whose values differ."""
        return self.mismatches / self.rows if self.rows else 0.0


Rule = Callable[[FeatureStatistics, Tolerances], str | None]


def allowed_difference_of_means(offline: Side, tolerances: Tolerances) -> float:
    """The share of the mean, or of a part of the standard deviation where the mean is nearer to zero than that part."""
    mean, variance = offline.mean or 0.0, offline.variance or 0.0
    return tolerances.share * max(abs(mean), tolerances.near_zero * variance**0.5) + SAME * abs(mean)


def evidence_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether there are enough rows, and every sampled row has the feature in its declared version."""
    if found.missing:
        return f"{found.missing:,} rows were served without it"
    if found.foreign:
        return f"{found.foreign:,} rows were served under another version of it"
    if found.rows < tolerances.rows:
        return f"{found.rows:,} rows are too few; {tolerances.rows:,} are needed"
    return None


def mean_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether the means agree; where one side has no values, the other must have none either."""
    served, offline = found.served.mean, found.offline.mean
    if served is None or offline is None:
        return None if served is offline else f"the served mean is {_figure(served)}, the recomputed one {_figure(offline)}"
    if abs(served - offline) <= allowed_difference_of_means(found.offline, tolerances):
        return None
    return f"the served mean is {_figure(served)}, the recomputed one {_figure(offline)}"


def variance_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether the variances agree (not the standard deviations: 5 % of one would be 10 % of the other)."""
    served, offline = found.served.variance, found.offline.variance
    if served is None or offline is None:
        return None if served is offline else f"the served variance is {_figure(served)}, the recomputed one {_figure(offline)}"
    # Rounding alone gives a constant column a variance of some 1e-16 of its square.
    rounding = SAME * (found.offline.mean or 0.0) ** 2
    if abs(served - offline) <= tolerances.share * offline + rounding:
        return None
    return f"the served variance is {_figure(served)}, the recomputed one {_figure(offline)}"


def nulls_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether about the same share is null on both sides."""
    if abs(found.served.nulls - found.offline.nulls) <= tolerances.nulls * found.rows:
        return None
    return f"{found.served.nulls:,} served values are null, {found.offline.nulls:,} recomputed ones, of {found.rows:,}"


def quantiles_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether each served quantile lies between the recomputed ones a step below and a step above it, or as near as a mean has to be.

    Comparing ranks as well as values holds for counts, whose quantiles jump, and for amounts with long tails.
    """
    served, offline = found.served.quantiles, found.offline.quantiles
    if not served or not offline:
        return None if served == offline else "one side has no values"
    least = tolerances.near_zero * (found.offline.variance or 0.0) ** 0.5
    for place in range(1, len(LEVELS) - 1):
        allowed = tolerances.share * max(abs(offline[place]), least)
        if not offline[place - 1] - allowed <= served[place] <= offline[place + 1] + allowed:
            return f"the served {LEVELS[place]:.0%} quantile is {_figure(served[place])}, the recomputed one {_figure(offline[place])}"
    return None


def values_problem(found: FeatureStatistics, tolerances: Tolerances) -> str | None:
    """Whether the two values of a row are the same, in all but a small share of the rows."""
    if found.mismatches <= tolerances.mismatches * found.rows:
        return None
    flagged = f", {found.defaulted:,} are flagged as defaults" if found.defaulted else ""
    return f"{found.mismatches:,} of {found.rows:,} values differ{flagged}"


RULES: Mapping[str, Rule] = {
    "evidence": evidence_problem,
    "mean": mean_problem,
    "variance": variance_problem,
    "nulls": nulls_problem,
    "quantiles": quantiles_problem,
    "values": values_problem,
}
"""All that is expected of a feature, by the name under which it is reported."""


@dataclass(frozen=True)
class Judgement:
    """What came of judging a sample.

    Args:
        statistics: the figures of each feature that rows were found of.
        problems: what is wrong with each feature, by rule; nothing where all is well.
        page: the first page of the documents, if they were built.
    """

    statistics: Mapping[str, FeatureStatistics]
    problems: Mapping[str, Mapping[str, str]]
    page: Path | None


def problems_of(found: FeatureStatistics | None, tolerances: Tolerances) -> dict[str, str]:
    """What is wrong with a feature, by rule; a feature that nothing was found of has no evidence."""
    if found is None:
        return {"evidence": "no row was compared"}
    problems = {name: rule(found, tolerances) for name, rule in RULES.items()}
    return {name: problem for name, problem in problems.items() if problem is not None}


def _figure(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"
