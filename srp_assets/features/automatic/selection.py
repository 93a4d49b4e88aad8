"""Which candidates pay: chosen one at a time, as long as what one adds to the forecast of the label is worth what it costs.

A candidate is asked four things. Coverage: the share of rows where it has a value. Information: the mutual information with the label, of
values in ten quantiles; of a cross what it knows beyond the better of its two parts. Redundancy: the greatest rank correlation (Spearman)
with what is in use already. Gain: how much the log loss on the later rows falls when a model (histogram gradient boosting) gets it too.
The first three are cheap and sort out; only the best are tried for gain, and the candidate with the greatest gain for its cost is taken.

A text enters the model as the smoothed mean label of its value, fitted on training rows of other folds than the row's own.

When it is bad: gains of a few ten-thousandths are noise at small sample sizes. `Rules.pays` is a gain for a unit of cost; below
10,000 rows set it higher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

QUANTILES = 10
ACCEPTED = "accepted"

FOLDS = 5
SMOOTHING_ROWS = 20.0
"""A value of a text is drawn towards the mean label as if so many rows with that mean had been seen (an arbitrary, usual strength)."""


@dataclass(frozen=True)
class Rules:
    """When a candidate pays.

    Args:
        least_coverage: share of rows with a value.
        greatest_redundancy: rank correlation with a feature in use.
        pays: log loss that one unit of cost has to save.
        tried: candidates that are tried for gain in each round: those with the most information.
        most: candidates that are accepted at most.
        training_share: of the rows, the earlier ones, that models are fitted on.
    """

    least_coverage: float = 0.05
    greatest_redundancy: float = 0.95
    pays: float = 0.0005
    tried: int = 8
    most: int = 10
    training_share: float = 0.7


@dataclass(frozen=True)
class Sample:
    """Rows in order of time.

    Args:
        labels: 0 or 1, shape (rows,).
        known: the features in use, numbers with NaN or texts with None, each of shape (rows,).
        candidates: the same of candidates.
    """

    labels: Labels
    known: Mapping[str, npt.NDArray[Any]]
    candidates: Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Evidence:
    """What was found of a candidate; `gain` is None where it was not tried."""

    name: str
    coverage: float
    information: float
    redundancy: float
    gain: float | None
    cost: float
    verdict: str


def select(sample: Sample, costs: Mapping[str, float], parts: Mapping[str, Sequence[str]], rules: Rules, seed: int = 0) -> list[Evidence]:
    """Evidence of all candidates: those that are accepted first, in the order in which they were taken.

    Args:
        sample: rows with labels; at least a few thousand, with both labels in the training part and after it.
        costs: of each candidate.
        parts: of each cross, the names of its parts among the known features.
        rules: when a candidate pays.
        seed: of the model.
    """
    training = np.arange(len(sample.labels)) < int(len(sample.labels) * rules.training_share)
    known = {name: encoded(values, sample.labels, training) for name, values in sample.known.items()}
    columns = {name: encoded(values, sample.labels, training) for name, values in sample.candidates.items()}
    evidence: dict[str, Evidence] = {}
    waiting: dict[str, float] = {}
    for name, values in sample.candidates.items():
        coverage = float(np.mean(~is_missing(values)))
        information = information_of(values, sample.labels)
        if parts.get(name):
            information -= max(information_of(sample.known[part], sample.labels) for part in parts[name])
        verdict = "" if coverage >= rules.least_coverage else "too few values"
        evidence[name] = Evidence(name, coverage, information, 0.0, None, costs[name], verdict)
        if not verdict:
            waiting[name] = information
    accepted = _Selection(sample.labels, training, known, columns, waiting, evidence, rules, seed).run()
    return [*(evidence[name] for name in accepted), *(found for name, found in evidence.items() if name not in accepted)]


@dataclass
class _Selection:
    """The selection as it goes on: what is in use, what waits with its information, and the evidence so far."""

    labels: Labels
    training: Flags
    known: dict[str, Floats]
    columns: Mapping[str, Floats]
    waiting: dict[str, float]
    evidence: dict[str, Evidence]
    rules: Rules
    seed: int

    def run(self) -> list[str]:
        """Takes candidates one at a time; says in the evidence of each why it was taken or not."""
        accepted: list[str] = []
        loss = self._loss()
        self._sort_out_redundant(list(self.known.values()))
        while self.waiting and len(accepted) < self.rules.most:
            tried = sorted(self.waiting, key=lambda name: -self.waiting[name])[: self.rules.tried]
            gains = {name: loss - self._loss(self.columns[name]) for name in tried}
            for name, gain in gains.items():
                self.evidence[name] = replace(self.evidence[name], gain=gain, verdict="does not pay")
            best = max(gains, key=lambda name: gains[name] / self.evidence[name].cost)
            if gains[best] < self.rules.pays * self.evidence[best].cost:
                break
            self.evidence[best] = replace(self.evidence[best], verdict=ACCEPTED)
            self.known[best] = self.columns[best]
            loss -= gains[best]
            accepted.append(best)
            del self.waiting[best]
            self._sort_out_redundant([self.columns[best]])
        for name in self.waiting:
            if not self.evidence[name].verdict:
                self.evidence[name] = replace(self.evidence[name], verdict="less information than others")
        return accepted

    def _loss(self, *further: Floats) -> float:
        return log_loss_of([*self.known.values(), *further], self.labels, self.training, self.seed)

    def _sort_out_redundant(self, others: Sequence[Floats]) -> None:
        """Takes out what says the same as columns that have just come into use."""
        if not others or not self.waiting:
            return
        names = list(self.waiting)
        correlations = np.abs(standard_ranks([self.columns[name] for name in names]).T @ standard_ranks(others)).max(axis=1)
        for name, correlation in zip(names, correlations.tolist(), strict=True):
            found = replace(self.evidence[name], redundancy=max(correlation, self.evidence[name].redundancy))
            if found.redundancy > self.rules.greatest_redundancy:
                found = replace(found, verdict="redundant")
                del self.waiting[name]
            self.evidence[name] = found


def is_missing(values: npt.NDArray[Any]) -> Flags:
    """Where a column has no value: NaN, or None of texts."""
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    return np.isnan(values)


def encoded(values: npt.NDArray[Any], labels: Labels, training: Flags) -> Floats:
    """A column as the model takes it: numbers as they are, a text as the smoothed mean label of its value in the training rows.

    A training row's value comes from the other folds of the training rows. Leaving out the row alone would not do: all rows of a value
    would then have one of two encodings, by their own label, which trees read off.
    """
    if values.dtype != object:
        return values.astype(np.float64)
    missing = is_missing(values)
    names, codes = np.unique(np.where(missing, "", values).astype(str), return_inverse=True)
    fold = np.where(training, np.arange(len(values)) % FOLDS, FOLDS)
    found = np.full(len(values), np.nan)
    for own in range(FOLDS + 1):
        fitted, asked = training & (fold != own), (fold == own) & ~missing
        rows = np.bincount(codes[fitted], minlength=len(names))
        hits = np.bincount(codes[fitted], weights=labels[fitted], minlength=len(names))
        mean = labels[fitted].mean() if fitted.any() else 0.0
        found[asked] = ((hits + mean * SMOOTHING_ROWS) / (rows + SMOOTHING_ROWS))[codes[asked]]
    return found


def information_of(values: npt.NDArray[Any], labels: Labels) -> float:
    """Mutual information of a column and the labels, in nats; numbers in quantiles, a missing value is a value of its own."""
    from sklearn.metrics import mutual_info_score  # a second of import that only a proposal should cost

    missing = is_missing(values)
    if values.dtype == object:
        return float(mutual_info_score(np.where(missing, "", values).astype(str), labels))
    bins = np.zeros(len(values), np.int64)
    if not missing.all():
        borders = np.unique(np.quantile(values[~missing], np.linspace(0, 1, QUANTILES + 1)[1:-1]))
        bins[~missing] = 1 + np.searchsorted(borders, values[~missing], side="right")
    return float(mutual_info_score(bins, labels))


def standard_ranks(columns: Sequence[Floats]) -> Floats:
    """Ranks of columns with mean 0 and length 1, shape (rows, columns): products of them are Spearman's rank correlations.

    A missing value has the mean rank; a column that does not vary is 0 everywhere, so that it correlates with nothing.
    """
    from scipy.stats import rankdata

    ranks = np.zeros((len(columns[0]), len(columns)))
    for place, column in enumerate(columns):
        known = ~np.isnan(column)
        found = rankdata(column[known])
        ranks[known, place] = found - found.mean() if len(found) else found
    lengths = np.sqrt((ranks**2).sum(axis=0))
    return ranks / np.where(lengths > 0, lengths, 1.0)


def log_loss_of(columns: Sequence[Floats], labels: Labels, training: Flags, seed: int) -> float:
    """Log loss of the rows after the training rows, of a model that is fitted on these; of no column, that of their mean label."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss

    later = ~training
    if not columns:
        return float(log_loss(labels[later], np.full(later.sum(), labels[training].mean()), labels=[0, 1]))
    matrix = np.stack(columns, axis=1)
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=seed)
    model.fit(matrix[training], labels[training])
    return float(log_loss(labels[later], model.predict_proba(matrix[later])[:, 1], labels=[0, 1]))
