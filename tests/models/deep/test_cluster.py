"""The cluster's way: Spark's TorchDistributor starts the processes."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from srp_assets.models.deep.plan_cluster import train_on_cluster
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.together import SharedTraining
from srp_assets.models.deep.training.trainer import Training
from support.training_rows import document_of, write_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.nightly
def test_tasks_of_spark_train_the_model_of_one_process(spark: "SparkSession", tmp_path: Path) -> None:
    files = RowFiles(write_days(tmp_path / "days", 2, 250))
    document = document_of({"kind": "deepfm", "hidden": [8, 4]}, training={"batch_rows": 32, "epochs": 1, "learning_rate": 0.02})
    found = train_on_cluster(spark, SharedTraining(document, files, None, tmp_path / "shared"), 2).model.state_dict()
    for name, one in Training(document, files).run().model.state_dict().items():
        assert found[name].numpy() == pytest.approx(one.numpy(), abs=2e-3), name
