"""Intervals of means over a few seeds, and of paired differences: Student's t, since seeds are few and their means are near normal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """As JSON has it."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def interval_of(values: Sequence[float]) -> Interval:
    """The mean of values of several seeds; of one value alone nothing is known but itself, and the interval is without bounds."""
    numbers = np.asarray(values, float)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Interval(mean, float("-inf"), float("inf"))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Interval(mean, mean - reach, mean + reach)
