"""Which of its alternatives holds for each trace, decided by all traces of the day together.

A trace whose newest action is missing may have lost it, or its stream was behind: alone it cannot tell. Among others it can: what explains
many traces that nothing else explains is likely here as well. So each alternative is weighed by its cost and by the share of the traces
that its causes have, which again follows from the weights, until both agree (expectation and maximization over a mixture; Dempster, Laird
and Rubin 1977). What a cause estimates (a delay, a length) must besides agree among its traces.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from srp_assets.sequences.differences.explaining import Alternative

ROUNDS = 30

SMOOTHING = 0.5
"""Traces that each cause is granted before any are counted; arbitrary."""

DISAGREES = 3.0
"""The cost of an estimate that the other traces of the cause do not share, in nats; arbitrary."""


def chosen(alternatives: Mapping[str, Sequence[Alternative]]) -> dict[str, Alternative]:
    """The alternative that holds, by trace; traces without one are left out.

    Args:
        alternatives: by trace.
    """
    known = {trace: list(found) for trace, found in alternatives.items() if found}
    costs = {trace: np.array([one.cost for one in found]) for trace, found in known.items()}
    weights = {trace: _softmax(-cost) for trace, cost in costs.items()}
    for _ in range(ROUNDS):
        shares = _shares(known, weights)
        agreed = _agreed(known, weights)
        before = weights
        weights = {trace: _softmax(np.array([_score(one, shares, agreed) for one in found])) for trace, found in known.items()}
        if all(np.allclose(weights[trace], before[trace], atol=1e-4) for trace in weights):
            break
    return {trace: found[int(np.argmax(weights[trace]))] for trace, found in known.items()}


def _score(alternative: Alternative, shares: Mapping[str, float], agreed: Mapping[str, float]) -> float:
    score = -alternative.cost
    for cause in alternative.causes:
        score += np.log(shares[cause])
        if cause in alternative.ranges:
            low, high = alternative.ranges[cause]
            score -= 0.0 if low <= agreed[cause] <= high else DISAGREES
    return float(score)


def _shares(known: Mapping[str, Sequence[Alternative]], weights: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The share of the traces that each cause has."""
    counted: dict[str, float] = defaultdict(lambda: SMOOTHING)
    for trace, found in known.items():
        for one, weight in zip(found, weights[trace].tolist(), strict=True):
            for cause in one.causes:
                counted[cause] += weight
    return {cause: count / (len(known) + SMOOTHING) for cause, count in counted.items()}


def _agreed(known: Mapping[str, Sequence[Alternative]], weights: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The value of each estimate that most traces, by weight, can share."""
    edges: dict[str, list[tuple[float, int, float]]] = defaultdict(list)
    for trace, found in known.items():
        for one, weight in zip(found, weights[trace].tolist(), strict=True):
            for cause, (low, high) in one.ranges.items():
                # A range begins before another one ends at the same value.
                edges[cause] += [(low, 0, weight), (high, 1, -weight)]
    agreed = {}
    for cause, found_edges in edges.items():
        best, total = -1.0, 0.0
        for value, _, weight in sorted(found_edges):
            total += weight
            if total > best:
                best, agreed[cause] = total, value
    return agreed


def _softmax(scores: np.ndarray) -> np.ndarray:
    shifted = np.exp(scores - scores.max())
    return np.asarray(shifted / shifted.sum())
