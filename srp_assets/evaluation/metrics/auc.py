"""AUC: the probability that a row with the label has a better score than one without, half of a tie.

    AUC = sum_{i: y_i} sum_{j: not y_j} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (sum_{i: y_i} w_i * sum_{j: not y_j} w_j)

J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143, 1982.
Without both kinds of rows it is not defined (NaN). Weighted, a row counts as often as its weight says.
"""

from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import Flags, Floats, Places, divided, kernel
from srp_assets.evaluation.metrics.ranking.ranked import RankedGroups


def auc(score: Floats, label: Flags, weight: Floats, ascending: Places | None = None) -> float:
    """The AUC of all rows as one group.

    Args:
        score: float64, shape (rows,).
        label: bool, shape (rows,).
        weight: float64, shape (rows,).
        ascending: the rows in order of score, if known.
    """
    order = np.argsort(score) if ascending is None else ascending
    offsets = np.array([0, len(score)])
    wins, with_label, without = auc_sums(offsets, np.ascontiguousarray(order[::-1]), score, label, weight)
    return float(divided(wins, with_label * without)[0])


def auc_of_groups(ranked: RankedGroups, score: Floats, label: Flags, weight: Floats) -> Floats:
    """The AUC within each group, shape (groups,); NaN where a group has rows of one kind alone."""
    wins, with_label, without = auc_sums(ranked.offsets, ranked.rows, score, label, weight)
    return divided(wins, with_label * without)


def auc_sums(offsets: Places, rows: Places, score: Floats, label: Flags, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """What the AUC of each group is made of, three arrays of shape (groups,).

    Args:
        offsets: where each group begins in `rows`, shape (groups + 1,).
        rows: places of rows by group, the best score first.
        score: float64, of all rows.
        label: bool, likewise.
        weight: float64, likewise.

    Returns:
        The weight of all pairs that are in order (of ties half), of the rows with the label, and of those without.
    """
    groups = len(offsets) - 1
    wins, with_label, without = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    _sum_pairs(offsets, rows, score, label, weight, wins, with_label, without)
    return wins, with_label, without


@kernel
def _sum_pairs(offsets: Any, rows: Any, score: Any, label: Any, weight: Any, wins: Any, with_label: Any, without: Any) -> None:
    for group in range(len(offsets) - 1):
        better = 0.0
        start, last = offsets[group], offsets[group + 1]
        while start < last:
            tied_with, tied_without = 0.0, 0.0
            end = start
            while end < last and score[rows[end]] == score[rows[start]]:
                if label[rows[end]]:
                    tied_with += weight[rows[end]]
                else:
                    tied_without += weight[rows[end]]
                end += 1
            wins[group] += tied_without * (better + 0.5 * tied_with)
            better += tied_with
            without[group] += tied_without
            start = end
        with_label[group] = better
