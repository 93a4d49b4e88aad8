"""How likely places are looked at, where no log says it: estimated from randomised traffic, or by regression EM where there is none.

Both follow the position-based model: P(click) = examination of the place x relevance of the item. Only ratios of places can be told apart
from relevance, so the first place is looked at with probability 1. What a policy chose with is another thing: the log of impressions says
it (`propensity`), and it is never estimated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Method = Literal["randomised", "regression_em"]

LEAST_EXAMINATION = 0.01
"""No place is taken for looked at more rarely (an arbitrary floor): a few clicks must not weigh a thousandfold."""

ROUNDS = 60
"""Rounds of regression EM: on generated pages estimates move by less than 1e-3 after 40."""

RIDGE = 1.0
"""L2 penalty of the regression's coefficients, on features of variance 1."""

LARGEST_LOGIT = 12.0


@dataclass(frozen=True)
class Examination:
    """How likely each place is looked at, against the first.

    Args:
        method: how it was estimated.
        by_position: probability by place; a place that is not in it is taken for the nearest one that is.
        standard_errors: of the probabilities, where the method knows them.
        rows: impressions that it was estimated from.
    """

    method: Method
    by_position: Mapping[int, float]
    standard_errors: Mapping[int, float]
    rows: int

    def of(self, positions: np.ndarray) -> np.ndarray:
        """The probability of each place, shape (rows,)."""
        known = np.array(sorted(self.by_position), dtype=np.int64)
        values = np.array([self.by_position[place] for place in known.tolist()])
        after = np.searchsorted(known, positions).clip(max=len(known) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(known[before] - positions) <= np.abs(known[after] - positions)
        return values[np.where(nearer, before, after)]

    def as_dict(self) -> dict[str, Any]:
        """The form in which cards and the registry keep it."""
        return {
            "method": self.method,
            "rows": self.rows,
            "by_position": {str(place): value for place, value in self.by_position.items()},
            "standard_errors": {str(place): value for place, value in self.standard_errors.items()},
        }


def examination_of_randomised(positions: np.ndarray, clicked: np.ndarray, explored: np.ndarray) -> Examination | None:
    """Click rates by place of what chance chose, against that of the first place (Joachims, Swaminathan and Schnabel 2017, section 5.3).

    Where chance chose the items, every place shows the same mixture of them, so places differ by examination alone. The standard error of a
    ratio of two independent rates is by the delta method.

    Args:
        positions: of impressions, from 1, shape (rows,).
        clicked: whether, shape (rows,).
        explored: whether chance chose the item, shape (rows,).

    Returns:
        None where chance chose nothing that was clicked in the first place.
    """
    places, clicks = positions[explored], clicked[explored].astype(np.float64)
    known = np.unique(places)
    shown = np.array([np.sum(places == place) for place in known], dtype=np.float64)
    hit = np.array([clicks[places == place].sum() for place in known])
    if len(known) == 0 or hit[0] == 0:
        return None
    rate = hit / shown
    ratio = np.clip(rate / rate[0], LEAST_EXAMINATION, 1.0)
    relative = (1 - rate) / np.maximum(hit, 1) + (1 - rate[0]) / hit[0]
    errors = np.where(np.arange(len(known)) == 0, 0.0, ratio * np.sqrt(relative))
    return Examination("randomised", _by_place(known, ratio), _by_place(known, errors), int(explored.sum()))


def examination_by_regression(positions: np.ndarray, clicked: np.ndarray, features: np.ndarray, rounds: int = ROUNDS) -> Examination | None:
    """Regression EM (Wang, Golbandi, Bendersky, Metzler and Najork 2018): examination and relevance in turns until they fit the clicks.

    E step: a place that was clicked was looked at, and the item relevant; of one that was not, P(looked at) and P(relevant) follow from
    the two estimates. M step: examination is the mean over each place; relevance is regressed on the features. Where the paper draws
    labels and fits trees, relevance here is a logistic regression on the probabilities themselves: it needs no chance.

    Args:
        positions: of impressions, from 1, shape (rows,).
        clicked: whether, shape (rows,).
        features: numbers by which relevance is told, shape (rows, features); nan counts as the mean.
        rounds: of the two steps.

    Returns:
        None where nothing was clicked.
    """
    if not clicked.any():
        return None
    known, place = np.unique(positions, return_inverse=True)
    shown = np.bincount(place).astype(np.float64)
    looked_at = np.clip(np.bincount(place, weights=clicked) / shown, LEAST_EXAMINATION, None)
    looked_at = np.clip(looked_at / looked_at[0], LEAST_EXAMINATION, 1.0)
    design = _standardised(features)
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = _logit(float(np.mean(clicked)))
    for _ in range(rounds):
        relevance = _probability(design @ coefficients)
        examined = looked_at[place]
        unclicked = np.maximum(1 - examined * relevance, 1e-12)
        was_looked_at = np.where(clicked, 1.0, examined * (1 - relevance) / unclicked)
        was_relevant = np.where(clicked, 1.0, relevance * (1 - examined) / unclicked)
        looked_at = np.bincount(place, weights=was_looked_at) / shown
        looked_at = np.clip(looked_at / looked_at[0], LEAST_EXAMINATION, 1.0)
        coefficients = _newton_step(design, was_relevant, coefficients)
    return Examination("regression_em", _by_place(known, looked_at), {}, len(positions))


def _newton_step(design: np.ndarray, targets: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """One step of a penalised logistic regression on probabilities; the first coefficient is the intercept and not penalised."""
    fitted = _probability(design @ coefficients)
    penalty = np.full(len(coefficients), RIDGE)
    penalty[0] = 1e-9
    gradient = design.T @ (targets - fitted) - penalty * coefficients
    curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + np.diag(penalty)
    return coefficients + np.linalg.solve(curvature, gradient)


def _standardised(features: np.ndarray) -> np.ndarray:
    """An intercept, and the features with mean 0 and variance 1; what is missing is the mean, what never changes is left out."""
    found = np.where(np.isfinite(features), features, np.nan)
    present = ~np.isnan(found)
    counts = np.maximum(present.sum(axis=0), 1)
    values = np.where(present, found, 0.0)
    centred = np.where(present, found - values.sum(axis=0) / counts, 0.0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    kept = deviation > 1e-9
    # Heavy tails would let single rows rule the regression.
    return np.column_stack([np.ones(len(found)), np.clip(centred[:, kept] / deviation[kept], -5, 5)])


def _probability(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability))) if 0 < probability < 1 else LARGEST_LOGIT


def _by_place(places: np.ndarray, values: np.ndarray) -> dict[int, float]:
    return dict(zip(places.tolist(), np.asarray(values, float).tolist(), strict=True))
