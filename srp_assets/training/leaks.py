"""Whether features know what came of an impression: the leak test by shifted time.

What came of an impression lies after it. So a feature that is honest tells the label nearly as well when it is taken some time earlier;
one that looks ahead, or that was joined at a later instant, tells it much worse. Every number is compared by the area under its ROC curve
as it stands in the set and as of an instant `SHIFT` before the impression.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

SHIFT = timedelta(hours=1)
"""How much earlier: longer than a visit, so that what the visit itself brought is left out, and short against the windows of features."""

LARGEST_LOSS = 0.1
"""Area that an honest feature may lose: what the session brought is gone an hour earlier (at most 0.07 for clicks of the sample shop)."""

STANDARD_ERRORS = 4.0
"""So many standard errors must the loss exceed, so that few rows accuse nobody."""


@dataclass(frozen=True)
class LeakFinding:
    """One feature under one label.

    Args:
        feature: its name.
        label: that it tells.
        strength: how well it tells the label in the set: distance of its area from 1/2.
        earlier: the same of what it was `SHIFT` before.
        limit: the loss that is allowed with so many rows.
    """

    feature: str
    label: str
    strength: float
    earlier: float
    limit: float

    @property
    def loss(self) -> float:
        """How much worse it tells the label when taken earlier."""
        return self.strength - self.earlier

    @property
    def is_leak(self) -> bool:
        """Whether it knows what it cannot."""
        return self.loss > self.limit


def leak_findings(
    labels: Mapping[str, np.ndarray], stored: Mapping[str, np.ndarray], earlier: Mapping[str, np.ndarray]
) -> list[LeakFinding]:
    """Every feature under every label, the largest loss first.

    Args:
        labels: bool, shape (rows,), by name; one that all rows or none have is left out.
        stored: values in the set, nan where there is none, shape (rows,), by feature.
        earlier: values of the same rows `SHIFT` before.
    """
    found = []
    for label, happened in labels.items():
        positives = int(happened.sum())
        negatives = len(happened) - positives
        if not positives or not negatives:
            continue
        # The standard error of an area of 1/2; of two areas on the same rows, which mostly agree, it is an upper bound.
        error = ((positives + negatives + 1) / (12 * positives * negatives)) ** 0.5
        limit = max(LARGEST_LOSS, STANDARD_ERRORS * error)
        found += [
            LeakFinding(name, label, strength(happened, values), strength(happened, earlier[name]), limit)
            for name, values in stored.items()
        ]
    return sorted(found, key=lambda finding: -finding.loss)


def strength(happened: np.ndarray, values: np.ndarray) -> float:
    """How far the area under the ROC curve lies from 1/2, by the ranks of values; missing values rank below all others.

    Args:
        happened: bool, shape (rows,).
        values: shape (rows,).
    """
    known = np.where(np.isnan(values), -np.inf, values)
    _, place, counts = np.unique(known, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]
    positives = int(happened.sum())
    negatives = len(happened) - positives
    area = (ranks[happened].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(abs(area - 0.5))
