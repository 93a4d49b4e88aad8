"""The page of a comparison stands alone, shows what is recorded, and trusts no text of it."""

import re
from dataclasses import replace

import pytest

from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.decision import decide
from srp_assets.evaluation.gate.evidence import Interval, ReliabilityBin
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.report.charts import calibration_picture, importance_picture, lift_picture, lifts, slices_picture
from srp_assets.evaluation.report.page import comparison_html, metric_lines
from srp_assets.insights.report.self_contained import problems_of
from support.gate_evidence import GOOD, NOW, approval, experiment, interval, parity, proof, quality, replayed

BINS = tuple(ReliabilityBin(rows=100, predicted=number / 10, observed=number / 11) for number in range(5))


def page_of(evidence: Evidence, options: GateOptions | None = None) -> str:
    demands = options or GateOptions()
    return comparison_html(evidence, decide(evidence, demands, is_challenger=True, now=NOW), demands.metric)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("</style>")[1]).split())


def test_the_page_tells_everything_that_is_recorded() -> None:
    by_propensity = {"weighted_metrics": {"auc": interval(0.7)}, "weighted_differences": {"auc": interval(0.02)}}
    record = quality(bins=BINS, champion_bins=BINS, importance={"clicks_7d": 0.1, "price": -0.001}, **by_propensity)
    html = page_of(replace(GOOD, quality=record, approval=approval(record), experiment=experiment()))
    assert problems_of(html) == []
    text = text_of(html)
    for expected in (
        "champion , decided 2024-03-20 12:00",
        "Candidate: version 2 (1.2.0), trained on 2024-03-01 to 2024-03-14.",
        "auc 0.7200 (0.7180 to 0.7220) 0.7100 0.0100 (0.0080 to 0.0120) 0.7000 (0.6980 to 0.7020) 0.0200 (0.0180 to 0.0220)",
        "user/new -0.0050 (-0.0350 to 0.0250)",
        "value by dr , rewards a request 1.2000 (1.1500 to 1.2500)",
        "every feature is the same online and offline",
        "clicks_7d v-clicks 3",
        "mara : sequences are new",
        "better: clicks +2 %",
    ):
        assert expected in text, expected
    assert html.count("data:image/svg+xml;base64,") == 4


def test_what_is_missing_is_said() -> None:
    html = page_of(Evidence(candidate=GOOD.candidate, champion=None))
    assert problems_of(html) == []
    text = text_of(html)
    assert "Champion: none yet." in text
    for missing in ("No evaluation is recorded.", "No replay is recorded.", "No parity is recorded."):
        assert missing in text
    assert "refused" in text


def test_reasons_of_a_refusal_are_shown() -> None:
    failed = parity(proof("clicks_7d", "v-clicks", (), {"2024-03-12": "differs in 12 % of rows"}), proof("price", "v-price"))
    text = text_of(page_of(replace(GOOD, parity=failed, replay=replayed(warnings=("weights are 0.2 in the mean",)))))
    assert "not every feature is proved" in text
    assert "2024-03-12 differs in 12 % of rows" in text
    assert "weights are 0.2 in the mean" in text


def test_texts_of_people_and_logs_are_escaped() -> None:
    nasty = "<script>alert(1)</script>\x00"
    record = quality(slices={nasty: {"auc": interval(0.01)}})
    html = page_of(replace(GOOD, quality=record, experiment=experiment(reason=nasty)))
    assert problems_of(html) == []
    assert "<script" not in html


def test_a_metric_without_interval_or_value_has_a_dash() -> None:
    record = quality(
        metrics={"gauc": Interval(value=None, low=None, high=None), "mrr": Interval(value=0.5, low=None, high=None)}, differences={}
    )
    assert [tuple(line) for line in metric_lines(record)] == [("gauc", "–", "–", "–", "–", "–"), ("mrr", "0.5000", "–", "–", "–", "–")]


def test_lift_is_how_much_more_often_the_label_comes_among_the_best() -> None:
    bins = [ReliabilityBin(rows=rows, predicted=observed, observed=observed) for rows, observed in ((300, 0.1), (100, 0.5))]
    assert lifts(bins) == [(0.25, pytest.approx(0.5 / 0.2)), (1.0, pytest.approx(1.0))]
    assert lifts([ReliabilityBin(rows=5, predicted=0.1, observed=0.0)]) == []


def test_no_chart_of_nothing() -> None:
    assert calibration_picture((), ()) is None
    assert lift_picture((), BINS[:1]) is None
    assert importance_picture({}) is None
    assert slices_picture("auc", {"day/1": {"auc": Interval(value=0.5, low=None, high=None)}}, compared=False) is None
    drawn = slices_picture("auc", {"day/1": {"auc": interval(-0.5)}}, compared=True)
    assert drawn is not None
    assert "#f58518" in drawn.svg
