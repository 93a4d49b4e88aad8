"""The cluster's way: Spark's TorchDistributor starts the processes, where a folder for it is set."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.training import Cluster, train
from srp_assets.warehouse.storage import Storage
from support.training_sets import SCHEMA, set_table, written_sets

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.nightly
def test_tasks_of_spark_train_the_model_of_one_process(spark: "SparkSession", tmp_path: Path) -> None:
    days = written_sets(
        Storage(str(tmp_path / "sets")), {f"2024-03-0{day}": [set_table(f"2024-03-0{day}", 250, seed=day)] for day in (1, 2)}
    )
    written = {
        "kind": "model", "name": "shared", "version": "1.0.0", "owner": "Tests", "description": "DeepFM.", "labels": {"clicked": 1.0},
        "groups": {"all": ["quality", "noise", "category"]}, "dimension": 4, "architecture": {"kind": "deepfm", "hidden": [8, 4]},
        "training": {"batch_rows": 32, "epochs": 1, "learning_rate": 0.02},
    }  # fmt: skip
    (tmp_path / "cluster").mkdir()
    models = {}
    for processes in (1, 2):
        training = {**written["training"], "processes": processes}  # type: ignore[dict-item]
        document = resolve_inputs(ModelDocument.model_validate({**written, "training": training}), SCHEMA.features)
        cluster = Cluster(lambda: spark, tmp_path / "cluster")
        found = train(document, days, None, tmp_path / f"alone-{processes}", cluster=cluster)
        assert isinstance(found, DeepRanker)
        models[processes] = found.model.state_dict()
    for name, one in models[1].items():
        assert models[2][name].numpy() == pytest.approx(one.numpy(), abs=2e-3), name
    # What the processes shared is gone with the training, and the second did not train here alone.
    assert list((tmp_path / "cluster").iterdir()) == []
    assert not (tmp_path / "alone-2").exists()
