"""Rows in the order in which a model would show them, group by group, with the places that ties leave open.

Nothing says which of two rows with the same score comes first, so every metric of a ranking is its expected value over all orders of
ties, each as likely (F. McSherry and M. Najork, "Computing information retrieval performance measures efficiently in the presence of tied
scores", ECIR 2008). It is the same whatever order the rows come in, and cannot be gained by luck.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import Codes, Floats, Places, kernel


@dataclass(frozen=True)
class RankedGroups:
    """Rows by group, the best score first; all arrays but `offsets` of shape (rows,), in that order.

    Args:
        rows: the place of each row in the arrays that it comes from.
        offsets: where each group begins, and the number of all rows; shape (groups + 1,).
        before: how many rows of the group have a better score.
        ties: how many have the same one, the row itself included.
    """

    rows: Places
    offsets: Places
    before: Codes
    ties: Codes

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self.offsets) - 1

    def in_first(self, places: int) -> Floats:
        """The probability that each row is among the first places of its group, shape (rows,)."""
        return np.clip((places - self.before) / self.ties, 0.0, 1.0)


def ranked_groups(group: Codes, groups: int, score: Floats, ascending: Places) -> RankedGroups:
    """Ranks rows within groups.

    Args:
        group: number of each row's group, shape (rows,).
        groups: how many there are.
        score: of each row, shape (rows,).
        ascending: the rows in order of score.
    """
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))]).astype(np.int64)
    rows = np.empty(len(group), np.int64)
    before, ties = np.empty(len(group), np.int32), np.empty(len(group), np.int32)
    _rank(group, score, ascending, offsets[:-1].copy(), rows)
    _tie_places(offsets, score, rows, before, ties)
    return RankedGroups(rows, offsets, before, ties)


@kernel
def _rank(group: Any, score: Any, ascending: Any, next_place: Any, rows: Any) -> None:
    """Deals rows out to their groups, the best score first."""
    for place in range(len(ascending) - 1, -1, -1):
        row = ascending[place]
        rows[next_place[group[row]]] = row
        next_place[group[row]] += 1


@kernel
def _tie_places(offsets: Any, score: Any, rows: Any, before: Any, ties: Any) -> None:
    """Counts for each row how many of its group are better and how many are as good."""
    for group in range(len(offsets) - 1):
        first, last = offsets[group], offsets[group + 1]
        start = first
        while start < last:
            end = start + 1
            while end < last and score[rows[end]] == score[rows[start]]:
                end += 1
            for place in range(start, end):
                before[place] = start - first
                ties[place] = end - start
            start = end
