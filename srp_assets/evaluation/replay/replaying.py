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
        champion_gains: likewise, minus that of the champion's policy; empty without a champion.
        threshold: of the weights, where switch-DR takes the model's word.
        diagnostics: what the values rest on.
        digest: of the log.
        options: how they were estimated.
    """

    values: Mapping[str, Value]
    logged: Value
    gains: Mapping[str, Value]
    champion_gains: Mapping[str, Value]
    threshold: float
    diagnostics: Diagnostics
    digest: str
    options: ReplayOptions


def replay(choices: LoggedChoices, options: ReplayOptions, champion: LoggedChoices | None = None) -> Replay:
    """Estimates the target's value.

    Args:
        choices: the log with the target's probabilities.
        options: how values are estimated.
        champion: the same log with the probabilities of the champion's policy, if there is one.

    Raises:
        InvalidInput: if there is no choice, or the champion's log is another one.
    """
    if not choices.rows:
        raise InvalidInput("there is no logged choice to replay", remedy="choose days with impressions that have a propensity")
    if champion is not None and champion.digest != choices.digest:
        raise InvalidInput("the two policies are replayed on different logs", remedy="replay both on the same choices")
    weight = _weights(choices, options)
    threshold = switch_threshold(choices, weight)
    targets = _estimators(choices, weight, threshold)
    others = [] if champion is None else _champion_estimators(champion, options)
    logged = ips(choices, np.ones(choices.rows))
    drawn = _resampled([*targets, *others, logged], choices, options)

    def gains(other: QuotientSum, of_other: Floats, number: int) -> Value:
        target = targets[number]
        return _value(target.value - other.value, target.influence - other.influence, drawn[number] - of_other)

    return Replay(
        values={found.name: _value(found.value, found.influence, drawn[number]) for number, found in enumerate(targets)},
        logged=_value(logged.value, logged.influence, drawn[-1]),
        gains={found.name: gains(logged, drawn[-1], number) for number, found in enumerate(targets)},
        champion_gains={other.name: gains(other, drawn[len(targets) + number], number) for number, other in enumerate(others)},
        threshold=threshold,
        diagnostics=diagnostics(choices, weight),
        digest=choices.digest,
        options=options,
    )


def _weights(choices: LoggedChoices, options: ReplayOptions) -> Floats:
    weight = weights(choices, options.interaction)
    return weight if options.largest_weight is None else np.minimum(weight, options.largest_weight)


def _estimators(choices: LoggedChoices, weight: Floats, threshold: float) -> list[QuotientSum]:
    return [
        ips(choices, weight),
        snips(choices, weight),
        doubly_robust(choices, weight),
        switch_doubly_robust(choices, weight, threshold),
    ]


def _champion_estimators(champion: LoggedChoices, options: ReplayOptions) -> list[QuotientSum]:
    """Each policy has a threshold of its own."""
    weight = _weights(champion, options)
    return _estimators(champion, weight, switch_threshold(champion, weight))


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
