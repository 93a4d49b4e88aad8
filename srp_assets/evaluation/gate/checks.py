"""The single questions of the gate. Each is answered from records alone, and no record is an answer too: no.

A check says `passed`, `failed`, `held` (a person must look) or `waiting` (what only a champion needs is not there yet). A record that is of
something else, or too old, fails: whoever recorded it meant it to count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from srp_assets.evaluation.gate.evidence import (
    LEAK_CHECKLIST,
    ApprovalRecord,
    ExperimentRecord,
    Interval,
    ModelVersion,
    QualityRecord,
    Recorded,
    ReplayRecord,
    RollbackRecord,
)
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.metrics.measuring import LOWER_IS_BETTER
from srp_assets.online.parity.evidence import ParityEvidence

State = Literal["passed", "failed", "held", "waiting"]


@dataclass(frozen=True)
class Check:
    """One answer with its reason, a line."""

    name: str
    state: State
    reason: str


@dataclass(frozen=True)
class Evidence:
    """All that is recorded of a candidate, as it was read back.

    Args:
        candidate: the version that is judged.
        champion: the champion of this moment; None if there is none.
        parity: what the registry of parity says of the candidate's features now.
        quality: how well it did on rows it was not trained on.
        quality_data: digest of the rows of these days as they stand now.
        replay: what the log says of its policy.
        replay_data: digest of that log as it stands now.
        approval: a person's word on a gain that is too good.
        experiment: the verdict of an online experiment.
        rollback: that it was rolled back, if it was.
    """

    candidate: ModelVersion
    champion: ModelVersion | None
    parity: ParityEvidence | None = None
    quality: QualityRecord | None = None
    quality_data: str | None = None
    replay: ReplayRecord | None = None
    replay_data: str | None = None
    approval: ApprovalRecord | None = None
    experiment: ExperimentRecord | None = None
    rollback: RollbackRecord | None = None


def parity_check(evidence: Evidence, options: GateOptions) -> Check:
    """Whether each feature, in the version that the candidate reads, was proved equal on the newest days up to the end of training."""
    name, found, candidate = "parity", evidence.parity, evidence.candidate
    if not candidate.features:
        return Check(name, "failed", "the model names no feature that it reads: nothing can be proved of it")
    if found is None:
        return Check(name, "failed", "no parity is recorded")
    last = candidate.training_last
    first = last - timedelta(days=options.parity_days - 1)
    if date.fromisoformat(found.first) > first or date.fromisoformat(found.last) < last:
        return Check(name, "failed", f"parity of {found.first} to {found.last} does not cover {first} to {last}")
    versions = {proof.feature: proof.version for proof in found.features}
    for feature, version in sorted(candidate.features.items()):
        if feature not in versions:
            return Check(name, "failed", f"no parity is recorded of feature {feature}")
        if versions[feature] != version:
            return Check(name, "failed", f"parity is recorded of {feature} in version {versions[feature]}, the model reads {version}")
    needed = {(first + timedelta(days=number)).isoformat() for number in range(options.parity_days)}
    for proof in found.features:
        if proof.feature not in candidate.features:
            continue
        # Older days than are needed may have failed; of what is needed, every day must be proved.
        unproved = sorted(needed - set(proof.days)) or sorted(needed & set(proof.problems))
        if unproved:
            why = proof.problems.get(unproved[0], "was not checked")
            return Check(name, "failed", f"{proof.feature} ({proof.version}) is not proved: {unproved[0]} {why}")
    return Check(name, "passed", f"{len(candidate.features)} features are the same online and offline, {first} to {last}")


def quality_check(evidence: Evidence, options: GateOptions, now: datetime) -> Check:
    """Whether the candidate is better than the champion, or than the floors where there is none."""
    name, record = "quality", evidence.quality
    if record is None:
        return Check(name, "failed", "no evaluation is recorded")
    if problem := foreign(record, evidence, evidence.quality_data, options, now):
        return Check(name, "failed", f"the evaluation {problem}")
    if record.first <= evidence.candidate.used_last:
        last = evidence.candidate.used_last
        return Check(name, "failed", f"it was evaluated from {record.first} on, and trained until {last}")
    if record.labelled < options.least_labelled:
        return Check(name, "failed", f"{record.labelled} rows with the label are too few to judge by: {options.least_labelled} are needed")
    return _against_floors(record, options) if evidence.champion is None else _against_champion(record, options)


def too_good_check(evidence: Evidence, options: GateOptions) -> Check:
    """Whether a gain is so large that it rather comes from a leak, and nobody has looked yet."""
    name, record, approval = "too good", evidence.quality, evidence.approval
    gain = None if record is None else record.differences.get(options.metric)
    if gain is None or gain.value is None or gain.value <= options.too_good:
        return Check(name, "passed", f"no gain of {options.metric} above {options.too_good:g}")
    said = f"{options.metric} is {gain.value:.4f} better than the champion's: more than {options.too_good:g}"
    if approval is None:
        return Check(name, "held", f"{said}; srp models approve, with the leak checklist, lets it pass")
    if record is None or approval.quality != record.digest or approval.version != evidence.candidate.version:
        return Check(name, "held", f"{said}; the approval of {approval.approved_by} is of another evaluation")
    if approval.model != evidence.candidate.model:
        return Check(name, "held", f"{said}; the approval of {approval.approved_by} is of model {approval.model}")
    missing = [item for item in LEAK_CHECKLIST if approval.checklist.get(item) is not True]
    if missing:
        return Check(name, "held", f"{said}; the checklist of {approval.approved_by} says no to {missing[0]}")
    return Check(name, "passed", f"{said}; {approval.approved_by} approved: {approval.comment}")


def replay_check(evidence: Evidence, options: GateOptions, now: datetime) -> Check:
    """Whether the log says that the candidate's policy is no worse than the one that it replaces."""
    name, record = "replay", evidence.replay
    if record is None:
        return Check(name, "waiting", "no replay is recorded")
    if problem := foreign(record, evidence, evidence.replay_data, options, now):
        return Check(name, "failed", f"the replay {problem}")
    if record.first <= evidence.candidate.used_last:
        return Check(name, "failed", f"it was replayed from {record.first} on, and trained until {evidence.candidate.used_last}")
    if record.effective_rows < options.least_effective_rows:
        rows = f"{record.effective_rows:.0f} choices; {options.least_effective_rows:.0f} are needed"
        return Check(name, "failed", f"the replay rests on {rows}")
    if record.warnings:
        return Check(name, "failed", f"the replay cannot be trusted: {record.warnings[0]}")
    gain, against = (record.gain, "the policy that logged") if evidence.champion is None else (record.champion_gain, "the champion")
    if gain is None or gain.low is None or record.value.value is None:
        return Check(name, "failed", f"the replay has no interval against {against}")
    if gain.low < -options.replay_tolerance * abs(record.value.value):
        return Check(name, "failed", f"its policy may lose {_shown(gain)} rewards a request against {against}")
    return Check(name, "passed", f"its policy gains {_shown(gain)} rewards a request against {against}")


