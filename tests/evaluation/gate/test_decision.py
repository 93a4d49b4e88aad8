"""The gate passes what is proved, and says no to every way of having no, old, partial, failed or foreign evidence."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.decision import Decision, decide
from srp_assets.evaluation.gate.evidence import (
    LEAK_CHECKLIST,
    ApprovalRecord,
    ExperimentRecord,
    Interval,
    QualityRecord,
    ReplayRecord,
)
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.online.parity.evidence import ParityEvidence
from support.gate_evidence import (
    DAYS,
    GOOD,
    NOW,
    approval,
    experiment,
    interval,
    parity,
    proof,
    quality,
    replayed,
    version,
)

OPTIONS = GateOptions()


def judged(evidence: Evidence, options: GateOptions = OPTIONS, *, is_challenger: bool = True) -> Decision:
    return decide(evidence, options, is_challenger=is_challenger, now=NOW)


def test_what_is_proved_becomes_challenger_first_and_then_champion() -> None:
    assert judged(GOOD, is_challenger=False).outcome == "challenger"
    assert judged(GOOD, is_challenger=False).reasons == ("challenger: it becomes challenger first",)
    decision = judged(GOOD)
    assert decision.outcome == "champion"
    assert {answer.state for answer in decision.answers} == {"passed"}
    assert set(decision.records) == {"parity", "quality", "replay"}
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_without_any_evidence_nothing_passes() -> None:
    bare = Evidence(candidate=version("2"), champion=version("1"))
    decision = judged(bare)
    assert decision.outcome == "refused"
    assert "parity: no parity is recorded" in decision.reasons
    assert "quality: no evaluation is recorded" in decision.reasons
    assert judged(Evidence(candidate=version("1"), champion=None)).outcome == "refused"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        pytest.param(None, "no parity is recorded", id="none"),
        pytest.param(parity(proof("price", "v-price")), "of feature clicks_7d", id="partial: a feature"),
        pytest.param(parity(proof("clicks_7d", "v-old"), proof("price", "v-price")), "in version v-old", id="another version"),
        pytest.param(parity(first=DAYS[1]), "does not cover 2024-03-12 to 2024-03-14", id="partial: begins late"),
        pytest.param(parity(last=DAYS[1]), "does not cover", id="old: ends before training does"),
        pytest.param(parity(first="2024-02-01", last="2024-02-20"), "does not cover", id="another data range"),
        pytest.param(
            parity(proof("clicks_7d", "v-clicks", DAYS[:2]), proof("price", "v-price")), "2024-03-14 was not checked", id="partial: a day"
        ),
        pytest.param(
            parity(proof("clicks_7d", "v-clicks", DAYS[:1], {DAYS[1]: "differs in 12 % of rows"}), proof("price", "v-price")),
            "2024-03-13 differs in 12 % of rows",
            id="failed",
        ),
        pytest.param(
            parity(proof("clicks_7d", "v-clicks", DAYS, {DAYS[2]: "differs"}), proof("price", "v-price")),
            "2024-03-14 differs",
            id="odd",
        ),
    ],
)
def test_parity_that_does_not_prove_every_feature_is_a_no(found: ParityEvidence | None, says: str) -> None:
    decision = judged(replace(GOOD, parity=found))
    assert decision.outcome == "refused"
    assert any(says in reason for reason in decision.reasons), decision.reasons


def test_a_model_that_names_no_features_is_refused() -> None:
    assert judged(replace(GOOD, candidate=version("2", features={}))).outcome == "refused"


def test_days_before_the_needed_ones_may_have_failed() -> None:
    early = {"2024-03-10": "differs"}
    found = parity(*(proof(name, number, DAYS, early) for name, number in GOOD.candidate.features.items()), first="2024-03-10")
    assert judged(replace(GOOD, parity=found)).outcome == "champion"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        pytest.param(None, "no evaluation is recorded", id="none"),
        pytest.param(quality(version="3"), "is of ranker 3, not of ranker 2", id="another version's"),
        pytest.param(quality(model="other"), "is of other 2", id="another model's"),
        pytest.param(quality(champion="0"), "against version 0, and the champion is version 1", id="another champion"),
        pytest.param(quality(champion=None), "against no champion", id="no champion"),
        pytest.param(quality(data="others"), "other data than 2024-03-16", id="another data range"),
        pytest.param(quality(recorded_at=NOW - timedelta(days=8)), "more than 7 days ago", id="old"),
        pytest.param(quality(recorded_at=NOW + timedelta(minutes=1)), "of the future", id="from the future"),
        pytest.param(quality(first=date(2024, 3, 14)), "trained until 2024-03-15", id="days of training"),
        pytest.param(quality(first=date(2024, 3, 15)), "trained until 2024-03-15", id="days of early stopping"),
        pytest.param(quality(labelled=99), "too few", id="too few labels"),
        pytest.param(quality(differences={}), "no interval of the difference of auc", id="partial: no difference"),
        pytest.param(quality(differences={"auc": Interval(value=0.01, low=None, high=None)}), "no interval", id="partial: no interval"),
        pytest.param(quality(differences={"auc": interval(0.01)}), "no difference of gauc", id="partial: another metric"),
        pytest.param(quality(differences={"auc": interval(0.001)}), "not certainly better", id="failed: by chance"),
        pytest.param(quality(differences={"auc": interval(-0.01)}), "not certainly better", id="failed: worse"),
        pytest.param(quality(differences={"auc": interval(0.01), "gauc": interval(-0.01)}), "gauc is worse", id="users"),
        pytest.param(
            quality(differences={"auc": interval(0.01), "gauc": interval(0), "log_loss": interval(0.01)}),
            "log_loss is worse",
            id="loss",
        ),
        pytest.param(quality(further_steps={"order": {"auc": interval(-0.03, 0.01)}}), "worse than the champion's in order", id="step"),
        pytest.param(quality(slices={"user/new": {"auc": interval(-0.03, 0.01)}}), "worse than the champion's in user/new", id="slice"),
    ],
)
def test_an_evaluation_that_is_not_of_this_or_not_good_enough_is_a_no(record: QualityRecord | None, says: str) -> None:
    stopped = version("2", stopped_last=date(2024, 3, 15))
    decision = judged(replace(GOOD, candidate=stopped, quality=record))
    assert decision.outcome == "refused"
    assert any(says in reason for reason in decision.reasons), decision.reasons


def test_an_evaluation_of_data_that_is_gone_is_a_no() -> None:
    decision = judged(replace(GOOD, quality_data=None))
    assert decision.outcome == "refused"
    assert "no data is there now" in decision.reasons[0]


@pytest.mark.parametrize(
    ("record", "outcome", "says"),
    [
        pytest.param(None, "challenger", "no replay is recorded", id="none"),
        pytest.param(replayed(version="3"), "refused", "is of ranker 3", id="another version's"),
        pytest.param(replayed(champion="0"), "refused", "against version 0", id="another champion"),
        pytest.param(replayed(data="others"), "refused", "other data", id="another data range"),
        pytest.param(replayed(recorded_at=NOW - timedelta(days=30)), "refused", "days ago", id="old"),
        pytest.param(replayed(first=date(2024, 3, 14)), "refused", "trained until 2024-03-14", id="days of training"),
        pytest.param(replayed(effective_rows=12.0), "refused", "rests on 12 choices", id="partial: few choices"),
        pytest.param(replayed(warnings=("propensities are wrong",)), "refused", "propensities are wrong", id="no overlap"),
        pytest.param(replayed(champion_gain=None), "refused", "no interval against the champion", id="partial: no champion"),
        pytest.param(replayed(champion_gain=interval(-0.1, 0.05)), "refused", "may lose", id="failed"),
    ],
)
def test_a_replay_that_does_not_speak_for_it_lets_no_champion_be(record: ReplayRecord | None, outcome: str, says: str) -> None:
    decision = judged(replace(GOOD, replay=record))
    assert decision.outcome == outcome
    assert any(says in reason for reason in decision.reasons), decision.reasons


TOO_GOOD = quality(differences={"auc": interval(0.03), "gauc": interval(0.02), "log_loss": interval(-0.003)})


@pytest.mark.parametrize(
    ("given", "outcome", "says"),
    [
        pytest.param(None, "held", "srp models approve", id="nobody looked"),
        pytest.param(approval(quality()), "held", "another evaluation", id="of another evaluation"),
        pytest.param(approval(TOO_GOOD, version="1"), "held", "another evaluation", id="of another version"),
        pytest.param(approval(TOO_GOOD, model="other"), "held", "of model other", id="of another model"),
        pytest.param(
            approval(TOO_GOOD, checklist={**dict.fromkeys(LEAK_CHECKLIST, True), "split_by_time": False}),
            "held",
            "split_by_time",
            id="no",
        ),
        pytest.param(approval(TOO_GOOD, checklist={"split_by_time": True}), "held", "features_before_event", id="partial"),
        pytest.param(approval(TOO_GOOD), "champion", "mara approved", id="approved"),
    ],
)
def test_a_gain_that_is_too_good_is_held_until_a_person_has_looked(given: ApprovalRecord | None, outcome: str, says: str) -> None:
    decision = judged(replace(GOOD, quality=TOO_GOOD, approval=given))
    assert decision.outcome == outcome
    assert any(says in reason for reason in decision.reasons), decision.reasons


def test_what_speaks_against_a_model_is_not_approved_away() -> None:
    decision = judged(replace(GOOD, quality=TOO_GOOD, parity=None, approval=approval(TOO_GOOD)))
    assert decision.outcome == "refused"
    assert judged(replace(GOOD, quality=TOO_GOOD), GateOptions(too_good=0.05)).outcome == "champion"


@pytest.mark.parametrize(
    ("record", "needed", "outcome"),
    [
        pytest.param(None, False, "champion", id="not asked for"),
        pytest.param(None, True, "challenger", id="none"),
        pytest.param(experiment(), True, "champion", id="better"),
        pytest.param(experiment(verdict="not_worse"), True, "champion", id="not worse"),
        pytest.param(experiment(verdict="inconclusive"), True, "challenger", id="not yet"),
        pytest.param(experiment(verdict="inconclusive"), False, "champion", id="not yet, nor asked for"),
        pytest.param(experiment(verdict="worse"), False, "refused", id="worse, though not asked for"),
        pytest.param(experiment(version="3"), True, "refused", id="another version's"),
        pytest.param(experiment(recorded_at=NOW - timedelta(days=30)), True, "refused", id="old"),
        pytest.param(experiment(version="3", verdict="worse"), False, "champion", id="another version's, nor asked for"),
    ],
)
def test_an_online_verdict_counts_where_it_is_asked_for(record: ExperimentRecord | None, needed: bool, outcome: str) -> None:
    assert judged(replace(GOOD, experiment=record), GateOptions(needs_experiment=needed)).outcome == outcome


FIRST = replace(GOOD, champion=None, quality=quality(champion=None, differences={}), replay=replayed(champion=None, champion_gain=None))


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        pytest.param({"auc": interval(0.72), "gauc": interval(0.68), "predicted_over_observed": interval(1.0)}, None, id="good"),
        pytest.param({"auc": interval(0.551), "gauc": interval(0.68)}, "auc of a first model must be at least 0.55", id="hardly ranks"),
        pytest.param({"auc": interval(0.72), "gauc": interval(0.51)}, "gauc of a first model", id="not within users"),
        pytest.param({"auc": interval(0.72)}, "no interval of gauc", id="partial"),
        pytest.param(
            {"auc": interval(0.72), "gauc": interval(0.68), "predicted_over_observed": interval(2.0)},
            "predicted over observed",
            id="off",
        ),
    ],
)
def test_a_first_model_must_be_above_the_floors(metrics: dict[str, Interval], says: str | None) -> None:
    decision = judged(replace(FIRST, quality=quality(champion=None, differences={}, metrics=metrics)))
    assert decision.outcome == ("champion" if says is None else "refused")
    assert says is None or any(says in reason for reason in decision.reasons)


def test_a_first_model_is_replayed_against_the_policy_that_logged() -> None:
    assert judged(FIRST).outcome == "champion"
    worse = replayed(champion=None, champion_gain=None, gain=interval(-0.2, 0.05))
    assert judged(replace(FIRST, replay=worse)).outcome == "refused"


def test_the_champion_itself_is_no_candidate() -> None:
    decision = judged(replace(GOOD, candidate=version("1")))
    assert decision.outcome == "refused"
    assert decision.reasons == ("candidate: version 1 is the champion already",)


def test_every_reason_is_one_line() -> None:
    for evidence in (GOOD, FIRST, Evidence(candidate=version("2"), champion=version("1"))):
        assert all("\n" not in reason and reason for reason in judged(evidence).reasons)
