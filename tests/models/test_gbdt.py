"""Trees on streamed row groups: they learn what decides, equal trees on rows in memory, and are the same after saving."""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import GradientBoostedRanker, train_gbdt
from srp_assets.models.measures import auc, log_loss
from srp_assets.training.reader import SetReader
from srp_assets.warehouse.storage import Storage
from support.training_sets import LIFT, SCHEMA, set_table, written_sets

FEATURES = ["quality", "noise", "category", "tags", "seen_at", {"encode": "cross", "features": ["category", "user_id"]}]


def document_of(**architecture: object) -> ModelDocument:
    written = {
        "kind": "model",
        "name": "trees",
        "version": "1.0.0",
        "owner": "Tests",
        "description": "Trees on made rows.",
        "labels": {"clicked": 1.0},
        "groups": {"all": FEATURES},
        "architecture": {
            "kind": "gbdt",
            "rounds": 30,
            "leaves": 7,
            "least_leaf_rows": 5,
            "row_share": 1,
            "feature_share": 1,
            **architecture,
        },
    }
    types = {**SCHEMA.features, "user_id": "text"}
    return resolve_inputs(ModelDocument.model_validate(written), types)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> SetReader:
    days = {f"2024-03-0{day}": [set_table(f"2024-03-0{day}", 800, seed=day)] for day in (1, 2, 3)}
    return written_sets(Storage(str(tmp_path_factory.mktemp("train"))), days)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> SetReader:
    return written_sets(Storage(str(tmp_path_factory.mktemp("validation"))), {"2024-03-05": [set_table("2024-03-05", 1_500, seed=50)]})


@pytest.fixture(scope="module")
def ranker(train: SetReader, validation: SetReader) -> GradientBoostedRanker:
    return train_gbdt(document_of(), train, validation)


def whole(reader: SetReader) -> pa.Table:
    return pa.concat_tables(list(reader.tables(SCHEMA.arrow.names)))


def test_what_decides_is_learned_and_noise_is_not(ranker: GradientBoostedRanker, validation: SetReader) -> None:
    rows = whole(validation)
    scores = ranker.score(rows)["clicked"]
    decisive = zip(rows["quality"].to_pylist(), rows["category"].to_pylist(), strict=True)
    odds = [1.5 * (quality or 0.0) + LIFT.get(category, 0.0) for quality, category in decisive]
    clicked = rows["clicked"].to_numpy()
    assert auc(clicked, scores) > auc(clicked, np.array(odds)) - 0.03 > 0.7
    importance = ranker.importance()["clicked"]
    assert sorted(importance, key=importance.__getitem__)[-1] == "quality"
    assert importance["noise"] < 0.1
    assert scores.mean() == pytest.approx(rows["clicked"].to_numpy().mean(), abs=0.03)


