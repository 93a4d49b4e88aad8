"""What rows weigh in training, so that what a policy favoured, or where nobody looked, does not decide what a model learns.

Weights are self-normalised: their mean over a day is 1, so that days and learning rates stay comparable (Swaminathan and Joachims 2015).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from srp_assets.training.propensities import Examination

Weighting = Literal["given", "randomised", "regression_em", "none"]
"""By the logged probabilities of the policy's choices, by examination that is estimated in one of two ways, or not at all."""


@dataclass(frozen=True)
class WeightRule:
    """How the rows of one day are weighed.

    Args:
        weighting: by what.
        limit: the largest weight before normalisation.
        mean: of the weights before normalisation, over the whole day.
        examination: of places, where weights follow from it.
    """

    weighting: Weighting
    limit: float
    mean: float
    examination: Examination | None

    def weights(self, propensities: np.ndarray, positions: np.ndarray, clicked: np.ndarray) -> np.ndarray:
        """The weights of rows, shape (rows,)."""
        return raw_weights(self.weighting, self.limit, propensities, positions, clicked, self.examination) / self.mean

    def as_dict(self) -> dict[str, Any]:
        """The form in which cards and the registry keep it."""
        examination = None if self.examination is None else self.examination.as_dict()
        return {"weighting": self.weighting, "limit": self.limit, "mean": self.mean, "examination": examination}


def weight_rule(
    weighting: Weighting,
    limit: float,
    propensities: np.ndarray,
    positions: np.ndarray,
    clicked: np.ndarray,
    examination: Examination | None,
) -> WeightRule:
    """The rule of a day, whose weights have the mean 1 over these rows.

    Args:
        weighting: by what; without an estimate where it needs one, every row weighs 1.
        limit: the largest weight before normalisation.
        propensities: logged probabilities of the choices, nan where there is none, shape (rows,).
        positions: places from 1, shape (rows,).
        clicked: whether, shape (rows,).
        examination: of places.
    """
    weights = raw_weights(weighting, limit, propensities, positions, clicked, examination)
    return WeightRule(weighting, limit, float(weights.mean()) if len(weights) else 1.0, examination)


def raw_weights(
    weighting: Weighting,
    limit: float,
    propensities: np.ndarray,
    positions: np.ndarray,
    clicked: np.ndarray,
    examination: Examination | None,
) -> np.ndarray:
    """Weights before normalisation; the arguments are those of `weight_rule`.

    By choices: 1 / propensity, at most `limit`, so that rows stand for what an even policy would have shown; a row without a
    propensity weighs 1. By examination: a click weighs 1, and a row without a click as much as its place is looked at. Per row that is the
    weight 1 / examination of clicks (Joachims, Swaminathan and Schnabel 2017) times the place's examination: the same odds of each item,
    and places where few look, whose clicks would weigh most, add least noise.
    """
    if weighting == "given":
        with np.errstate(divide="ignore"):
            return np.where(np.isnan(propensities), 1.0, np.minimum(1 / propensities, limit))
    if weighting == "none" or examination is None:
        return np.ones(len(positions))
    return np.where(clicked, 1.0, np.maximum(examination.of(positions), 1 / limit))


def effective_rows(weight_sum: float, weight_square_sum: float) -> float:
    """The effective sample size (Kish 1965): so many rows of equal weight tell as much; (sum w)^2 / sum w^2."""
    return weight_sum**2 / weight_square_sum if weight_square_sum > 0 else 0.0
