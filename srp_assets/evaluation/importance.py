"""What a model's order rests on: by how much its AUC falls where the values of one feature are shuffled among the rows.

It asks the model itself, whatever library made it (L. Breiman, "Random forests", Machine Learning 45, 2001). Features that say the same
share what they are worth: each by itself can be missed.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.models.measures import auc
from srp_assets.models.ranker import Ranker
from srp_assets.training.reader import SetReader

ROWS = 4_000
"""Rows that are scored once for each feature: differences of some thousandths are told from chance, which is all that people need."""

SEED = 20_240_301
"""Arbitrary; the same for every model, so that figures can be compared."""


def permutation_importance(ranker: Ranker, judged: SetReader, step: str) -> dict[str, float]:
    """How much AUC each feature is worth, the greatest first; empty where the rows do not tell.

    Args:
        ranker: the model.
        judged: days that it was not trained on.
        step: the label.
    """
    pieces = [judged.read(group, [*ranker.columns, step]) for group in judged.spread(ROWS)]
    if not pieces:
        return {}
    rows = pa.concat_tables(pieces)
    rows = rows.filter(pc.is_valid(rows[step]))
    random = np.random.default_rng(SEED)
    rows = rows.take(pa.array(np.sort(random.permutation(rows.num_rows)[:ROWS])))
    happened = rows[step].to_numpy()
    whole = auc(happened, ranker.score(rows)[step])
    if np.isnan(whole):
        return {}
    order = pa.array(random.permutation(rows.num_rows))
    lost = {
        name: whole - auc(happened, ranker.score(rows.set_column(place, name, rows[name].take(order)))[step])
        for place, name in enumerate(ranker.columns)
    }
    return dict(sorted(lost.items(), key=lambda pair: -pair[1]))