def experiment_check(evidence: Evidence, options: GateOptions, now: datetime) -> Check:
    """Whether an online experiment speaks for the candidate, where one is asked for."""
    name, record = "experiment", evidence.experiment
    if record is None:
        if options.needs_experiment and evidence.champion is not None:
            return Check(name, "waiting", "the verdict of an online experiment is asked for, and there is none")
        return Check(name, "passed", "no online experiment is asked for")
    if problem := foreign(record, evidence, record.data, options, now):
        state: State = "failed" if options.needs_experiment else "passed"
        return Check(name, state, f"the experiment {problem}")
    if record.verdict == "worse":
        return Check(name, "failed", f"the online experiment says that it is worse: {record.reason}")
    if record.verdict == "inconclusive" and options.needs_experiment:
        return Check(name, "waiting", f"the online experiment has no verdict yet: {record.reason}")
    return Check(name, "passed", f"the online experiment says {record.verdict.replace('_', ' ')}: {record.reason}")


def foreign(record: Recorded, evidence: Evidence, data: str | None, options: GateOptions, now: datetime) -> str | None:
    """Why a record does not speak of this candidate, this champion and this data, now; None if it does."""
    candidate = evidence.candidate
    champion = None if evidence.champion is None else evidence.champion.version
    if (record.model, record.version) != (candidate.model, candidate.version):
        return f"is of {record.model} {record.version}, not of {candidate.model} {candidate.version}"
    if record.champion != champion:
        return f"is against {_named(record.champion)}, and the champion is {_named(champion)}"
    rollback = evidence.rollback
    if rollback is not None and record.recorded_at <= rollback.rolled_back_at:
        return f"is older than its rollback of {rollback.rolled_back_at:%Y-%m-%d %H:%M} ({rollback.reason})"
    if data is None:
        return f"is of {record.first} to {record.last}, of which no data is there now"
    if record.data != data:
        return f"is of other data than {record.first} to {record.last} has now"
    if record.recorded_at > now:
        return f"is of the future ({record.recorded_at:%Y-%m-%d %H:%M})"
    if now - record.recorded_at > timedelta(days=options.oldest_days):
        return f"is of {record.recorded_at:%Y-%m-%d}, more than {options.oldest_days} days ago"
    return None


