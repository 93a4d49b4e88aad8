"""The end of the demo says yes only where the better model is champion and the other one was refused for what was skewed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from srp_assets.cli_demo_gate import GateAnswer, print_gate
from srp_assets.evaluation.registry import DecisionRecord
from srp_assets.samples.demo import JUDGED_DAYS, gate_days
from srp_assets.samples.ranking.world import RankingWorld

NOW = datetime(2024, 3, 20, tzinfo=UTC)


def decided(contender: str, outcome: str, reason: str) -> DecisionRecord:
    return DecisionRecord(1, "ranker", "1", contender, None, "2024-03-14", outcome, (reason,), None, NOW, None)


GOOD = GateAnswer(
    champion="gbdt/1",
    better="gbdt/1",
    decisions=(
        decided("gbdt/1", "champion", "parity: all features are the same"),
        decided("gbdt/2", "refused", "parity: item_dwell_30d (v) is not proved: 2024-03-08 the means differ"),
    ),
    skewed_feature="item_dwell_30d",
    skewed_candidate="gbdt/2",
)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(GOOD, ["champion: gbdt/1, the better model", "served wrongly: refused for it"], id="good"),
        pytest.param(replace(GOOD, champion=None), ["champion: nobody, NOT the better model"], id="nobody"),
        pytest.param(replace(GOOD, better="deepfm/1"), ["champion: gbdt/1, NOT the better model"], id="the other one"),
        pytest.param(replace(GOOD, decisions=GOOD.decisions[:1]), ["served wrongly: NOT refused for it"], id="not decided"),
        pytest.param(
            replace(GOOD, decisions=[decided("gbdt/2", "refused", "parity: item_ctr_30d (v) is not proved")]),
            ["NOT refused for it"],
            id="refused for something else",
        ),
        pytest.param(
            replace(GOOD, decisions=[decided("gbdt/2", "challenger", "parity: item_dwell_30d (v) is the same")]),
            ["NOT refused for it"],
            id="not refused",
        ),
    ],
)
def test_the_end_of_the_demo(answer: GateAnswer, says: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert answer.good == (answer is GOOD) == answer.as_dict()["good"]
    print_gate(answer)
    printed = capsys.readouterr().out
    assert all(expected in printed for expected in says)


def test_no_day_is_used_for_two_things() -> None:
    days = gate_days(RankingWorld(5_000, seed=1))
    judged = date.fromisoformat(days.judged) - timedelta(days=JUDGED_DAYS - 1)
    proved, unproved, skewed = (date.fromisoformat(day) for day in (days.proved, days.unproved, days.skewed))
    a_day = timedelta(days=1)
    # Training ends two days before the day of early stopping; the day between, and that after it, are for late clicks.
    assert proved + a_day < unproved + a_day < judged
    assert skewed == unproved - 2 * a_day
    assert skewed > proved - 2 * a_day
    assert datetime.fromtimestamp(days.judged_from / 1e6, UTC).date() == judged
    assert date(1970, 1, 1) + days.skewed_day * a_day == skewed
