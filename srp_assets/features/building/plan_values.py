"""Built features as frames in Spark: of certain builds, so that a reader goes on with them whatever is built meanwhile."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from srp_assets.warehouse.storage import Storage


def built_features(spark: SparkSession, storage: Storage, folders: Sequence[str]) -> DataFrame:
    """The rows below some folders of builds, each read as it is: what a folder's own name says is no column."""
    paths = [storage.address(path) for folder in folders for path, _ in storage.files(folder)]
    return spark.read.parquet(*paths)
