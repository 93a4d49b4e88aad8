"""What is recorded of a model version, and of what exactly: the gate believes a record only where it names this version and this data.

Each form is written as JSON onto the model version that it speaks of, and read back by it. Parity alone stays in the registry of parity
(`online/parity/evidence.py`), which says at any time what it knows of a feature's version.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from math import isnan
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from srp_assets.evaluation.bootstrap.intervals import Estimate
from srp_assets.evaluation.evaluating import StepEvaluation
from srp_assets.evaluation.metrics.calibration import Bin
from srp_assets.evaluation.metrics.measuring import Measured, differences
from srp_assets.evaluation.replay.replaying import Replay
from srp_assets.warehouse.catalogue import Strict


class Interval(Strict):
    """A value with its bounds; null where it is not defined, or its bounds cannot be told."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """The same as JSON has it."""
        return cls(**dict(zip(("value", "low", "high"), estimate.as_list(), strict=True)))


class ModelVersion(Strict):
    """A version of a registered model, and what it was made of.

    Args:
        model: name of the registered model.
        version: its number in the registry.
        semantic_version: for people.
        features: the version of each feature that it reads.
        training_first: first day of its training set.
        training_last: last day.
        training_data: digest of the training set.
        stopped_last: the last of the later days by which training ended, if there were any.
    """

    model: str
    version: str
    semantic_version: str
    features: Mapping[str, str]
    training_first: date
    training_last: date
    training_data: str
    stopped_last: date | None = None

    @property
    def used_last(self) -> date:
        """The last day that training has seen."""
        return max(self.training_last, self.stopped_last or self.training_last)

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if self.training_first > self.training_last:
            raise ValueError(f"training ends on {self.training_last}, before it begins")
        return self


class Recorded(Strict):
    """What all records name: of which version they are, against which champion, and what data they have seen.

    Args:
        model: name of the registered model.
        version: of the candidate.
        champion: version of the champion of that time; null if there was none.
        first: first day of the data.
        last: last day.
        data: digest of the data.
        recorded_at: when.
    """

    model: str
    version: str
    champion: str | None
    first: date
    last: date
    data: str
    recorded_at: AwareDatetime

    @property
    def digest(self) -> str:
        """Identity of the whole record."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]


class ReliabilityBin(Strict):
    """Rows with neighbouring scores: how many, and the means of prediction and label; null where they have no weight."""

    rows: int
    predicted: float | None
    observed: float | None

    @classmethod
    def of(cls, found: Bin) -> Self:
        """The same as JSON has it."""
        return cls(rows=found.rows, predicted=_told(found.predicted), observed=_told(found.observed))


class QualityRecord(Recorded):
    """How well a candidate orders and predicts, by itself and against the champion on the same rows.

    Args:
        step: label of the funnel's step.
        rows: evaluated.
        labelled: of these, with the label.
        metrics: by name, with intervals.
        differences: candidate minus champion, by metric; empty if there was no champion.
        weighted_metrics: the metrics by inverse propensity.
        weighted_differences: the differences by inverse propensity.
        slices: by `dimension/part`, the same differences where there was a champion, the metrics otherwise.
        further_steps: of the other steps of the funnel that both models score, likewise.
        bins: the candidate's reliability; empty if its scores are no probabilities.
        champion_bins: the champion's.
        importance: by how much the metric falls where a feature's values are shuffled, by feature, the greatest first.
    """

    step: str
    rows: int = Field(ge=0)
    labelled: int = Field(ge=0)
    metrics: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    weighted_metrics: Mapping[str, Interval] = {}
    weighted_differences: Mapping[str, Interval] = {}
    slices: Mapping[str, Mapping[str, Interval]]
    further_steps: Mapping[str, Mapping[str, Interval]] = {}
    bins: tuple[ReliabilityBin, ...] = ()
    champion_bins: tuple[ReliabilityBin, ...] = ()
    importance: Mapping[str, float] = {}


class ReplayRecord(Recorded):
    """What the log says of the candidate's policy.

    Args:
        estimator: by which the values are told.
        value: rewards a request.
        gain: minus those of the policy that logged.
        champion_gain: minus those of the champion's policy, replayed on the same log; null if there was no champion.
        effective_rows: choices that the value rests on.
        warnings: what speaks against trusting it.
    """

    estimator: str
    value: Interval
    gain: Interval
    champion_gain: Interval | None
    effective_rows: float = Field(ge=0)
    warnings: tuple[str, ...]


