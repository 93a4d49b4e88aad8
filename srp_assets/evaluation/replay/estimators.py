"""Estimators of a policy's value from another one's log, each as sums over requests.

The value is the mean reward of a request under the target. With w_i the weight of a choice (`weights.py`), r_i its reward, q_i what a model
expects of it and v_i what the model expects under the target at that place:

- IPS: mean over requests of sum_i w_i r_i. Unbiased where there is overlap. D. G. Horvitz and D. J. Thompson, JASA 47, 1952.
- SNIPS: for each place p, n_p sum_{i at p} w_i r_i / sum_{i at p} w_i, added up over places and divided by the number of requests. Weights
  that happen to be large cancel: a little bias for much less variance. A. Swaminathan and T. Joachims, "The self-normalized estimator for
  counterfactual learning", NeurIPS 2015.
- DR, doubly robust: mean over requests of sum_i (v_i + w_i (r_i - q_i)). Unbiased if either propensities or model are right. M. Dudík,
  J. Langford and L. Li, "Doubly robust policy evaluation and learning", ICML 2011.
- switch-DR: as DR, but choices whose weight exceeds a threshold keep the model's v_i alone. Y.-X. Wang, A. Agarwal and M. Dudík, "Optimal
  and adaptive off-policy evaluation in contextual bandits", ICML 2017.

All of them are sums of quotients of sums over requests, so that one set of resamples serves all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.metrics.ratio import sums_by
from srp_assets.evaluation.replay.logged import LoggedChoices


@dataclass(frozen=True)
class QuotientSum:
    """An estimator: sum over k of sum(numerators[k]) / sum(denominators[k]), all arrays of shape (requests,)."""

    name: str
    numerators: Sequence[Floats]
    denominators: Sequence[Floats]

    @property
    def value(self) -> float:
        """The estimate over all requests."""
        return sum(
            float(numerator.sum() / denominator.sum()) if denominator.sum() else 0.0
            for numerator, denominator in zip(self.numerators, self.denominators, strict=True)
        )

    @property
    def influence(self) -> Floats:
        """How much each request moves the estimate, times the number of requests: linearised, shape (requests,); its mean is 0."""
        total = np.zeros(len(self.numerators[0]))
        for numerator, denominator in zip(self.numerators, self.denominators, strict=True):
            if mean := denominator.mean():
                total += (numerator - numerator.mean() / mean * denominator) / mean
        return total


def ips(choices: LoggedChoices, weight: Floats) -> QuotientSum:
    """Inverse propensity scoring."""
    return _mean(choices, "ips", weight * choices.reward)


def snips(choices: LoggedChoices, weight: Floats) -> QuotientSum:
    """Self-normalised inverse propensity scoring, by place.

    A place that few pages have counts as often as pages have it: its quotient is weighted by its share of the requests.
    """
    numerators, denominators = [], []
    for place in np.flatnonzero(np.bincount(choices.position)):
        here = choices.position == place
        share = here.sum() / choices.requests
        request = choices.request[here]
        numerators.append(share * sums_by(request, weight[here] * choices.reward[here], choices.requests))
        denominators.append(sums_by(request, weight[here], choices.requests))
    return QuotientSum("snips", numerators, denominators)


def doubly_robust(choices: LoggedChoices, weight: Floats) -> QuotientSum:
    """Model and inverse propensities together."""
    return _mean(choices, "dr", choices.predicted_under_target + weight * (choices.reward - choices.predicted))


def switch_doubly_robust(choices: LoggedChoices, weight: Floats, threshold: float) -> QuotientSum:
    """As doubly robust, by the model alone where a weight exceeds the threshold."""
    kept = np.where(weight <= threshold, weight, 0.0)
    return _mean(choices, "switch_dr", choices.predicted_under_target + kept * (choices.reward - choices.predicted))


def switch_threshold(choices: LoggedChoices, weight: Floats, candidates: int = 20) -> float:
    """The threshold of switch-DR with the least bound of its error: variance plus the square of the greatest possible bias.

    The bias is at most the target's probability of choices above the threshold (estimated by their weights) times the greatest error of the
    model, taken as the greatest |reward - prediction| seen (section 4 of Wang, Agarwal and Dudík 2017).

    Args:
        choices: the log.
        weight: of each choice.
        candidates: how many quantiles of the weights are tried, beside no threshold at all.
    """
    if not choices.rows:
        return float("inf")
    greatest_error = float(np.abs(choices.reward - choices.predicted).max())
    tried = np.append(np.quantile(weight, np.linspace(0.5, 1, candidates)), np.inf)

    def error(threshold: float) -> float:
        estimator = switch_doubly_robust(choices, weight, threshold)
        variance = float(np.mean(estimator.influence**2)) / choices.requests
        bias = float(weight[weight > threshold].sum()) / choices.requests * greatest_error
        return variance + bias**2

    return float(min(tried, key=error))


def _mean(choices: LoggedChoices, name: str, of_row: Floats) -> QuotientSum:
    return QuotientSum(name, [sums_by(choices.request, of_row, choices.requests)], [np.ones(choices.requests)])
