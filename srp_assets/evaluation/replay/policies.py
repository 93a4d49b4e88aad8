"""With which probability a model that scores candidates would choose each of them: what makes a ranking a policy that can be replayed."""

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.arrays import Codes, Floats
from srp_assets.evaluation.metrics.ratio import sums_by


def softmax_policy(score: Floats, choice: Codes, choices: int, *, temperature: float, exploration: float) -> Floats:
    """The probability of each candidate: P(i) = (1 - e) exp(s_i / t) / sum_j exp(s_j / t) + e / n over the n candidates of its choice.

    With a low temperature t it is nearly the best candidate alone, and the share of exploration e keeps every probability above 0, so that
    what it logs can be replayed in turn.

    Args:
        score: of each candidate, shape (candidates,).
        choice: number of the choice (a place of a request) that the candidate is for, shape (candidates,).
        choices: how many there are.
        temperature: above 0, in units of the score.
        exploration: share of the choices that are left to chance.

    Raises:
        InvalidInput: if the temperature or the share make no sense.
    """
    if not temperature > 0:
        raise InvalidInput(f"a policy cannot have temperature {temperature:g}", remedy="give a number above 0, in units of the score")
    if not 0 <= exploration <= 1:
        raise InvalidInput(f"a policy cannot leave {exploration:.0%} of its choices to chance", remedy="give a share from 0 to 1")
    best = np.full(choices, -np.inf)
    np.maximum.at(best, choice, score)
    preference = np.exp((score - best[choice]) / temperature)
    candidates = np.bincount(choice, minlength=choices)
    chosen: Floats = preference / sums_by(choice, preference, choices)[choice]
    return (1 - exploration) * chosen + exploration / candidates[choice]
