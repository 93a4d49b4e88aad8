"""The gate reads what is kept on a version, decides, and moves aliases; what was copied from another version proves nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.evidence import LEAK_CHECKLIST
from srp_assets.evaluation.gate.keeping import approve, gathered, judge, keep_record, keep_version, kept_version, nominate
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.gate.promotion import kept_decision, rollback
from support.gate_evidence import GOOD, NOW, experiment, interval, parity, quality, replayed, version
from support.model_versions import Killed, VersionsInMemory

OPTIONS = GateOptions()
YES = dict.fromkeys(LEAK_CHECKLIST, True)


@pytest.fixture
def versions() -> VersionsInMemory:
    """Version 1 is champion; version 2 has an evaluation and a replay against it."""
    found = VersionsInMemory()
    for number in ("1", "2", "3"):
        keep_version(found, version(number))
    found.aliases = {"champion": "1"}
    keep_record(found, quality())
    keep_record(found, replayed())
    return found


def evidence_of(versions: VersionsInMemory, number: str = "2") -> Evidence:
    return gathered(versions, number, parity=parity(), quality_data="rows", replay_data="rows")


def test_what_is_kept_is_what_is_read_back(versions: VersionsInMemory) -> None:
    assert evidence_of(versions) == GOOD
    keep_record(versions, experiment())
    approval = approve(versions, "2", approved_by="mara", checklist=YES, comment="new sequences", now=NOW)
    found = evidence_of(versions)
    assert (found.experiment, found.approval) == (experiment(), approval)
    assert approval.quality == quality().digest


def test_a_candidate_becomes_challenger_and_then_champion(versions: VersionsInMemory) -> None:
    first = judge(versions, evidence_of(versions), OPTIONS, NOW)
    assert first.outcome == "challenger"
    assert versions.aliases == {"champion": "1", "challenger": "2"}
    second = judge(versions, evidence_of(versions), OPTIONS, NOW + timedelta(minutes=5))
    assert second.outcome == "champion"
    assert versions.aliases == {"champion": "2", "previous_champion": "1"}
    assert kept_decision(versions, "2") == second


def test_the_best_that_passes_is_challenger_and_nobody_is_promoted_by_being_it_twice(versions: VersionsInMemory) -> None:
    keep_record(versions, quality(version="3", metrics={**quality().metrics, "auc": interval(0.75)}))
    keep_record(versions, replayed(version="3"))
    both = [evidence_of(versions, number) for number in ("3", "2")]
    for _ in range(2):
        assert [decision.outcome for decision in nominate(versions, both, OPTIONS, NOW)] == ["challenger", "challenger"]
        assert versions.aliases == {"champion": "1", "challenger": "3"}
    refused = replace(both[0], parity=None)
    assert [decision.outcome for decision in nominate(versions, [refused], OPTIONS, NOW)] == ["refused"]
    assert versions.aliases == {"champion": "1"}
    assert nominate(versions, [], OPTIONS, NOW) == []


def test_a_challenger_that_waits_for_its_experiment_stays_unless_it_is_refused(versions: VersionsInMemory) -> None:
    options = GateOptions(needs_experiment=True)
    keep_record(versions, quality(version="3", metrics={**quality().metrics, "auc": interval(0.75)}))
    first, better = evidence_of(versions), evidence_of(versions, "3")
    nominate(versions, [first], options, NOW)
    nominate(versions, [better, first], options, NOW)
    assert versions.aliases == {"champion": "1", "challenger": "2"}
    nominate(versions, [better, replace(first, parity=None)], options, NOW)
    assert versions.aliases == {"champion": "1", "challenger": "3"}


def test_a_promotion_that_died_is_ended_by_the_next_look_at_it(versions: VersionsInMemory) -> None:
    judge(versions, evidence_of(versions), OPTIONS, NOW)
    versions.dies_before = versions.writes + 2
    with pytest.raises(Killed):
        judge(versions, evidence_of(versions), OPTIONS, NOW)
    assert versions.aliases == {"champion": "2", "previous_champion": "1", "challenger": "2"}
    versions.dies_before = None
    decision = judge(versions, evidence_of(versions), OPTIONS, NOW)
    assert decision.outcome == "champion"
    assert versions.aliases == {"champion": "2", "previous_champion": "1"}
    assert kept_decision(versions, "2") == decision


def test_what_was_rolled_back_must_be_judged_anew(versions: VersionsInMemory) -> None:
    for _ in range(2):
        judge(versions, evidence_of(versions), OPTIONS, NOW)
    assert rollback(versions, "clicks fell", NOW) == "1"
    for _ in range(2):
        decision = judge(versions, evidence_of(versions), OPTIONS, NOW + timedelta(hours=1))
        assert decision.outcome == "refused"
        assert any("older than its rollback of 2024-03-20 12:00 (clicks fell)" in reason for reason in decision.reasons)
    keep_record(versions, quality(recorded_at=NOW + timedelta(hours=2)))
    assert judge(versions, evidence_of(versions), OPTIONS, NOW + timedelta(hours=3)).outcome == "refused"
    keep_record(versions, replayed(recorded_at=NOW + timedelta(hours=2)))
    assert judge(versions, evidence_of(versions), OPTIONS, NOW + timedelta(hours=3)).outcome == "challenger"


def test_a_challenger_that_is_refused_is_challenger_no_more(versions: VersionsInMemory) -> None:
    judge(versions, evidence_of(versions), OPTIONS, NOW)
    keep_record(versions, experiment(verdict="worse"))
    assert judge(versions, evidence_of(versions), OPTIONS, NOW).outcome == "refused"
    assert versions.aliases == {"champion": "1"}


def test_the_gate_alone_promotes_nobody(versions: VersionsInMemory) -> None:
    """Version 3 has no record at all; version 2 has none of parity."""
    bare = gathered(versions, "3", parity=None, quality_data=None, replay_data=None)
    for evidence in (bare, replace(evidence_of(versions), parity=None)):
        for _ in range(2):
            assert judge(versions, evidence, OPTIONS, NOW).outcome == "refused"
    assert versions.aliases == {"champion": "1"}
    refused = kept_decision(versions, "3")
    assert refused is not None
    assert refused.outcome == "refused"


def test_records_that_were_copied_from_another_version_prove_nothing(versions: VersionsInMemory) -> None:
    for kind in ("quality", "replay"):
        versions.records["3", kind] = versions.records["2", kind]
    decision = judge(versions, evidence_of(versions, "3"), OPTIONS, NOW)
    assert decision.outcome == "refused"
    assert any("is of ranker 2, not of ranker 3" in reason for reason in decision.reasons)
    versions.records["3", "made_of"] = versions.records["2", "made_of"]
    with pytest.raises(InvalidInput, match="says that it is ranker version 2"):
        kept_version(versions, "3")


def test_records_that_cannot_be_read_are_an_error_and_no_evidence(versions: VersionsInMemory) -> None:
    versions.records["2", "quality"] = '{"version": "2"}'
    with pytest.raises(InvalidInput, match="record of quality cannot be read"):
        evidence_of(versions)
    with pytest.raises(NotFound, match="does not say what it was made of"):
        kept_version(versions, "9")
    with pytest.raises(InvalidInput, match="a record of other"):
        keep_record(versions, quality(model="other"))


def test_a_gain_that_is_too_good_waits_for_a_person(versions: VersionsInMemory) -> None:
    keep_record(versions, quality(differences={"auc": interval(0.05), "gauc": interval(0.02), "log_loss": interval(-0.01)}))
    assert judge(versions, evidence_of(versions), OPTIONS, NOW).outcome == "held"
    assert versions.aliases == {"champion": "1"}
    approve(versions, "2", approved_by="mara", checklist=YES, comment="new sequences", now=NOW)
    assert judge(versions, evidence_of(versions), OPTIONS, NOW).outcome == "challenger"
    # Evaluated again, it is another evaluation, which nobody has approved.
    keep_record(versions, quality(differences={"auc": interval(0.06), "gauc": interval(0.02), "log_loss": interval(-0.01)}))
    assert judge(versions, evidence_of(versions), OPTIONS, NOW).outcome == "held"


def test_only_what_is_asked_is_approved(versions: VersionsInMemory) -> None:
    with pytest.raises(InvalidInput, match="no item 'split_by_tim'"):
        approve(versions, "2", approved_by="mara", checklist={"split_by_tim": True}, comment="fine", now=NOW)
    with pytest.raises(NotFound, match="no evaluation to approve"):
        approve(versions, "3", approved_by="mara", checklist=YES, comment="fine", now=NOW)


def test_an_evaluation_against_a_champion_that_is_none_any_more_counts_no_more(versions: VersionsInMemory) -> None:
    versions.aliases["champion"] = "3"
    decision = judge(versions, evidence_of(versions), OPTIONS, NOW)
    assert decision.outcome == "refused"
    assert any("is against version 1, and the champion is version 3" in reason for reason in decision.reasons)
