"""From a value and its resamples to an interval."""

from dataclasses import dataclass

import numpy as np

from srp_assets.evaluation.arrays import Floats

CONFIDENCE = 0.95

LEAST_DEFINED = 0.9
"""Share of the resamples in which a metric must be defined: where it often is not, too few rows have the label for any interval."""


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval; all NaN where it is not defined, the bounds where no interval can be told."""

    value: float
    low: float
    high: float

    def as_list(self) -> list[float | None]:
        """Value, low and high for JSON, where NaN is null."""
        return [None if np.isnan(number) else float(number) for number in (self.value, self.low, self.high)]


def interval_of_norm(value: float, distances: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """An interval for the norm of a vector, which chance alone lengthens, so that quantiles of its resamples lie to one side of the truth.

    By the triangle inequality the norm is no further from the true one than the vector is from the true vector; how far that is, resamples
    tell. So the interval holds the truth at least as often as asked, and mostly more often.

    Args:
        value: the norm of all units' vector.
        distances: the norm of each resample's difference from that vector, shape (resamples,); NaN where it is not defined.
        confidence: how often the interval shall hold the truth at least.
    """
    defined = distances[np.isfinite(distances)]
    if not np.isfinite(value) or len(defined) < max(2, LEAST_DEFINED * len(distances)):
        return Estimate(value, float("nan"), float("nan"))
    radius = float(np.quantile(defined, confidence))
    return Estimate(value, value - radius, value + radius)


def interval(value: float, resamples: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """The percentile interval (B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979).

    Args:
        value: of all units.
        resamples: of each resample, shape (resamples,); NaN where it is not defined.
        confidence: how often the interval shall hold the truth.
    """
    defined = resamples[np.isfinite(resamples)]
    if not np.isfinite(value) or len(defined) < max(2, LEAST_DEFINED * len(resamples)):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))