def test_streamed_rows_give_the_trees_of_rows_in_memory(ranker: GradientBoostedRanker, train: SetReader, validation: SetReader) -> None:
    rows, judged = whole(train), whole(validation)
    parameters = {
        "objective": "binary", "metric": ["auc", "binary_logloss"], "num_leaves": 7, "learning_rate": 0.05, "min_data_in_leaf": 5,
        "lambda_l2": 1.0, "max_bin": 255, "seed": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    names, categories = list(ranker.matrix.names), ranker.matrix.category_places
    plain = lgb.Dataset(
        ranker.matrix.of(rows), rows["clicked"].to_numpy(), feature_name=names, categorical_feature=categories, params=parameters
    )
    valid = lgb.Dataset(ranker.matrix.of(judged), judged["clicked"].to_numpy(), reference=plain, params=parameters)
    stop = lgb.early_stopping(30, first_metric_only=True, verbose=False)
    expected = lgb.train(parameters, plain, 30, valid_sets=[valid], callbacks=[stop])
    assert ranker.score(judged)["clicked"] == pytest.approx(expected.predict(ranker.matrix.of(judged)), rel=1e-9)


def test_a_saved_model_scores_the_same_row_by_row(ranker: GradientBoostedRanker, validation: SetReader, tmp_path: Path) -> None:
    rows = whole(validation).slice(0, 50)
    ranker.save(tmp_path / "model")
    again = GradientBoostedRanker.load(tmp_path / "model")
    scores = ranker.score(rows)["clicked"]
    assert (again.score(rows.select(list(again.columns)))["clicked"] == scores).all()
    assert [float(again.score(rows.slice(row, 1))["clicked"][0]) for row in range(50)] == pytest.approx(scores.tolist(), rel=1e-12)
    assert again.document == ranker.document
    assert len(again.score(rows.slice(0, 0))["clicked"]) == 0
    with pytest.raises(InvalidInput, match="'quality' is missing"):
        again.score(rows.drop_columns(["quality"]))
    (tmp_path / "model" / "clicked.txt").unlink()
    with pytest.raises(InvalidInput, match="no model of trees"):
        GradientBoostedRanker.load(tmp_path / "model")


def test_probabilities_are_right_again_after_negative_down_sampling(train: SetReader, validation: SetReader) -> None:
    sampled = train_gbdt(document_of(negative_share=0.2), train, validation)
    rows = whole(validation)
    clicked, scores = rows["clicked"].to_numpy(), sampled.score(rows)["clicked"]
    raw = np.asarray(sampled.boosters["clicked"].predict(sampled.matrix.of(rows)))
    assert scores.mean() == pytest.approx(clicked.mean(), abs=0.05)
    assert log_loss(clicked, scores) < log_loss(clicked, raw)


def test_pages_are_ranked_by_lambdarank(train: SetReader, validation: SetReader) -> None:
    ranker = train_gbdt(document_of(objective="lambdarank"), train, validation)
    rows = whole(validation)
    assert auc(rows["clicked"].to_numpy(), ranker.score(rows)["clicked"]) > 0.75


def test_several_labels_have_trees_of_their_own(train: SetReader) -> None:
    document = document_of().model_copy(update={"labels": {"clicked": 1.0, "order": 1.0}})
    scores = train_gbdt(document, train, None).score(whole(train))
    assert set(scores) == {"clicked", "order"}
    assert scores["order"].mean() < scores["clicked"].mean()


def test_what_trees_cannot_do_is_refused(train: SetReader, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="all its rows"):
        train_gbdt(document_of(objective="lambdarank", negative_share=0.5), train, None)
    bias = ModelDocument.model_validate(
        {**document_of().model_dump(mode="json"), "bias": {"inputs": [{"encode": "number", "feature": "position"}]}}
    )
    with pytest.raises(InvalidInput, match="no tower"):
        train_gbdt(bias, train, None)
    table = set_table("2024-03-01", 100, seed=1)
    never = table.set_column(table.schema.get_field_index("clicked"), "clicked", pa.array([False] * 100))
    nothing = written_sets(Storage(str(tmp_path)), {"2024-03-01": [never]})
    with pytest.raises(InvalidInput, match="'clicked' never happened in 2024-03-01 to 2024-03-01"):
        train_gbdt(document_of(), nothing, None)


def policy_pages(pages: int) -> pa.Table:
    """Pages of four that a policy ordered by `noise`: it decides who is looked at, `quality` alone who is clicked when looked at."""
    made = set_table("2024-03-01", 4 * pages, seed=9)
    random = np.random.default_rng(3)
    quality, noise = random.normal(size=4 * pages), random.normal(size=(pages, 4))
    positions = (noise[:, :, None] < noise[:, None, :]).sum(axis=2).ravel() + 1
    clicked = random.random(4 * pages) < 1 / (1 + np.exp(1 - 1.5 * quality)) / positions**1.5
    columns = {"quality": quality, "noise": noise.ravel(), "position": positions, "clicked": clicked}
    for name, values in columns.items():
        made = made.set_column(made.schema.get_field_index(name), name, pa.array(values))
    return made


def test_lambdarank_does_not_learn_what_clicks_owe_to_places(tmp_path: Path) -> None:
    shown = policy_pages(1_500)
    looked_at = 1 / shown["position"].to_numpy() ** 1.5
    weighed = shown.set_column(shown.schema.get_field_index("examination"), "examination", pa.array(looked_at))
    gains = {}
    for name, table, debias in (("debiased", shown, True), ("biased", shown, False), ("weighed", weighed, True)):
        reader = written_sets(Storage(str(tmp_path / name)), {"2024-03-01": [table]})
        gains[name] = train_gbdt(document_of(objective="lambdarank", debias_positions=debias), reader, None).importance()["clicked"]
    assert gains["debiased"]["noise"] < 0.5 * gains["biased"]["noise"]
    assert gains["debiased"]["quality"] > gains["biased"]["quality"]
    assert gains["weighed"] == gains["biased"]
