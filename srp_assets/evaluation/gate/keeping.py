"""Records on model versions: written by those who measure, read back by the gate, and by nobody believed of another version."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from srp_assets.errors import InvalidInput, NotFound, nearest
from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.decision import Decision, decide
from srp_assets.evaluation.gate.evidence import (
    LEAK_CHECKLIST,
    ApprovalRecord,
    ExperimentRecord,
    ModelVersion,
    QualityRecord,
    Recorded,
    ReplayRecord,
    RollbackRecord,
)
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.gate.promotion import ROLLBACK, ModelVersions, challenge, keep_decision, kept_decision, promote, step_down
from srp_assets.online.parity.evidence import ParityEvidence
from srp_assets.warehouse.catalogue import Strict

MADE_OF = "made_of"
"""The kind of record that says what a version was made of."""

KINDS: Mapping[type[Recorded], str] = {
    QualityRecord: "quality",
    ReplayRecord: "replay",
    ApprovalRecord: "approval",
    ExperimentRecord: "experiment",
}

Form = TypeVar("Form", bound=Strict)
Record = TypeVar("Record", bound=Recorded)


def keep_version(versions: ModelVersions, made_of: ModelVersion) -> None:
    """Writes onto a version what it was made of."""
    versions.keep(made_of.version, MADE_OF, made_of.model_dump_json())


def kept_version(versions: ModelVersions, version: str) -> ModelVersion:
    """What a version was made of.

    Raises:
        NotFound: if that is not kept on it.
        InvalidInput: if what is kept cannot be read, or is of another version.
    """
    found = _read(versions, version, MADE_OF, ModelVersion)
    where = f"{versions.model} version {version}"
    if found is None:
        raise NotFound("it does not say what it was made of", where=where, remedy="register the model again")
    if (found.model, found.version) != (versions.model, version):
        raise InvalidInput(f"it says that it is {found.model} version {found.version}", where=where, remedy="register the model again")
    return found


def keep_record(versions: ModelVersions, record: Recorded) -> None:
    """Writes a record onto the version that it is of.

    Raises:
        InvalidInput: if it is of another model.
    """
    if record.model != versions.model:
        raise InvalidInput(f"a record of {record.model} cannot be kept on it", where=versions.model, remedy="record it on its own model")
    versions.keep(record.version, KINDS[type(record)], record.model_dump_json())


def kept_record(versions: ModelVersions, version: str, form: type[Record]) -> Record | None:
    """A record that is kept on a version, of whatever it says that it is; None if there is none.

    Raises:
        InvalidInput: if it cannot be read.
    """
    return _read(versions, version, KINDS[form], form)


def gathered(
    versions: ModelVersions,
    version: str,
    *,
    parity: ParityEvidence | None,
    quality_data: str | None,
    replay_data: str | None,
) -> Evidence:
    """All that is recorded of a version, as the gate reads it: whether a record counts is for the checks to say.

    Args:
        versions: of the model.
        version: the candidate.
        parity: what the registry of parity says of its features now.
        quality_data: digest of the evaluated rows as they stand now; None if they are gone.
        replay_data: digest of the replayed log likewise.

    Raises:
        NotFound: if the candidate or the champion does not say what it was made of.
        InvalidInput: if a record cannot be read.
    """
    champion = versions.version_of("champion")
    return Evidence(
        candidate=kept_version(versions, version),
        champion=None if champion is None else kept_version(versions, champion),
        parity=parity,
        quality=_read(versions, version, "quality", QualityRecord),
        quality_data=quality_data,
        replay=_read(versions, version, "replay", ReplayRecord),
        replay_data=replay_data,
        approval=_read(versions, version, "approval", ApprovalRecord),
        experiment=_read(versions, version, "experiment", ExperimentRecord),
        rollback=_read(versions, version, ROLLBACK, RollbackRecord),
    )


def nominate(versions: ModelVersions, found: Sequence[Evidence], options: GateOptions, now: datetime) -> list[Decision]:
    """Decides on candidates, and makes the best of those that pass the challenger; nobody becomes champion here.

    A challenger that waits for the verdict of an online experiment stays one unless it is refused: its experiment would be lost.

    Args:
        versions: of the model.
        found: what is recorded of each candidate; the champion of now is none.
        options: what is asked.
        now: the moment, with its time zone.
    """
    decisions, passed = [], []
    for evidence in found:
        decision = decide(evidence, options, is_challenger=False, now=now)
        keep_decision(versions, decision)
        decisions.append(decision)
        if decision.outcome == "challenger":
            passed.append(evidence)
        else:
            step_down(versions, decision.version)
    waits = options.needs_experiment and versions.version_of("challenger") is not None
    if passed and not waits:
        challenge(versions, max(passed, key=lambda evidence: _worth(evidence, options.metric)).candidate.version)
    return decisions


def _worth(evidence: Evidence, metric: str) -> float:
    """By what the better of two candidates is told: the metric on the same rows."""
    found = None if evidence.quality is None else evidence.quality.metrics.get(metric)
    return float("-inf") if found is None or found.value is None else found.value


def judge(versions: ModelVersions, evidence: Evidence, options: GateOptions, now: datetime) -> Decision:
    """Decides on a candidate, keeps the decision on it, and moves the alias that the decision gives it or takes from it.

    Of the champion of now nothing is decided anew: what made it champion stays kept, and a promotion of it that died is ended.
    """
    version = evidence.candidate.version
    if versions.version_of("champion") == version and (known := kept_decision(versions, version)) is not None:
        promote(versions, version)
        return known
    decision = decide(evidence, options, is_challenger=versions.version_of("challenger") == version, now=now)
    keep_decision(versions, decision)
    if decision.outcome == "challenger":
        challenge(versions, version)
    elif decision.outcome == "champion":
        promote(versions, version)
    else:
        step_down(versions, version)
    return decision


def approve(
    versions: ModelVersions, version: str, *, approved_by: str, checklist: Mapping[str, bool], comment: str, now: datetime
) -> ApprovalRecord:
    """Keeps a person's word on the evaluation that is kept on a version.

    Raises:
        NotFound: if no evaluation is kept on it.
        InvalidInput: if the checklist asks something else.
    """
    quality = _read(versions, version, "quality", QualityRecord)
    where = f"{versions.model} version {version}"
    if quality is None:
        raise NotFound("there is no evaluation to approve", where=where, remedy="evaluate it first")
    for item in checklist:
        if item not in LEAK_CHECKLIST:
            raise InvalidInput(f"the leak checklist has no item {item!r}", where=where, remedy=nearest(item, LEAK_CHECKLIST))
    record = ApprovalRecord(
        **quality.model_dump(include={"model", "version", "champion", "first", "last", "data"}),
        recorded_at=now,
        quality=quality.digest,
        approved_by=approved_by,
        checklist=checklist,
        comment=comment,
    )
    keep_record(versions, record)
    return record


def _read(versions: ModelVersions, version: str, kind: str, form: type[Form]) -> Form | None:
    record = versions.kept(version, kind)
    if record is None:
        return None
    try:
        return form.model_validate_json(record)
    except ValidationError as error:
        where = f"{versions.model} version {version}"
        raise InvalidInput(f"its record of {kind.replace('_', ' ')} cannot be read", where=where, remedy="record it again") from error
