"""User-level AUC (GAUC): the AUC within each user's rows, averaged by the weight of their rows.

    GAUC = sum_u w_u AUC_u / sum_u w_u,   w_u = sum of the weights of u's rows

over the users who have rows of both kinds (G. Zhou et al., "Deep interest network for click-through rate prediction", KDD 2018, section
6.2; H. Zhu et al., "Optimized cost per click in Taobao display advertising", KDD 2017). It does not reward telling active users from
others.
"""

import numpy as np

from srp_assets.evaluation.metrics.auc import auc_of_groups
from srp_assets.evaluation.metrics.ranking.ranked import ranked_groups
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows


def user_auc(rows: ScoredRows) -> Ratio:
    """The GAUC of rows; NaN if no user has rows of both kinds."""
    ranked = ranked_groups(rows.unit, rows.units, rows.score, rows.ascending)
    of_unit = auc_of_groups(ranked, rows.score, rows.label, rows.weight)
    counted = np.isfinite(of_unit)
    weight = np.where(counted, sums_by(rows.unit, rows.weight, rows.units), 0.0)
    return Ratio("gauc", np.where(counted, of_unit, 0.0) * weight, weight)
