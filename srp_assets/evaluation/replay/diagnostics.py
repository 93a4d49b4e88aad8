"""Whether a log can say anything about a target: how many choices it rests on, and signs that overlap is missing.

- *Effective sample size*: (sum w)^2 / sum w^2, the number of choices that an unweighted mean of the same variance would need (L. Kish,
  "Survey sampling", 1965).
- *Mean weight*: 1 where propensities are right and overlap holds. If it is surely another one, one of both is wrong.
- *Largest weight*, and its share of all: near 1, one choice decides.
"""

from dataclasses import dataclass

import numpy as np

from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.bootstrap.intervals import Estimate
from srp_assets.evaluation.metrics.ratio import sums_by
from srp_assets.evaluation.replay.logged import LoggedChoices

Z = 1.959963984540054
"""The quantile of the standard normal distribution at 97.5 %."""

SURE = 3.290526731491926
"""The quantile at 99.95 %: one log in a thousand is warned of by chance. Every candidate of every day is replayed."""

LEAST_SHARE = 0.01
"""Effective share of the choices below which a value is told as resting on too few; arbitrary."""


@dataclass(frozen=True)
class Diagnostics:
    """What a value rests on.

    Args:
        requests: how many pages.
        rows: how many choices.
        effective_rows: effective sample size.
        mean_weight: with its interval.
        largest_weight: of one choice.
        largest_share: its share of the sum of all.
        never_chosen: share of the choices that the target would never make.
    """

    requests: int
    rows: int
    effective_rows: float
    mean_weight: Estimate
    largest_weight: float
    largest_share: float
    never_chosen: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against trusting the value, one line each."""
        found = []
        if self.effective_rows < LEAST_SHARE * self.rows:
            found.append(f"the value rests on {self.effective_rows:.0f} of {self.rows} choices")
        spread = (self.mean_weight.high - self.mean_weight.low) / 2 * SURE / Z
        if abs(self.mean_weight.value - 1) > spread:
            bounds = f"{self.mean_weight.value - spread:.3f} to {self.mean_weight.value + spread:.3f}"
            found.append(
                f"weights are {bounds} in the mean instead of 1: propensities are wrong, or the target chooses what was never shown"
            )
        return tuple(found)


def diagnostics(choices: LoggedChoices, weight: Floats) -> Diagnostics:
    """Looks at the weights of choices, shape (rows,)."""
    total, largest = float(weight.sum()), float(weight.max(initial=0.0))
    by_request = sums_by(choices.request, weight, choices.requests)
    mean = total / choices.rows
    # The choices of a page are no independent ones.
    spread = Z * float(np.sqrt(np.mean((by_request - mean * np.diff(choices.begins)) ** 2) * choices.requests)) / choices.rows
    return Diagnostics(
        requests=choices.requests,
        rows=choices.rows,
        effective_rows=total**2 / float(weight @ weight) if total else 0.0,
        mean_weight=Estimate(mean, mean - spread, mean + spread),
        largest_weight=largest,
        largest_share=largest / total if total else 0.0,
        never_chosen=float((weight == 0).mean()),
    )
