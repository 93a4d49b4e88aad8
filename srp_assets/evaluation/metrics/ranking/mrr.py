"""MRR: how early the first row with the label comes, as one over its place, averaged over the requests that have one.

    MRR = sum_q w_q E[1 / place of the first row with the label in q] / sum_q w_q

where w_q is the mean weight of q's rows with the label, 1 without weights. With p of the m rows of a tie having the label, and r rows
better, the first of them is at place r + j with probability C(m - j, p - 1) / C(m, p) (McSherry and Najork 2008: see `ranked.py`).
"""

from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import kernel
from srp_assets.evaluation.metrics.ranking.ranked import RankedGroups
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows


def mrr(rows: ScoredRows, requests: RankedGroups) -> Ratio:
    """The mean reciprocal rank of rows ranked by request."""
    reciprocal, weight = np.zeros(requests.groups), np.zeros(requests.groups)
    _reciprocal_ranks(requests.offsets, requests.ties, rows.label[requests.rows], rows.weight[requests.rows], reciprocal, weight)
    units = rows.unit_of_request
    return Ratio("mrr", sums_by(units, reciprocal * weight, rows.units), sums_by(units, weight, rows.units))


@kernel
def _reciprocal_ranks(offsets: Any, ties: Any, label: Any, weight: Any, reciprocal: Any, group_weight: Any) -> None:
    for group in range(len(offsets) - 1):
        first, last = offsets[group], offsets[group + 1]
        labelled, total = 0, 0.0
        for place in range(first, last):
            if label[place]:
                labelled += 1
                total += weight[place]
        if labelled == 0:
            continue
        group_weight[group] = total / labelled
        start = first
        while start < last:
            size = ties[start]
            with_label = 0
            for place in range(start, start + size):
                with_label += label[place]
            if with_label > 0:
                # From the chance that the first of the tie has the label, each next place by the ratio of neighbouring chances.
                chance = with_label / size
                for place in range(1, size - with_label + 2):
                    reciprocal[group] += chance / (start - first + place)
                    if place <= size - with_label:
                        chance *= (size - with_label - place + 1) / (size - place)
                break
            start += size
