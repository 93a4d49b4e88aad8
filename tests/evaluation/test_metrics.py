"""Every metric equals its definition as a loop, or scikit-learn: ties, weights, nulls, users with one kind of rows."""

import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import ndcg_score, roc_auc_score

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.bootstrap.resamples import multiplicities
from srp_assets.evaluation.metrics.auc import auc
from srp_assets.evaluation.metrics.calibration import recalibration, reliability
from srp_assets.evaluation.metrics.measuring import Measured, MetricOptions, differences, measure
from srp_assets.evaluation.metrics.ranking.ndcg import ndcg
from srp_assets.evaluation.metrics.ranking.ranked import ranked_groups
from srp_assets.evaluation.metrics.scored import ScoredRows, scored_rows
from srp_assets.evaluation.metrics.slices import dimensions, measured_parts
from srp_assets.models.measures import LEAST_PROBABILITY
from support.naive_metrics import (
    Row,
    naive_auc,
    naive_ece,
    naive_gauc,
    naive_gmv,
    naive_log_loss,
    naive_mrr,
    naive_ndcg,
    naive_recall,
    naive_revenue,
)

PLACES, BINS = 2, 3
FEW = MetricOptions(places=PLACES, bins=BINS, resamples=40, seed=7)
SCORES = (0.0, 0.1, 0.1, 0.25, 0.5, 0.9, 1.0)


@st.composite
def shown_rows(draw: st.DrawFn) -> list[Row]:
    """Requests of few users, with at most five rows each, and scores that are often the same."""
    weighted = draw(st.booleans())
    rows = []
    for request in range(draw(st.integers(1, 6))):
        unit = draw(st.integers(0, 2))
        for _ in range(draw(st.integers(1, 5))):
            label = draw(st.booleans())
            rows.append(
                {
                    "unit": unit,
                    "request": request,
                    "score": draw(st.sampled_from(SCORES)),
                    "label": label,
                    "weight": draw(st.sampled_from((0.0, 0.5, 1.0, 3.0))) if weighted else 1.0,
                    "amount": draw(st.sampled_from((0.0, 9.5))) if label else 0.0,
                    "given_away": draw(st.sampled_from((0.0, 2.0))) if label else 0.0,
                }
            )
    return rows


def table_of(rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            "user_id": [f"u{row['unit']}" for row in rows],
            "trace_id": [f"t{row['request']}" for row in rows],
            "clicked": [row["label"] for row in rows],
            "order_amount": [row["amount"] or None for row in rows],
            "coupon_amount": [row["given_away"] or None for row in rows],
        },
        schema=pa.schema(
            [
                ("user_id", pa.string()),
                ("trace_id", pa.string()),
                ("clicked", pa.bool_()),
                ("order_amount", pa.float64()),
                ("coupon_amount", pa.float64()),
            ]
        ),
    )


def arrays_of(rows: list[Row]) -> ScoredRows:
    return scored_rows(
        table_of(rows),
        np.array([row["score"] for row in rows]),
        "clicked",
        amount="order_amount",
        given_away="coupon_amount",
        weight=np.array([row["weight"] for row in rows]),
    )


def naive(rows: list[Row]) -> dict[str, float]:
    labelled = sum(row["weight"] for row in rows if row["label"])
    return {
        "auc": naive_auc(rows),
        "gauc": naive_gauc(rows),
        f"ndcg@{PLACES}": naive_ndcg(rows, PLACES),
        "mrr": naive_mrr(rows),
        f"recall@{PLACES}": naive_recall(rows, PLACES),
        f"gmv@{PLACES}": naive_gmv(rows, PLACES),
        f"revenue@{PLACES}": naive_revenue(rows, PLACES),
        "log_loss": naive_log_loss(rows, LEAST_PROBABILITY),
        "predicted_over_observed": sum(row["weight"] * row["score"] for row in rows) / labelled if labelled else math.nan,
        "ece": naive_ece(rows, BINS),
    }


