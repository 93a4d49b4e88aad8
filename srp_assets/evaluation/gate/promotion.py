"""Who is champion: aliases of a model, moved one at a time, so that a promotion which dies at any point leaves a proved champion.

The steps follow from the aliases as they are, not from what a process remembers, so whoever comes next goes on where another one died:

1. `previous_champion` is moved to the champion of now;
2. `champion` is moved to the candidate: this one move is the promotion;
3. `challenger` is taken away from the new champion.

Only a version on which a decision is kept that says `champion`, against the very champion of now, is ever moved up. A rollback is one move,
of `champion` to `previous_champion`; before it, the version that leaves is marked as refused and rolled back, so that neither its old
decision nor its old evidence brings it back behind somebody's back.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from pydantic import ValidationError

from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.evaluation.gate.decision import Answer, Decision, Outcome
from srp_assets.evaluation.gate.evidence import RollbackRecord

Alias = Literal["champion", "previous_champion", "challenger"]

ALIASES: tuple[Alias, ...] = ("champion", "previous_champion", "challenger")

DECISION = "decision"
"""The kind of record as which a decision is kept."""

ROLLBACK = "rollback"
"""The kind of record that says that a version was rolled back."""


class ModelVersions(Protocol):
    """What promotion needs of a model registry, for one registered model. Each of `move` and `remove` happens whole or not at all."""

    @property
    def model(self) -> str:
        """Name of the registered model."""

    def version_of(self, alias: Alias) -> str | None:
        """The version that has an alias now; None if none has it."""

    def move(self, alias: Alias, version: str) -> None:
        """Gives an alias to a version, which takes it from any other one."""

    def remove(self, alias: Alias) -> None:
        """Takes an alias away."""

    def keep(self, version: str, kind: str, record: str) -> None:
        """Keeps a record (JSON) on a version; another one of its kind is replaced."""

    def kept(self, version: str, kind: str) -> str | None:
        """The record of a kind that is kept on a version; None if there is none."""

    def alone(self) -> AbstractContextManager[object]:
        """Nobody else is within such a block of this model."""


class Step(NamedTuple):
    """One move of an alias; taken away where `version` is None."""

    alias: Alias
    version: str | None


def keep_decision(versions: ModelVersions, decision: Decision) -> None:
    """Writes a decision onto its version."""
    versions.keep(decision.version, DECISION, decision.model_dump_json())


def kept_decision(versions: ModelVersions, version: str) -> Decision | None:
    """The decision that is kept on a version, if it is of this version.

    Raises:
        InvalidInput: if what is kept there is no decision, or one on something else.
    """
    record = versions.kept(version, DECISION)
    if record is None:
        return None
    where = f"{versions.model} version {version}"
    try:
        decision = Decision.model_validate_json(record)
    except ValidationError as error:
        raise InvalidInput("the decision that is kept on it cannot be read", where=where, remedy="run the gate again") from error
    if (decision.model, decision.version) != (versions.model, version):
        raise InvalidInput(
            f"the decision that is kept on it is of {decision.model} version {decision.version}", where=where, remedy="run the gate again"
        )
    return decision


def challenge(versions: ModelVersions, version: str) -> None:
    """Makes a version the challenger.

    Raises:
        Conflict: if no decision that is kept on it lets it be one.
    """
    with versions.alone():
        _require(versions, version, {"challenger", "champion"})
        versions.move("challenger", version)


def step_down(versions: ModelVersions, version: str) -> None:
    """Takes the challenger's alias from a version, if it has it."""
    with versions.alone():
        if versions.version_of("challenger") == version:
            versions.remove("challenger")


def promote(versions: ModelVersions, version: str) -> None:
    """Makes a version the champion, or goes on with a promotion of it that died.

    Raises:
        Conflict: if no decision that is kept on it lets it be one, or the champion is not the one that the decision knew.
    """
    with versions.alone():
        decision = _require(versions, version, {"champion"})
        champion = versions.version_of("champion")
        if champion not in (decision.champion, version):
            raise Conflict(
                f"it was decided on against {_named(decision.champion)}, and the champion is {_named(champion)}",
                where=f"{versions.model} version {version}",
                remedy="evaluate it against the champion of now",
            )
        while step := promotion_step(versions, version):
            if step.version is None:
                versions.remove(step.alias)
            else:
                versions.move(step.alias, step.version)


def rollback(versions: ModelVersions, reason: str, now: datetime) -> str:
    """Brings the previous champion back, and refuses the one that leaves; returns the version that is champion again.

    Args:
        versions: of the model.
        reason: why, one line.
        now: the moment, with its time zone.

    Raises:
        NotFound: if there is no other champion to go back to.
    """
    with versions.alone():
        previous, champion = versions.version_of("previous_champion"), versions.version_of("champion")
        if previous is None or previous == champion:
            raise NotFound("there is no previous champion", where=versions.model, remedy="promote a version instead")
        if champion is not None:
            answer = Answer(name="rollback", state="failed", reason=f"rolled back: {reason}")
            decision = Decision(
                model=versions.model, version=champion, champion=previous, outcome="refused", answers=(answer,), records={}, decided_at=now
            )
            keep_decision(versions, decision)
            record = RollbackRecord(model=versions.model, version=champion, reason=reason, rolled_back_at=now)
            versions.keep(champion, ROLLBACK, record.model_dump_json())
        versions.move("champion", previous)
        return previous


def promotion_step(versions: ModelVersions, version: str) -> Step | None:
    """The next step towards a version being champion; None when it is all done."""
    champion = versions.version_of("champion")
    if champion != version:
        if champion is not None and versions.version_of("previous_champion") != champion:
            return Step("previous_champion", champion)
        return Step("champion", version)
    return Step("challenger", None) if versions.version_of("challenger") == version else None


def _require(versions: ModelVersions, version: str, outcomes: set[Outcome]) -> Decision:
    decision, where = kept_decision(versions, version), f"{versions.model} version {version}"
    if decision is None:
        raise Conflict("nothing was decided on it", where=where, remedy="run the gate")
    if decision.outcome not in outcomes:
        raise Conflict(f"it is {decision.outcome}: {decision.reasons[0]}", where=where, remedy="see its decision, and run the gate again")
    return decision


def _named(version: str | None) -> str:
    return "no champion" if version is None else f"version {version}"
