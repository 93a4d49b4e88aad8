"""Recall@k: the share of all rows with the label that a request's first k places would have shown.

    recall@k = sum_i y_i w_i P(place of i <= k) / sum_i y_i w_i

over all rows, so that requests count by their rows with the label. Ties as `ranked.py` says.
"""

import numpy as np

from srp_assets.evaluation.metrics.ranking.ranked import RankedGroups
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows


def recall(rows: ScoredRows, requests: RankedGroups, places: int) -> Ratio:
    """The recall of rows ranked by request, at the first `places`."""
    gain = np.where(rows.label, rows.weight, 0.0)
    found = gain[requests.rows] * requests.in_first(places)
    return Ratio(f"recall@{places}", sums_by(rows.unit[requests.rows], found, rows.units), sums_by(rows.unit, gain, rows.units))
