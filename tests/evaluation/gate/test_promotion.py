"""A promotion that is killed anywhere leaves a champion that was proved; two at once leave one; nothing is moved up without a decision."""

from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest

from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.evaluation.gate.decision import Answer, Decision, Outcome
from srp_assets.evaluation.gate.promotion import challenge, keep_decision, kept_decision, promote, rollback
from support.model_versions import Killed, VersionsInMemory

NOW = datetime(2024, 3, 20, tzinfo=UTC)
REASON = "clicks fell"


def decided(versions: VersionsInMemory, version: str, champion: str | None, outcome: Outcome = "champion") -> None:
    keep_decision(
        versions,
        Decision(
            model=versions.model,
            version=version,
            champion=champion,
            outcome=outcome,
            answers=(Answer(name="quality", state="passed" if outcome == "champion" else "failed", reason="as it is"),),
            records={},
            decided_at=NOW,
        ),
    )


def with_champion() -> VersionsInMemory:
    """Version 2 is champion after version 1, and version 3 its challenger, decided to replace it."""
    versions = VersionsInMemory()
    versions.aliases = {"champion": "2", "previous_champion": "1", "challenger": "3"}
    decided(versions, "1", None)
    decided(versions, "2", "1")
    decided(versions, "3", "2")
    return versions


def test_the_previous_champion_is_written_before_the_champion_moves() -> None:
    versions = with_champion()
    promote(versions, "3")
    assert versions.history == [
        {"champion": "2", "previous_champion": "2", "challenger": "3"},
        {"champion": "3", "previous_champion": "2", "challenger": "3"},
        {"champion": "3", "previous_champion": "2"},
    ]


@pytest.mark.parametrize("step", range(4))
def test_killed_at_each_step_a_proved_champion_serves_and_the_next_run_goes_on(step: int) -> None:
    versions = with_champion()
    versions.dies_before = step
    if step < 3:
        with pytest.raises(Killed):
            promote(versions, "3")
    else:
        promote(versions, "3")
    serving = versions.aliases["champion"]
    assert serving == ("2" if step < 2 else "3")
    found = kept_decision(versions, serving)
    assert found is not None
    assert found.outcome == "champion"
    versions.dies_before = None
    promote(versions, "3")
    assert versions.aliases == {"champion": "3", "previous_champion": "2"}
    assert rollback(versions, REASON, NOW) == "2"
    assert versions.aliases["champion"] == "2"


def test_a_first_champion_has_no_previous_one() -> None:
    versions = VersionsInMemory()
    decided(versions, "1", None)
    promote(versions, "1")
    assert versions.aliases == {"champion": "1"}
    with pytest.raises(NotFound, match="no previous champion"):
        rollback(versions, REASON, NOW)


def test_a_rollback_is_one_move_and_cannot_be_done_twice() -> None:
    versions = with_champion()
    promote(versions, "3")
    before = versions.writes
    assert rollback(versions, REASON, NOW) == "2"
    assert versions.writes == before + 1
    with pytest.raises(NotFound):
        rollback(versions, REASON, NOW)


def test_a_rollback_that_is_killed_is_done_again() -> None:
    versions = with_champion()
    promote(versions, "3")
    versions.dies_before = versions.writes
    with pytest.raises(Killed):
        rollback(versions, REASON, NOW)
    assert versions.aliases["champion"] == "3"
    versions.dies_before = None
    assert rollback(versions, REASON, NOW) == "2"


def test_after_a_rollback_no_old_decision_promotes() -> None:
    versions = with_champion()
    promote(versions, "3")
    decided(versions, "4", "3")
    rollback(versions, REASON, NOW)
    with pytest.raises(Conflict, match="it is refused: rollback: rolled back: clicks fell"):
        promote(versions, "3")
    with pytest.raises(Conflict, match="decided on against version 3, and the champion is version 2"):
        promote(versions, "4")


@pytest.mark.parametrize("outcome", ["refused", "held", "challenger"])
def test_only_a_decision_for_champion_promotes(outcome: Outcome) -> None:
    versions = with_champion()
    decided(versions, "3", "2", outcome)
    with pytest.raises(Conflict, match=f"it is {outcome}"):
        promote(versions, "3")
    assert versions.history == []


def test_nothing_decided_nothing_moved() -> None:
    versions = with_champion()
    with pytest.raises(Conflict, match="nothing was decided on it"):
        promote(versions, "9")
    with pytest.raises(Conflict, match="nothing was decided on it"):
        challenge(versions, "9")
    assert versions.history == []


def test_a_decision_that_was_copied_from_another_version_is_refused() -> None:
    versions = with_champion()
    versions.records["9", "decision"] = versions.records["3", "decision"]
    with pytest.raises(InvalidInput, match="is of ranker version 3"):
        promote(versions, "9")
    versions.records["9", "decision"] = '{"outcome": "champion"}'
    with pytest.raises(InvalidInput, match="cannot be read"):
        promote(versions, "9")
    assert versions.history == []


@pytest.mark.parametrize(("outcome", "may"), [("challenger", True), ("champion", True), ("held", False), ("refused", False)])
def test_who_may_be_challenger(outcome: Outcome, may: bool) -> None:
    versions = with_champion()
    decided(versions, "4", "2", outcome)
    if may:
        challenge(versions, "4")
        assert versions.aliases["challenger"] == "4"
    else:
        with pytest.raises(Conflict):
            challenge(versions, "4")
        assert versions.aliases["challenger"] == "3"


def test_two_promotions_at_once_leave_one_champion() -> None:
    """Both were decided against version 2: who comes second was judged against a champion that is none any more."""
    for _ in range(20):
        versions = with_champion()
        decided(versions, "4", "2")
        together, outcomes = Barrier(2), {}

        def promoted(version: str, versions=versions, together=together, outcomes=outcomes) -> None:
            together.wait()
            try:
                promote(versions, version)
                outcomes[version] = "promoted"
            except Conflict:
                outcomes[version] = "refused"

        threads = [Thread(target=promoted, args=(version,)) for version in ("3", "4")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == ["promoted", "refused"]
        assert outcomes[versions.aliases["champion"]] == "promoted"
        assert versions.aliases["previous_champion"] == "2"
