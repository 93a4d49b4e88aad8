"""Log loss: the mean of what the truth costs under the predicted probabilities.

    log loss = -sum_i w_i (y_i ln p_i + (1 - y_i) ln(1 - p_i)) / sum_i w_i

Probabilities are kept away from 0 and 1 by as much as in training (`models/measures.py`), so that one certain error costs much but not
everything.
"""

import numpy as np

from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows
from srp_assets.models.measures import LEAST_PROBABILITY


def within_bounds(probability: Floats) -> Floats:
    """Probabilities of which logarithms are finite."""
    return np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


def log_loss(rows: ScoredRows) -> Ratio:
    """The log loss of rows whose scores are probabilities."""
    probability = within_bounds(rows.score)
    cost = -np.log(np.where(rows.label, probability, 1 - probability))
    return Ratio("log_loss", sums_by(rows.unit, rows.weight * cost, rows.units), sums_by(rows.unit, rows.weight, rows.units))
