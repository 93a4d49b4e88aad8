"""What most metrics are: a sum over units divided by another one.

So a resample of units needs no look at the rows: it is the same quotient of weighted sums.
"""

from dataclasses import dataclass

import numpy as np

from srp_assets.evaluation.arrays import Codes, Floats, Places


@dataclass(frozen=True)
class Ratio:
    """A metric whose value is sum(numerator) / sum(denominator), both of shape (units,)."""

    name: str
    numerator: Floats
    denominator: Floats

    @property
    def value(self) -> float:
        """The metric over all units; NaN where there is nothing to divide by."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total else float("nan")


def sums_by(group: Codes | Places, values: Floats, groups: int) -> Floats:
    """Sums of `values` by `group` (both of one shape), shape (groups,)."""
    return np.asarray(np.bincount(group, weights=values, minlength=groups), np.float64)
