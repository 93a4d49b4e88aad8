"""The value of a target policy by every estimator, with intervals and diagnostics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.bootstrap.intervals import Estimate, interval
from srp_assets.evaluation.bootstrap.resamples import resampled
from srp_assets.evaluation.replay.diagnostics import Diagnostics, Z, diagnostics
from srp_assets.evaluation.replay.estimators import QuotientSum, doubly_robust, ips, snips, switch_doubly_robust, switch_threshold
from srp_assets.evaluation.replay.logged import LoggedChoices
from srp_assets.evaluation.replay.weights import Interaction, weights


@dataclass(frozen=True)
class ReplayOptions:
    """How values are estimated.

    Args:
        interaction: what is believed of places of a page (`weights.py`).
        largest_weight: weights above it are cut to it: less variance for a bias downwards; None cuts nothing.
        resamples: of requests.
        seed: of the resamples.
    """

    interaction: Interaction = "independent"
    largest_weight: float | None = None
    resamples: int = 1_000
    seed: int = 1


@dataclass(frozen=True)
class Value:
    """The value of a policy by one estimator: rewards a request, with two intervals around the same value.

    `normal` is by the variance of what each request moves; `bootstrap` by resamples of requests, which need not be symmetric.
    """

    normal: Estimate
    bootstrap: Estimate


@dataclass(frozen=True)
class Replay:
    """What a log says of a target policy.

    Args:
        values: by estimator.
        logged: the value of the logging policy itself: the mean reward of a request.
        gains: by estimator, the target's value minus the logging policy's, on the same requests.
        threshold: of the weights, where switch-DR takes the model's word.
        diagnostics: what the values rest on.
        digest: of the log.
        options: how they were estimated.
    """

    values: Mapping[str, Value]
    logged: Value
    gains: Mapping[str, Value]
    threshold: float
    diagnostics: Diagnostics
    digest: str
    options: ReplayOptions


def replay(choices: LoggedChoices, options: ReplayOptions) -> Replay:
    """Estimates the target's value.

    Raises:
        InvalidInput: if there is no choice.
    """
    if not choices.rows:
        raise InvalidInput("there is no logged choice to replay", remedy="choose days with impressions that have a propensity")
    weight = weights(choices, options.interaction)
    if options.largest_weight is not None:
        weight = np.minimum(weight, options.largest_weight)
    threshold = switch_threshold(choices, weight)
    estimators = [
        ips(choices, weight),
        snips(choices, weight),
        doubly_robust(choices, weight),
        switch_doubly_robust(choices, weight, threshold),
    ]
    logged = ips(choices, np.ones(choices.rows))
    drawn = _resampled([*estimators, logged], choices, options)
    values, gains = {}, {}
    for estimator, of_resamples in zip(estimators, drawn, strict=False):
        values[estimator.name] = _value(estimator.value, estimator.influence, of_resamples)
        gain = estimator.value - logged.value
        gains[estimator.name] = _value(gain, estimator.influence - logged.influence, of_resamples - drawn[-1])
    return Replay(
        values=values,
        logged=_value(logged.value, logged.influence, drawn[-1]),
        gains=gains,
        threshold=threshold,
        diagnostics=diagnostics(choices, weight),
        digest=choices.digest,
        options=options,
    )


def _value(value: float, influence: Floats, resamples: Floats) -> Value:
    spread = Z * float(np.sqrt(np.mean(influence**2) / len(influence)))
    return Value(Estimate(value, value - spread, value + spread), interval(value, resamples))


def _resampled(estimators: list[QuotientSum], choices: LoggedChoices, options: ReplayOptions) -> list[Floats]:
    """The value of each estimator in every resample, arrays of shape (resamples,)."""
    columns = [part for estimator in estimators for part in (*estimator.numerators, *estimator.denominators)]
    sums = resampled(choices.request_key, np.stack(columns, axis=1), options.resamples, options.seed).sums
    drawn = sums[:, -1]  # requests: what the last one divides by
    found, first = [], 0
    for estimator in estimators:
        terms = len(estimator.numerators)
        numerators, denominators = sums[:, first : first + terms], sums[:, first + terms : first + 2 * terms]
        quotients = np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators != 0)
        found.append(np.where(drawn > 0, quotients.sum(axis=1), np.nan))
        first += 2 * terms
    return found
