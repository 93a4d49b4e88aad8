"""Offline GMV and revenue: what was sold by the rows that a request's first k places would have shown, for each request.

    GMV@k     = sum_i w_i amount_i P(place of i <= k) / number of requests
    revenue@k = the same of amount_i - given_away_i: what coupons cost is taken off

Both speak of sales that were made under the order that was logged: they compare orders of the same rows, and forecast nothing. Ties as
`ranked.py` says.
"""

import numpy as np

from srp_assets.evaluation.metrics.ranking.ranked import RankedGroups
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows


def sales(rows: ScoredRows, requests: RankedGroups, places: int) -> tuple[Ratio, Ratio]:
    """GMV and revenue of rows ranked by request, at the first `places`."""
    shown = rows.weight[requests.rows] * requests.in_first(places)
    unit = rows.unit[requests.rows]
    sold = sums_by(unit, shown * rows.amount[requests.rows], rows.units)
    paid = sums_by(unit, shown * rows.given_away[requests.rows], rows.units)
    made = sums_by(rows.unit_of_request, np.ones(rows.requests), rows.units)
    return Ratio(f"gmv@{places}", sold, made), Ratio(f"revenue@{places}", sold - paid, made)
