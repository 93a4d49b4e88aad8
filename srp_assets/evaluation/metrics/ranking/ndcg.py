"""NDCG@k: how near the order of each request is to the best one, the first places counting most.

    NDCG@k = mean over requests of DCG@k / best DCG@k,   DCG@k = sum over the first k places p of gain_p / log2(1 + p)

over the requests that have a row with the label. The gain of a row with the label is its weight, of others 0; ties as `ranked.py` says.
K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20, 2002; gains weighted by inverse propensity:
T. Joachims, A. Swaminathan and T. Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017.
"""

from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import Floats, divided, kernel
from srp_assets.evaluation.metrics.ranking.ranked import RankedGroups
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows


def ndcg(rows: ScoredRows, requests: RankedGroups, places: int) -> Ratio:
    """The NDCG of rows ranked by request, over the first `places`."""
    discounts = 1 / np.log2(np.arange(2, places + 2))
    # The sum of the discounts of the first p places, for p from 0 to k: a tie takes its share of those of its places.
    sums = np.concatenate([[0.0], np.cumsum(discounts)])
    end = np.minimum(requests.before + requests.ties, places)
    discount = (sums[end] - sums[np.minimum(requests.before, places)]) / requests.ties
    gain = np.where(rows.label, rows.weight, 0.0)[requests.rows]
    group = np.repeat(np.arange(requests.groups), np.diff(requests.offsets))
    found = sums_by(group, gain * discount, requests.groups)
    best = np.zeros(requests.groups)
    _best_sums(requests.offsets, gain, discounts, best)
    counted = best > 0
    of_request: Floats = np.where(counted, divided(found, best), 0.0)
    units = rows.unit_of_request
    return Ratio(f"ndcg@{places}", sums_by(units, of_request, rows.units), sums_by(units, counted.astype(float), rows.units))


@kernel
def _best_sums(offsets: Any, gain: Any, discounts: Any, best: Any) -> None:
    """The greatest discounted sum of each group's gains."""
    for group in range(len(offsets) - 1):
        some = np.empty(offsets[group + 1] - offsets[group])
        count = 0
        for place in range(offsets[group], offsets[group + 1]):
            if gain[place] > 0.0:
                some[count] = gain[place]
                count += 1
        some[:count].sort()
        for place in range(min(count, len(discounts))):
            best[group] += some[count - 1 - place] * discounts[place]
