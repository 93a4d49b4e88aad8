"""How well probabilities and orders fit what happened: the measures that training itself looks at."""

import numpy as np

LEAST_PROBABILITY = 1e-12
"""What log loss takes a probability of 0 for, so that one wrong certainty is not infinite."""


def auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The share of pairs of a positive and a negative row that the scores order rightly, equal scores counting half.

    Args:
        labels: bool or 0 and 1, shape (rows,).
        scores: any numbers that order the rows, shape (rows,).
        weights: of rows, shape (rows,); a pair weighs their product. All weigh 1 if None.

    Returns:
        0 to 1; nan where all labels agree.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(scores, kind="stable")
    ordered = np.asarray(scores)[order]
    positive = np.where(np.asarray(labels, dtype=bool)[order], weights[order], 0.0)
    negative = weights[order] - positive
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, dtype=np.int64)
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    positives, negatives = np.add.reduceat(positive, begins), np.add.reduceat(negative, begins)
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + 0.5 * negatives)).sum() / (positives.sum() * negatives.sum()))


def log_loss(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean of -log of the probability that was given to what happened, weighted; nan without rows."""
    if len(labels) == 0:
        return float("nan")
    found = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    losses = -np.where(np.asarray(labels, dtype=bool), np.log(found), np.log1p(-found))
    return float(np.average(losses, weights=weights))
