"""Calibration: whether rows to which a model gives a probability reach the step that often.

- *Predicted over observed*: sum_i w_i p_i / sum_i w_i y_i; 1 is right.
- *ECE*, the expected calibration error over bins of the scores, each with as many rows (a tie is never divided):
  sum_b |sum_{i in b} w_i (p_i - y_i)| / sum_i w_i. M. P. Naeini, G. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities
  using Bayesian binning", AAAI 2015. It is never below 0, and chance alone makes it greater than 0.
- *Intercept and slope* a, b of ln(P / (1 - P)) = a + b ln(p / (1 - p)), fitted by maximum likelihood; 0 and 1 are right, a slope below 1
  says that predictions are too extreme. D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45, 1958.

A resample's intercept and slope are one step of Newton's method away from the fitted ones, by its own gradient and Hessian: as exact as the
bootstrap is, with an error of the order of 1 / units.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import Codes, Floats, divided, kernel
from srp_assets.evaluation.metrics.log_loss import within_bounds
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows

MOST_STEPS = 50
"""Newton's method on two parameters needs about six; what has not ended by then has no maximum (a threshold separates the labels)."""

ENOUGH = 1e-10
"""The step at which it ends, relative to the parameter."""


@dataclass(frozen=True)
class Bin:
    """Rows with neighbouring scores: number of the bin, how many they are, their weight, weighted means of prediction and label."""

    number: int
    rows: int
    weight: float
    predicted: float
    observed: float


@dataclass(frozen=True)
class Recalibration:
    """The fitted line and what a resample of units needs to move it.

    Args:
        intercept: a.
        slope: b.
        gradient: of the log likelihood at (a, b) by unit, shape (units, 2).
        hessian: of its negative, by unit: the entries (a, a), (a, b) and (b, b), shape (units, 3).
    """

    intercept: float
    slope: float
    gradient: Floats
    hessian: Floats


def predicted_over_observed(rows: ScoredRows) -> Ratio:
    """How many times more often the step is predicted than it is reached."""
    predicted = sums_by(rows.unit, rows.weight * rows.score, rows.units)
    return Ratio("predicted_over_observed", predicted, sums_by(rows.unit, rows.weight * rows.label, rows.units))


def bins_of(sorted_score: Floats, bins: int) -> Codes:
    """The bin of each row in order of score, shape (rows,): that of the first row with the same score, so that ties stay together."""
    rows = len(sorted_score)
    first_of_ties = np.searchsorted(sorted_score, sorted_score, side="left") if rows else np.zeros(0, np.int64)
    return (first_of_ties * bins // max(rows, 1)).astype(np.int32)


def reliability(rows: ScoredRows, bins: int) -> list[Bin]:
    """The bins that have rows, by score: what a reliability diagram shows."""
    order = rows.ascending
    of_row = bins_of(rows.score[order], bins)
    weight = rows.weight[order]
    counts = np.bincount(of_row, minlength=bins)
    total, predicted, observed = (sums_by(of_row, weight * values, bins) for values in (1.0, rows.score[order], rows.label[order]))
    means = divided(predicted, total), divided(observed, total)
    return [
        Bin(int(bin_), int(counts[bin_]), float(total[bin_]), float(means[0][bin_]), float(means[1][bin_]))
        for bin_ in np.flatnonzero(counts)
    ]


def recalibration(rows: ScoredRows) -> Recalibration:
    """Fits the intercept and slope of rows; both are NaN where the likelihood has no maximum, or all scores are the same."""
    probability = within_bounds(rows.score)
    logit = np.log(probability) - np.log1p(-probability)
    line = np.array([0.0, 1.0])
    gradient, hessian = _derivatives(rows, logit, line)
    for _ in range(MOST_STEPS):
        step = _newton_step(gradient.sum(axis=0), hessian.sum(axis=0))
        if not np.isfinite(step).all():
            break
        ascent = gradient.sum(axis=0) @ step
        line = line + step
        gradient, hessian = _derivatives(rows, logit, line)
        # A step that went so far over the top that it is steeper there than where it began is taken back by halves.
        while abs(gradient.sum(axis=0) @ step) > abs(ascent) and (np.abs(step) > ENOUGH).any():
            step = step / 2
            ascent = ascent / 2
            line = line - step
            gradient, hessian = _derivatives(rows, logit, line)
        if (np.abs(step) <= ENOUGH * (1 + np.abs(line))).all():
            return Recalibration(float(line[0]), float(line[1]), gradient, hessian)
    return Recalibration(float("nan"), float("nan"), np.full((rows.units, 2), np.nan), np.full((rows.units, 3), np.nan))


def moved(fitted: Recalibration, gradient: Floats, hessian: Floats) -> tuple[Floats, Floats]:
    """Intercept and slope of resamples.

    Args:
        fitted: what was fitted to all rows.
        gradient: weighted sums of its gradients, shape (resamples, 2).
        hessian: of its Hessians, shape (resamples, 3).
    """
    steps = _newton_step(gradient.T, hessian.T)
    return fitted.intercept + steps[0], fitted.slope + steps[1]


def _derivatives(rows: ScoredRows, logit: Floats, line: Floats) -> tuple[Floats, Floats]:
    """Gradient and negative Hessian of the log likelihood by unit, shapes (units, 2) and (units, 3)."""
    gradient, hessian = np.zeros((rows.units, 2)), np.zeros((rows.units, 3))
    _add_derivatives(rows.unit, logit, rows.label, rows.weight, line[0], line[1], gradient, hessian)
    return gradient, hessian


@kernel
def _add_derivatives(unit: Any, logit: Any, label: Any, weight: Any, intercept: float, slope: float, gradient: Any, hessian: Any) -> None:
    for row in range(len(unit)):
        expected = 1.0 / (1.0 + math.exp(-(intercept + slope * logit[row])))
        residual = weight[row] * (label[row] - expected)
        spread = weight[row] * expected * (1.0 - expected)
        into = unit[row]
        gradient[into, 0] += residual
        gradient[into, 1] += residual * logit[row]
        hessian[into, 0] += spread
        hessian[into, 1] += spread * logit[row]
        hessian[into, 2] += spread * logit[row] * logit[row]


def _newton_step(gradient: Floats, hessian: Floats) -> Floats:
    """The solution of H x = g for symmetric 2 x 2 matrices, NaN where there is none; the last axes are of many systems."""
    determinant = hessian[0] * hessian[2] - hessian[1] ** 2
    solvable = determinant > 1e-12 * np.abs(hessian[0] * hessian[2])
    safe = np.where(solvable, determinant, np.nan)
    return np.stack(
        [(hessian[2] * gradient[0] - hessian[1] * gradient[1]) / safe, (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / safe]
    )
