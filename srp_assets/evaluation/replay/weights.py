"""How much each logged choice counts for the target, by what one believes of how places of a page act on one another.

- `independent`: what comes of a place depends on its item alone. The weight is the place's own ratio (S. Li, Y. Abbasi-Yadkori, B. Kveton,
  S. Muthukrishnan, V. Vinay and Z. Wen, "Offline evaluation of ranking policies with click models", KDD 2018: the item-position model).
- `cascade`: it depends on the items above it too. The weight is the product of the ratios down to the place (J. McInerney, B. Brost,
  P. Chandar, R. Mehrotra and B. Carterette, "Counterfactual evaluation of slate recommendations with sequential reward interactions",
  KDD 2020).
- `page`: it depends on the whole page. The weight is the product of all its ratios: right always, and of use on pages of few places alone.

Each belief is weaker than the one before and has a larger variance.
"""

from typing import Any, Literal

import numpy as np

from srp_assets.evaluation.arrays import Floats, kernel
from srp_assets.evaluation.replay.logged import LoggedChoices

Interaction = Literal["independent", "cascade", "page"]

INTERACTIONS: tuple[Interaction, ...] = ("independent", "cascade", "page")


def weights(choices: LoggedChoices, interaction: Interaction) -> Floats:
    """The weight of each choice, shape (rows,)."""
    if interaction == "independent":
        return choices.ratio
    found = np.empty(choices.rows)
    _products(choices.begins, choices.ratio, interaction == "page", found)
    return found


@kernel
def _products(begins: Any, ratio: Any, whole: bool, found: Any) -> None:
    """Products of the ratios from the first of a request to each one, or of all of them."""
    for request in range(len(begins) - 1):
        product = 1.0
        for row in range(begins[request], begins[request + 1]):
            product *= ratio[row]
            found[row] = product
        if whole:
            found[begins[request] : begins[request + 1]] = product