class RollbackRecord(Strict):
    """That a version was champion and had to leave: what was recorded of it before counts no more."""

    model: str
    version: str
    reason: str
    rolled_back_at: AwareDatetime


class ExperimentRecord(Recorded):
    """The verdict of an online experiment (A/B) of the candidate against the champion."""

    verdict: Literal["better", "not_worse", "worse", "inconclusive"]
    reason: str


LEAK_CHECKLIST: Mapping[str, str] = {
    "features_before_event": "no feature knows anything from the moment of the impression on (the leak test by shifted time passed)",
    "no_label_in_features": "no feature is made from the label or from what follows it",
    "split_by_time": "no evaluated row is as old as the training set, and the gap covers the delay of labels",
    "no_position_when_serving": "position and other facts of how a row was shown are left out when serving",
    "gain_explained": "which features the gain comes from is known, and why they should know so much",
}
"""What a person says yes to before a gain that is too good counts."""


class ApprovalRecord(Recorded):
    """A person's word that a gain which is too good is no leak.

    Args:
        quality: digest of the record of quality that it speaks of.
        approved_by: who.
        checklist: the answer to each question of `LEAK_CHECKLIST`.
        comment: where the gain comes from.
    """

    quality: str
    approved_by: str = Field(min_length=1)
    checklist: Mapping[str, bool]
    comment: str = Field(min_length=1)


def _told(number: float) -> float | None:
    return None if isnan(number) else number


def quality_record(
    candidate: ModelVersion,
    champion: ModelVersion | None,
    *,
    step: str,
    days: tuple[date, date],
    recorded_at: datetime,
    evaluation: Mapping[str, StepEvaluation],
    of_champion: Mapping[str, StepEvaluation] | None,
    importance: Mapping[str, float] | None = None,
) -> QualityRecord:
    """The record of what was measured.

    Args:
        candidate: the version that was measured.
        champion: that it was compared with.
        step: label of the funnel's step that decides.
        days: first and last day of the rows.
        recorded_at: when.
        evaluation: of the candidate, by step.
        of_champion: of the champion on the same rows and slices; None if there was none.
        importance: of the candidate's features.
    """
    own, other = evaluation[step], None if of_champion is None else of_champion[step]
    shared = [name for name in evaluation if name != step and (of_champion is None or name in of_champion)]
    return QualityRecord(
        model=candidate.model,
        version=candidate.version,
        champion=None if champion is None else champion.version,
        first=days[0],
        last=days[1],
        data=own.even.digest,
        recorded_at=recorded_at,
        step=step,
        rows=own.even.rows,
        labelled=own.even.labelled,
        metrics=_compared(own.even, None),
        differences={} if other is None else _compared(own.even, other.even),
        weighted_metrics=_compared(own.weighted, None),
        weighted_differences={} if other is None else _compared(own.weighted, other.weighted),
        slices={name: _compared(part, None if other is None else other.slices[name]) for name, part in own.slices.items()},
        further_steps={name: _compared(evaluation[name].even, None if of_champion is None else of_champion[name].even) for name in shared},
        bins=tuple(map(ReliabilityBin.of, own.even.bins)),
        champion_bins=() if other is None else tuple(map(ReliabilityBin.of, other.even.bins)),
        importance=importance or {},
    )


def _compared(one: Measured, other: Measured | None) -> dict[str, Interval]:
    """Differences from another model, or a model's own metrics."""
    found = one.estimates() if other is None else differences(one, other)
    return {name: Interval.of(estimate) for name, estimate in found.items()}


def replay_record(
    candidate: ModelVersion,
    champion: ModelVersion | None,
    *,
    days: tuple[date, date],
    recorded_at: datetime,
    found: Replay,
    estimator: str,
    problems: Sequence[str] = (),
) -> ReplayRecord:
    """The record of a replay by one of its estimators, with the intervals of resamples: rare rewards under large weights are skewed.

    The other arguments are those of the record; `problems` are what speaks against trusting the log itself.
    """
    against = found.champion_gains.get(estimator)
    return ReplayRecord(
        model=candidate.model,
        version=candidate.version,
        champion=None if champion is None else champion.version,
        first=days[0],
        last=days[1],
        data=found.digest,
        recorded_at=recorded_at,
        estimator=estimator,
        value=Interval.of(found.values[estimator].bootstrap),
        gain=Interval.of(found.gains[estimator].bootstrap),
        champion_gain=Interval.of(against.bootstrap) if against else None,
        effective_rows=found.diagnostics.effective_rows,
        warnings=(*problems, *found.diagnostics.warnings),
    )
