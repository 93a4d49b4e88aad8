"""The cluster's way to train in several processes: Spark's TorchDistributor starts them as tasks of executors.

Executors need this package and torch; files and checkpoints must lie where all of them reach.
"""

from typing import TYPE_CHECKING

from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.together import SharedTraining, train_as_one_of_many

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def train_on_cluster(spark: "SparkSession", training: SharedTraining, processes: int) -> DeepRanker:
    """Trains in so many tasks of a cluster.

    Args:
        spark: the session whose executors train.
        training: what to train.
        processes: how many; at most as many as tasks can run at once.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    distributor = TorchDistributor(num_processes=processes, local_mode=False, use_gpu=_has_accelerators(spark))
    distributor.run(train_as_one_of_many, training)
    return DeepRanker.load(training.model_folder)


def _has_accelerators(spark: "SparkSession") -> bool:
    """Whether tasks of this session are given accelerators."""
    return float(spark.conf.get("spark.task.resource.gpu.amount", "0") or 0) > 0
