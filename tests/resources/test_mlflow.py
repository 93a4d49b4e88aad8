"""Runs in MLflow: what they keep, how they end, and a model that answers frames and single requests alike."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import SecretStr

from resources.mlflow import Tracking
from srp_assets.errors import InvalidInput, NotFound, Unavailable
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import GradientBoostedRanker, train_gbdt
from srp_assets.models.serving import LOADER_MODULE, ServedRanker, pandas_of, save_ranker
from srp_assets.settings import Settings
from srp_assets.warehouse.storage import Storage
from support.training_sets import SCHEMA, set_table, written_sets


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reader = written_sets(Storage(str(tmp_path_factory.mktemp("sets"))), {"2024-03-01": [set_table("2024-03-01", 600, seed=1)]})
    written = {
        "kind": "model", "name": "trees", "version": "1.0.0", "owner": "Tests", "description": "Trees on made rows.",
        "labels": {"clicked": 1.0},
        "groups": {"all": ["quality", "category", "tags", "seen_at"]}, "architecture": {"kind": "gbdt", "rounds": 5, "leaves": 5},
    }  # fmt: skip
    ranker = train_gbdt(resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features), reader, None)
    folder = tmp_path_factory.mktemp("model") / "ranker"
    save_ranker(ranker, folder, SCHEMA.features)
    return folder


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking.of(Settings(home=tmp_path_factory.mktemp("home")))


def test_a_model_answers_tables_frames_and_single_requests_alike(model_folder: Path, tracking: Tracking, tmp_path: Path) -> None:
    rows = set_table("2024-03-02", 40, seed=2).select(["quality", "category", "tags", "seen_at", "noise"])
    served = ServedRanker(model_folder)
    expected = served.ranker.score(rows)["clicked"]
    assert isinstance(served.ranker, GradientBoostedRanker)
    with tracking.run("models", "trees", {"data": "some"}) as run:
        columns = {name: SCHEMA.features[name] for name in served.schema.names}
        run.log_model(
            model_folder,
            loader_module=LOADER_MODULE,
            columns=columns,
            labels=["clicked"],
            example=pandas_of(rows.select(list(columns)).slice(0, 2)),
            requirements=["lightgbm"],
        )
    model = tracking.pyfunc(run.run_id, tmp_path)
    assert model.metadata.signature.inputs.input_names() == ["quality", "category", "tags", "seen_at"]
    assert model.metadata.saved_input_example_info is not None
    frame = pandas_of(rows.select(list(columns)))
    assert np.asarray(model.predict(frame)["clicked"]) == pytest.approx(expected, rel=1e-12)
    assert np.asarray(served.predict(rows)["clicked"]) == pytest.approx(expected, rel=1e-12)
    single = [served.answer([row])[0]["clicked"] for row in rows.to_pylist()]
    assert single == pytest.approx(expected.tolist(), rel=1e-12)
    again = ServedRanker(tracking.model_folder(run.run_id, tmp_path / "again"))
    assert (again.ranker.score(rows)["clicked"] == expected).all()
    numbers = [tracking.register("trees", run.run_id, {"semantic_version": f"1.0.{number}"}) for number in range(2)]
    assert numbers == ["1", "2"]
    assert [found.tags["semantic_version"] for found in tracking.versions("trees")] == ["1.0.1", "1.0.0"]


def test_runs_keep_what_they_are_told_and_how_they_ended(tracking: Tracking, tmp_path: Path) -> None:
    with tracking.run("notes", "outer", {}) as outer:
        outer.log_params({f"setting_{number}": number for number in range(150)})
        outer.log_metrics({"auc": 0.7})
        outer.log_json({"days": ["2024-03-01"]}, "versions.json")
        with pytest.raises(ValueError, match="broke"), tracking.run("notes", "inner", {}, parent=outer.run_id):
            raise ValueError("broke")
    runs = {run.info.run_name: run for run in tracking.runs("notes")}
    assert (runs["outer"].info.status, runs["inner"].info.status) == ("FINISHED", "FAILED")
    assert runs["inner"].data.tags["mlflow.parentRunId"] == outer.run_id
    assert len(runs["outer"].data.params) == 150
    assert runs["outer"].data.metrics == {"auc": 0.7}
    assert "2024-03-01" in tracking.artifact(outer.run_id, "versions.json", tmp_path).read_text()
    with pytest.raises(NotFound, match="has no nothing.json"):
        tracking.artifact(outer.run_id, "nothing.json", tmp_path)
    assert tracking.runs("unknown") == []
    assert tracking.versions("unknown") == []


def test_an_address_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mlflow_url=SecretStr("nonsense://nowhere"))
    with pytest.raises(Unavailable, match="MLflow cannot be used"):
        Tracking.of(settings).client.search_experiments()


def test_a_value_of_the_wrong_type_is_told(model_folder: Path) -> None:
    served = ServedRanker(model_folder)
    with pytest.raises(InvalidInput, match="a value has the wrong type"):
        served.answer([{"quality": "high", "category": "a", "tags": None, "seen_at": None}])
    table = pa.table({"quality": ["high"], "category": ["a"], "tags": [["x"]], "seen_at": [None]})
    with pytest.raises(InvalidInput, match="a value has the wrong type"):
        served.predict(table)
