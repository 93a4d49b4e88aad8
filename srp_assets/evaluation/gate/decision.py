"""The gate's decision on a candidate: a pure function of what is recorded.

- `refused`: something speaks against the model, or it has no proof of parity or quality.
- `held`: its gain is too good; a person must look for a leak first.
- `challenger`: it passed parity and quality; something that a champion needs is not there yet.
- `champion`: everything that is asked for is there, and it has been challenger.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from srp_assets.evaluation.gate.checks import (
    Check,
    Evidence,
    State,
    experiment_check,
    parity_check,
    quality_check,
    replay_check,
    too_good_check,
)
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.warehouse.catalogue import Strict

Outcome = Literal["refused", "held", "challenger", "champion"]


class Answer(Strict):
    """A check as the decision keeps it."""

    name: str
    state: State
    reason: str


class Decision(Strict):
    """What was decided, from what, and why.

    Args:
        model: name of the registered model.
        version: of the candidate.
        champion: version of the champion that it would replace; null if there was none.
        outcome: the decision.
        answers: of all checks.
        records: digests of the records that were read, by kind.
        decided_at: when.
    """

    model: str
    version: str
    champion: str | None
    outcome: Outcome
    answers: tuple[Answer, ...]
    records: Mapping[str, str]
    decided_at: AwareDatetime

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is no champion, one line each; why it is one, if it is."""
        against = [answer for answer in self.answers if answer.state != "passed"]
        return tuple(f"{answer.name}: {answer.reason}" for answer in against or self.answers)


def decide(evidence: Evidence, options: GateOptions, *, is_challenger: bool, now: datetime) -> Decision:
    """Judges a candidate.

    Args:
        evidence: all that is recorded of it.
        options: what is asked.
        is_challenger: whether the candidate is the challenger of this moment.
        now: the moment, with its time zone.
    """
    champion = evidence.champion
    checks = [
        parity_check(evidence, options),
        quality_check(evidence, options, now),
        too_good_check(evidence, options),
        replay_check(evidence, options, now),
        experiment_check(evidence, options, now),
        _been_challenger(is_challenger),
    ]
    if champion is not None and (champion.model, champion.version) == (evidence.candidate.model, evidence.candidate.version):
        checks = [Check("candidate", "failed", f"version {champion.version} is the champion already")]
    records = {"quality": evidence.quality, "replay": evidence.replay, "approval": evidence.approval, "experiment": evidence.experiment}
    parity = {} if evidence.parity is None else {"parity": evidence.parity.digest}
    return Decision(
        model=evidence.candidate.model,
        version=evidence.candidate.version,
        champion=None if champion is None else champion.version,
        outcome=_outcome({check.state for check in checks}),
        answers=tuple(Answer(name=check.name, state=check.state, reason=check.reason) for check in checks),
        records=parity | {kind: record.digest for kind, record in records.items() if record is not None},
        decided_at=now,
    )


def _been_challenger(is_challenger: bool) -> Check:
    if is_challenger:
        return Check("challenger", "passed", "it is the challenger")
    return Check("challenger", "waiting", "it becomes challenger first")


def _outcome(states: set[State]) -> Outcome:
    if "failed" in states:
        return "refused"
    if "held" in states:
        return "held"
    return "challenger" if "waiting" in states else "champion"