@given(shown_rows())
def test_every_metric_is_what_its_definition_says(rows: list[Row]) -> None:
    found = measure(arrays_of(rows), FEW).values
    for name, value in naive(rows).items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(shown_rows())
def test_a_resample_is_the_metric_of_repeated_users(rows: list[Row]) -> None:
    """A user who is drawn three times is three users; list metrics see as many requests."""
    arrays = arrays_of(rows)
    measured = measure(arrays, FEW)
    drawn = multiplicities(arrays.unit_key, FEW.seed, FEW.resamples)
    for resample in (0, 39):
        repeated = []
        for copy in range(int(drawn.max())):
            chosen = [row for row, unit in zip(rows, arrays.unit, strict=True) if drawn[resample, unit] > copy]
            repeated += [{**row, "unit": row["unit"] + 10 * copy, "request": row["request"] + 100 * copy} for row in chosen]
        expected = naive(repeated) if repeated else {}
        expected.pop("ece", None)  # a norm: see below
        for name, value in expected.items():
            assert measured.resamples[name][resample] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(shown_rows(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = measure(arrays_of(rows), FEW), measure(arrays_of(shuffled), FEW)
    for name, value in one.values.items():
        assert other.values[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name
        np.testing.assert_allclose(other.resamples[name], one.resamples[name], rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def many() -> tuple[pa.Table, np.ndarray]:
    """Rows of 300 users with clicks that follow from their scores, and times and items of three days."""
    random = np.random.default_rng(3)
    rows = 6_000
    request = np.arange(rows) // 10
    score = np.round(random.beta(1, 6, rows), 2)
    clicked = random.random(rows) < 0.02 + 0.8 * score
    known = random.random(rows) < 0.95
    table = pa.table(
        {
            "user_id": pa.array([f"u{user}" for user in (request * 7919) % 300], mask=request % 50 == 0),
            "trace_id": [f"t{number}" for number in request],
            "item_id": [f"i{item}" for item in random.integers(0, 90, rows)],
            "market": pa.array(np.array(["us", "de", "fr"])[request % 3], mask=request % 40 == 0),
            "page": np.array(["feed", "search"])[request % 2],
            "position": np.arange(rows) % 10 + 1,
            "event_time": pa.array(
                [datetime(2024, 3, 1 + number // 200, tzinfo=UTC) for number in request.tolist()], pa.timestamp("us", "UTC")
            ),
            "clicked": pa.array(clicked, mask=~known),
        }
    )
    return table, score


def test_auc_log_loss_and_ndcg_are_those_of_scikit_learn(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    random = np.random.default_rng(1)
    rows = scored_rows(table, score, "clicked", weight=random.exponential(size=table.num_rows))
    assert auc(rows.score, rows.label, rows.weight) == pytest.approx(
        roc_auc_score(rows.label, rows.score, sample_weight=rows.weight), rel=1e-12
    )
    even = rows.weighted(np.ones(table.num_rows))
    found = measure(even, FEW).values
    assert found["auc"] == pytest.approx(roc_auc_score(rows.label, rows.score), rel=1e-12)
    assert found["log_loss"] == pytest.approx(sklearn_log_loss(rows.label, np.clip(rows.score, 1e-12, 1 - 1e-12)), rel=1e-9)
    gains, scores = [], []
    for request in range(even.requests):
        mine = even.request == request
        if mine.sum() == 10 and even.label[mine].any():
            gains.append(even.label[mine].astype(float))
            scores.append(even.score[mine])
    whole = even.part(np.isin(even.request, [request for request in range(even.requests) if (even.request == request).sum() == 10]))
    ranked = ranked_groups(whole.request, whole.requests, whole.score, whole.ascending)
    assert ndcg(whole, ranked, 5).value == pytest.approx(ndcg_score(gains, scores, k=5), rel=1e-9)


def test_the_calibration_line_is_the_logistic_regression_of_the_label(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    weight = np.random.default_rng(2).exponential(size=table.num_rows)
    rows = scored_rows(table, np.clip(score, 0.01, 0.99), "clicked", weight=weight)
    logit = np.log(rows.score / (1 - rows.score))
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], rows.label, sample_weight=rows.weight)
    line = recalibration(rows)
    assert line.intercept == pytest.approx(fitted.intercept_[0], rel=1e-5)
    assert line.slope == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    found = measure(rows, MetricOptions(resamples=64))
    drawn = multiplicities(rows.unit_key, 1, 1)[0]
    again = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        logit[:, None], rows.label, sample_weight=rows.weight * drawn[rows.unit]
    )
    # One step of Newton's method is not all of them: it must be much nearer than resamples are to one another.
    assert abs(found.resamples["calibration_slope"][0] - again.coef_[0, 0]) < 0.1 * found.resamples["calibration_slope"].std()


def test_a_line_that_does_not_exist_is_not_told() -> None:
    shown = {"score": 0.2, "weight": 1.0, "amount": 0.0, "given_away": 0.0}
    rows = [{**shown, "unit": row, "request": row, "label": row % 2 == 1} for row in range(6)]
    assert math.isnan(recalibration(arrays_of(rows)).slope)
    separated = [{**row, "score": 0.9 if row["label"] else 0.1} for row in rows]
    assert math.isnan(recalibration(arrays_of(separated)).slope)


def test_reliability_bins_hold_all_rows_and_never_divide_a_tie(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    rows = scored_rows(table, score, "clicked")
    bins = reliability(rows, 20)
    assert sum(bin_.rows for bin_ in bins) == rows.rows
    assert [bin_.predicted for bin_ in bins] == sorted(bin_.predicted for bin_ in bins)
    ends = np.cumsum([bin_.rows for bin_ in bins])[:-1]
    ordered = np.sort(rows.score)
    assert (ordered[ends] > ordered[ends - 1]).all()


def test_rows_without_label_are_left_out_and_counted(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    rows = scored_rows(table, score, "clicked")
    known = table.column("clicked").is_valid().to_numpy()
    assert rows.without_label == (~known).sum() > 0
    assert rows.rows == known.sum()
    complete = scored_rows(table.filter(pa.array(known)), score[known], "clicked")
    assert measure(complete, FEW).values == pytest.approx(measure(rows, FEW).values, nan_ok=True)


def test_nobody_is_a_unit_for_each_request(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    rows = scored_rows(table, score, "clicked")
    users = len(set(table.column("user_id").to_pylist()) - {None})
    nobodys = len(set(table.filter(table.column("user_id").is_null()).column("trace_id").to_pylist()))
    assert rows.units == users + nobodys


def test_scores_of_rankers_have_no_calibration(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    found = measure(scored_rows(table, 10 * score - 3, "clicked", probabilities=False), FEW)
    like = measure(scored_rows(table, score, "clicked"), FEW)
    assert set(like.values) - set(found.values) == {
        "log_loss", "predicted_over_observed", "ece", "calibration_intercept", "calibration_slope",
    }  # fmt: skip
    assert found.values["auc"] == pytest.approx(like.values["auc"], abs=1e-3)
    assert found.bins == ()


@pytest.mark.parametrize(
    ("score", "weight", "probabilities", "says"),
    [
        ([0.1, np.nan], [1.0, 1.0], True, "1 of 2 rows have no score"),
        ([0.1], [1.0, 1.0], True, "1 scores for 2 rows"),
        ([0.1, 1.5], [1.0, 1.0], True, "no probability: 0.1 to 1.5"),
        ([0.1, 0.5], [1.0, -1.0], True, "weights must be"),
        ([0.1, 0.5], [1.0, np.inf], False, "weights must be"),
    ],
)
def test_what_cannot_be_judged_is_refused(score: list[float], weight: list[float], probabilities: bool, says: str) -> None:
    table = table_of([{"unit": 0, "request": 0, "score": 0, "label": True, "weight": 1, "amount": 0, "given_away": 0}] * 2)
    with pytest.raises(InvalidInput, match=says):
        scored_rows(table, np.array(score), "clicked", weight=np.array(weight), probabilities=probabilities)


def test_slices_are_the_metrics_of_their_rows_alone(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    rows = scored_rows(table, score, "clicked")
    seen_users, seen_items = {f"u{number}" for number in range(200)}, {f"i{number}" for number in range(80)}
    divided = dimensions(table, seen_users, seen_items)
    assert divided["market"].names == ("de", "fr", "us", "unknown")
    assert divided["position"].names == tuple(str(place) for place in range(1, 11))
    assert divided["day"].names == ("2024-03-01", "2024-03-02", "2024-03-03")
    assert divided["user"].names == ("known", "new", "unknown")
    for name, column in (("market", "market"), ("page", "page")):
        parts = dict(measured_parts(rows, divided[name], FEW))
        assert sum(part.rows for part in parts.values()) == rows.rows
        for value, part in parts.items():
            mask = table.column(column).is_null() if value == "unknown" else table.column(column).to_pandas() == value
            mask = np.asarray(mask, bool)
            alone = measure(scored_rows(table.filter(pa.array(mask)), score[mask], "clicked"), FEW)
            assert_same(part, alone)


def assert_same(one: Measured, other: Measured) -> None:
    assert (one.rows, one.labelled, one.units) == (other.rows, other.labelled, other.units)
    for name, value in one.values.items():
        assert value == pytest.approx(other.values[name], nan_ok=True), name
        np.testing.assert_allclose(one.resamples[name], other.resamples[name], rtol=1e-7, atol=1e-9)


def test_differences_are_paired_and_of_the_same_rows(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    options = MetricOptions(resamples=200)
    champion = measure(scored_rows(table, score, "clicked"), options)
    nearly = np.clip(score + 0.001 * np.random.default_rng(5).normal(size=len(score)), 0, 1)
    challenger = measure(scored_rows(table, nearly, "clicked"), options)
    difference = differences(challenger, champion)["auc"]
    assert difference.value == pytest.approx(challenger.values["auc"] - champion.values["auc"])
    alone = champion.estimates()["auc"]
    assert difference.high - difference.low < 0.2 * (alone.high - alone.low)
    none = differences(champion, champion)["gauc"]
    assert none.as_list() == [0.0, 0.0, 0.0]
    with pytest.raises(InvalidInput, match="different rows"):
        differences(measure(scored_rows(table.slice(1), score[1:], "clicked"), options), champion)
    with pytest.raises(InvalidInput, match="different options"):
        differences(measure(scored_rows(table, score, "clicked"), MetricOptions(resamples=200, seed=2)), champion)


def test_resamples_of_a_norm_are_distances_in_the_bins_of_all_rows(many: tuple[pa.Table, np.ndarray]) -> None:
    table, score = many
    rows = scored_rows(table, score, "clicked")
    measured = measure(rows, FEW)
    drawn = multiplicities(rows.unit_key, FEW.seed, FEW.resamples)
    before = np.array([(rows.score < value).sum() for value in rows.score])
    bins = before * BINS // rows.rows
    residual = rows.score - rows.label
    own = np.bincount(bins, residual) / rows.rows
    assert measured.values["ece"] == pytest.approx(np.abs(own).sum())
    for resample in range(3):
        weight = drawn[resample][rows.unit]
        distance = np.abs(np.bincount(bins, weight * residual) / weight.sum() - own).sum()
        assert measured.resamples["ece"][resample] == pytest.approx(distance)
    estimate = measured.estimates()["ece"]
    assert estimate.high - estimate.value == pytest.approx(np.quantile(measured.resamples["ece"], 0.95))


def test_without_rows_nothing_is_known() -> None:
    table = table_of([{"unit": 0, "request": 0, "score": 0, "label": True, "weight": 1, "amount": 0, "given_away": 0}]).slice(1)
    found = measure(scored_rows(table, np.zeros(0), "clicked", amount="order_amount", given_away="coupon_amount"), FEW)
    assert (found.rows, found.units, found.bins) == (0, 0, ())
    assert all(math.isnan(value) for value in found.values.values())
    assert all(estimate.as_list() == [None, None, None] for estimate in found.estimates().values())
