"""A model is judged on every step that it scores, on final labels alone, unweighted and weighted, and by every slice."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.evaluating import EvaluationOptions, evaluate
from srp_assets.evaluation.metrics.measuring import MetricOptions, measure
from srp_assets.evaluation.metrics.scored import scored_rows
from srp_assets.evaluation.replay.policies import softmax_policy

OPTIONS = EvaluationOptions(metrics=MetricOptions(resamples=64))
ROWS = 3_000


@pytest.fixture(scope="module")
def shown() -> pa.Table:
    """Rows as training sets have them; those of the last day are provisional, and one of a hundred has no propensity."""
    random = np.random.default_rng(11)
    request = np.arange(ROWS) // 10
    clicked = random.random(ROWS) < 0.2
    ordered = clicked & (random.random(ROWS) < 0.3)
    day = 1 + request // 100
    return pa.table(
        {
            "user_id": [f"u{user}" for user in request % 60],
            "trace_id": [f"t{number}" for number in request],
            "item_id": [f"i{item}" for item in random.integers(0, 50, ROWS)],
            "market": np.array(["us", "de"])[request % 2],
            "page": np.array(["feed", "search"])[request % 2],
            "position": np.arange(ROWS) % 10 + 1,
            "event_time": pa.array([datetime(2024, 3, int(number), tzinfo=UTC) for number in day], pa.timestamp("us", "UTC")),
            "propensity": pa.array(random.uniform(0.01, 1, ROWS), mask=np.arange(ROWS) % 100 == 0),
            "clicked": clicked,
            "order": ordered,
            "order_amount": pa.array(np.where(ordered, 30.0, 0.0), mask=~ordered),
            "coupon_amount": pa.array(np.where(ordered, 2.0, 0.0), mask=~ordered),
            "label_state": np.where(day == 3, "provisional", "final"),
        }
    )


@pytest.fixture(scope="module")
def scores(shown: pa.Table) -> dict[str, np.ndarray]:
    random = np.random.default_rng(12)
    return {step: 0.1 + 0.1 * shown[step].to_numpy() + 0.3 * random.random(ROWS) for step in ("clicked", "order")}


def test_steps_are_evaluated_on_final_rows(shown: pa.Table, scores: dict[str, np.ndarray]) -> None:
    slow = replace(OPTIONS, prompt_labels=frozenset())
    found = evaluate(shown, scores, slow, seen_users={f"u{number}" for number in range(30)}, seen_items={"i1"})
    final = np.asarray(shown["label_state"]) == "final"
    assert set(found) == {"clicked", "order"}
    for step, evaluation in found.items():
        assert evaluation.even.rows == final.sum() == 2_000
        assert evaluation.even.without_label == 1_000
        alone = scored_rows(shown.filter(pa.array(final)), scores[step][final], step, amount="order_amount", given_away="coupon_amount")
        assert measure(alone, OPTIONS.metrics).values == pytest.approx(evaluation.even.values)
        assert evaluation.even.values["revenue@5"] == pytest.approx(evaluation.even.values["gmv@5"] * 28 / 30)
    assert found["clicked"].even.values["auc"] != found["order"].even.values["auc"]
    names = set(found["order"].slices)
    assert {"market/us", "page/search", "user/new", "user/known", "item/new", "position/10", "day/2024-03-02"} <= names
    assert "day/2024-03-03" not in names
    assert sum(part.rows for name, part in found["order"].slices.items() if name.startswith("position/")) == 2_000


def test_a_label_that_comes_soon_is_known_of_rows_that_wait_for_others(shown: pa.Table, scores: dict[str, np.ndarray]) -> None:
    found = evaluate(shown, scores, OPTIONS, seen_users=(), seen_items=())
    assert (found["clicked"].even.rows, found["order"].even.rows) == (3_000, 2_000)
    assert "day/2024-03-03" in found["clicked"].slices


def test_weights_are_inverse_propensities_up_to_a_limit(shown: pa.Table, scores: dict[str, np.ndarray]) -> None:
    found = evaluate(shown, scores, OPTIONS, seen_users=(), seen_items=())["clicked"]
    propensity = np.array([1.0 if value is None else value for value in shown["propensity"].to_pylist()])
    weight = np.minimum(1 / propensity, 20.0)
    label, score = np.asarray(shown["clicked"]), scores["clicked"]
    expected = -(weight * np.log(np.where(label, score, 1 - score))).sum() / weight.sum()
    assert found.weighted.values["log_loss"] == pytest.approx(expected)
    assert found.weighted.values["log_loss"] != pytest.approx(found.even.values["log_loss"], rel=1e-6)


def test_a_step_that_rows_have_not_is_named(shown: pa.Table, scores: dict[str, np.ndarray]) -> None:
    with pytest.raises(InvalidInput, match=r"no column 'orders' \(did you mean 'order'"):
        evaluate(shown, {"orders": scores["order"]}, OPTIONS, seen_users=(), seen_items=())


def test_a_policy_of_scores_is_a_softmax_within_each_choice() -> None:
    score, choice = np.array([1.0, 2.0, 5.0, 700.0, 701.0]), np.array([0, 0, 0, 1, 1], np.int32)
    found = softmax_policy(score, choice, 2, temperature=2.0, exploration=0.1)
    first = np.exp(score[:3] / 2) / np.exp(score[:3] / 2).sum()
    assert found[:3] == pytest.approx(0.9 * first + 0.1 / 3)
    assert found[3:] == pytest.approx(0.9 / (1 + np.exp([0.5, -0.5])) + 0.05)
    assert softmax_policy(score, choice, 2, temperature=1e-3, exploration=0.0) == pytest.approx([0, 0, 1, 0, 1])
    for changed in ({"temperature": 0.0, "exploration": 0.1}, {"temperature": 1.0, "exploration": 1.1}):
        with pytest.raises(InvalidInput, match="a policy cannot"):
            softmax_policy(score, choice, 2, **changed)