def _against_champion(record: QualityRecord, options: GateOptions) -> Check:
    name, gain = "quality", record.differences.get(options.metric)
    if gain is None or gain.low is None:
        return Check(name, "failed", f"no interval of the difference of {options.metric} is recorded")
    if gain.low <= options.least_gain:
        return Check(name, "failed", f"{options.metric} is not certainly better than the champion's: {_shown(gain)}")
    for metric, tolerance in options.tolerances.items():
        found = record.differences.get(metric)
        if found is None and metric in record.metrics:
            return Check(name, "failed", f"no difference of {metric} is recorded")
        if found is not None and _certainly_worse(metric, found, tolerance):
            return Check(name, "failed", f"{metric} is worse than the champion's: {_shown(found)}")
    for part, of_part in sorted([*record.slices.items(), *record.further_steps.items()]):
        found = of_part.get(options.metric)
        if found is not None and _certainly_worse(options.metric, found, options.slice_tolerance):
            return Check(name, "failed", f"{options.metric} is worse than the champion's in {part}: {_shown(found)}")
    return Check(name, "passed", f"{options.metric} is better than the champion's: {_shown(gain)}")


def _against_floors(record: QualityRecord, options: GateOptions) -> Check:
    name = "quality"
    for metric, floor in options.floors.items():
        found = record.metrics.get(metric)
        if found is None or found.low is None:
            return Check(name, "failed", f"no interval of {metric} is recorded")
        if found.low < floor:
            return Check(name, "failed", f"{metric} of a first model must be at least {floor:g}: {_shown(found)}")
    least, most = options.calibration
    ratio = record.metrics.get("predicted_over_observed")
    if ratio is not None and (ratio.low is None or ratio.high is None or ratio.high < least or ratio.low > most):
        return Check(name, "failed", f"predicted over observed is outside of {least:g} to {most:g}: {_shown(ratio)}")
    return Check(name, "passed", f"the first model is above every floor: {_listed(record.metrics, options.floors)}")


def _certainly_worse(metric: str, difference: Interval, tolerance: float) -> bool:
    """Whether the whole interval lies on the bad side; what has no interval is certain of nothing."""
    if difference.low is None or difference.high is None:
        return False
    return difference.low > tolerance if metric in LOWER_IS_BETTER else difference.high < -tolerance


def _listed(metrics: Mapping[str, Interval], names: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_shown(metrics[name])}" for name in names)


def _shown(interval: Interval) -> str:
    numbers = ["unknown" if number is None else f"{number:.4f}" for number in (interval.value, interval.low, interval.high)]
    return f"{numbers[0]} ({numbers[1]} to {numbers[2]})"


def _named(version: str | None) -> str:
    return "no champion" if version is None else f"version {version}"
