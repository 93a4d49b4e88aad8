"""All metrics of a model on some rows, with resamples over units: what intervals and differences between models are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.arrays import Floats, divided
from srp_assets.evaluation.bootstrap.intervals import Estimate, interval, interval_of_norm
from srp_assets.evaluation.bootstrap.resamples import Resampled, SortedRows, resampled
from srp_assets.evaluation.metrics.auc import auc
from srp_assets.evaluation.metrics.calibration import (
    Bin,
    Recalibration,
    bins_of,
    moved,
    predicted_over_observed,
    recalibration,
    reliability,
)
from srp_assets.evaluation.metrics.log_loss import log_loss
from srp_assets.evaluation.metrics.ranking.mrr import mrr
from srp_assets.evaluation.metrics.ranking.ndcg import ndcg
from srp_assets.evaluation.metrics.ranking.ranked import ranked_groups
from srp_assets.evaluation.metrics.ranking.recall import recall
from srp_assets.evaluation.metrics.ranking.revenue import sales
from srp_assets.evaluation.metrics.ratio import Ratio, sums_by
from srp_assets.evaluation.metrics.scored import ScoredRows
from srp_assets.evaluation.metrics.user_auc import user_auc

LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
NEAREST_IS_BEST: Mapping[str, float] = {"predicted_over_observed": 1.0, "calibration_slope": 1.0, "calibration_intercept": 0.0}
"""What these metrics would be of a model that is right; of all others more is better, but for `LOWER_IS_BETTER`."""

NORMS = frozenset({"ece"})
"""Metrics that are norms: of them resamples hold the distance from the value's vector (`bootstrap/intervals.py`)."""


@dataclass(frozen=True)
class MetricOptions:
    """How metrics are taken.

    Args:
        places: the k of metrics at k.
        bins: of the scores, for calibration.
        resamples: of units.
        seed: of the resamples.
    """

    places: int = 5
    bins: int = 20
    resamples: int = 1_000
    seed: int = 1


@dataclass(frozen=True)
class Measured:
    """The metrics of one model on some rows.

    Args:
        values: by name, in the order of the report; NaN where a metric is not defined.
        resamples: of each metric, shape (resamples,).
        bins: the reliability diagram; empty where scores are no probabilities.
        rows: how many rows there were.
        labelled: how many have the label.
        units: how many users, or requests of nobody.
        without_label: how many rows were left out.
        digest: of the rows, whatever their scores.
        options: by which they were taken.
    """

    values: Mapping[str, float]
    resamples: Mapping[str, Floats]
    bins: tuple[Bin, ...]
    rows: int
    labelled: int
    units: int
    without_label: int
    digest: str
    options: MetricOptions

    def estimates(self) -> dict[str, Estimate]:
        """Every metric with its interval."""
        return {name: _estimate(name, value, self.resamples[name]) for name, value in self.values.items()}


def measure(rows: ScoredRows, options: MetricOptions) -> Measured:
    """Takes all metrics of some rows; those of probabilities only where scores are such."""
    requests = ranked_groups(rows.request, rows.requests, rows.score, rows.ascending)
    ratios = [
        user_auc(rows),
        ndcg(rows, requests, options.places),
        mrr(rows, requests),
        recall(rows, requests, options.places),
        *sales(rows, requests, options.places),
    ]
    if rows.probabilities:
        ratios += [log_loss(rows), predicted_over_observed(rows)]
    line = recalibration(rows) if rows.probabilities else None
    found = _resampled(rows, ratios, line, options)
    values = {"auc": auc(rows.score, rows.label, rows.weight, rows.ascending)} | {ratio.name: ratio.value for ratio in ratios}
    resamples = {"auc": divided(found.wins, found.sums[:, 0] * found.sums[:, 1])}
    for number, ratio in enumerate(ratios):
        resamples[ratio.name] = divided(found.sums[:, 2 + 2 * number], found.sums[:, 3 + 2 * number])
    bins: tuple[Bin, ...] = ()
    if line is not None:
        bins = tuple(reliability(rows, options.bins))
        total = sum(bin_.weight for bin_ in bins)
        off = sum(bin_.weight * abs(bin_.predicted - bin_.observed) for bin_ in bins if bin_.weight)
        values |= {"ece": off / total if total else float("nan"), "calibration_intercept": line.intercept, "calibration_slope": line.slope}
        shares = divided(found.residuals, found.sums[:, :1] + found.sums[:, 1:2])
        own = [bin_.weight * (bin_.predicted - bin_.observed) / total if bin_.weight else 0.0 for bin_ in bins]
        resamples["ece"] = np.abs(shares[:, [bin_.number for bin_ in bins]] - own).sum(axis=1)
        resamples["calibration_intercept"], resamples["calibration_slope"] = moved(line, found.sums[:, -5:-3], found.sums[:, -3:])
    return Measured(values, resamples, bins, rows.rows, int(rows.label.sum()), rows.units, rows.without_label, rows.digest, options)


def differences(challenger: Measured, champion: Measured) -> dict[str, Estimate]:
    """Challenger minus champion for every metric that both have, with the interval of the paired difference.

    Measured on the same rows with the same options, resample by resample both have the same draws.

    Raises:
        InvalidInput: if they were measured on different rows or with different options.
    """
    if challenger.digest != champion.digest:
        raise InvalidInput("the two models were measured on different rows", remedy="score the same rows with both")
    if challenger.options != champion.options:
        raise InvalidInput("the two models were measured with different options", remedy="measure both with the same ones")
    return {
        name: _estimate(name, value - champion.values[name], _difference(name, challenger, champion))
        for name, value in challenger.values.items()
        if name in champion.values
    }


def _difference(name: str, challenger: Measured, champion: Measured) -> Floats:
    if name in NORMS:
        return challenger.resamples[name] + champion.resamples[name]
    return challenger.resamples[name] - champion.resamples[name]


def _estimate(name: str, value: float, resamples: Floats) -> Estimate:
    return (interval_of_norm if name in NORMS else interval)(value, resamples)


def _resampled(rows: ScoredRows, ratios: list[Ratio], line: Recalibration | None, options: MetricOptions) -> Resampled:
    """Sums of all that metrics are made of: rows with and without the label, then the ratios, then the line's derivatives."""
    with_label = sums_by(rows.unit, rows.weight * rows.label, rows.units)
    without = sums_by(rows.unit, rows.weight * ~rows.label, rows.units)
    columns = [with_label, without] + [part for ratio in ratios for part in (ratio.numerator, ratio.denominator)]
    parts = [np.stack(columns, axis=1)] + ([] if line is None else [line.gradient, line.hessian])
    order = rows.ascending
    score = rows.score[order]
    label, weight = rows.label[order], rows.weight[order]
    in_order = SortedRows(
        unit=rows.unit[order],
        label=label,
        weight=weight,
        residual=weight * (score - label) if line is not None else np.zeros(0),
        bin=bins_of(score, options.bins) if line is not None else np.zeros(0, np.int32),
        last_of_ties=np.append(score[1:] != score[:-1], True) if rows.rows else np.zeros(0, bool),
    )
    bins = options.bins if line is not None else 0
    return resampled(rows.unit_key, np.concatenate(parts, axis=1), options.resamples, options.seed, in_order, bins)
