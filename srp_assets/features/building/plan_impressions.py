"""Writes the features of impressions in Spark: every impression of some days with all its features as of its own time."""

from collections.abc import Mapping, Sequence

from pyarrow import fs
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.files import PartialFiles, VersionFiles, Written
from srp_assets.features.building.plan_join import ROW, features_of_requests, given_columns
from srp_assets.features.times import Clock
from srp_assets.warehouse.storage import Storage

NAME = "impressions"
DAY = "day"


def write_impressions(
    spark: SparkSession,
    logs: Storage,
    files: PartialFiles,
    layout: Layout,
    paths: Sequence[str],
    folder: str,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    clock: Clock = "as_arrived",
) -> dict[str, list[Written]]:
    """Writes the features of impressions; returns the files of each day, which lie in `<folder>/day=2024-03-09`.

    Args:
        spark: the session.
        logs: the storage of the built logs.
        files: the partial sums of all days that windows reach; the result is written to its storage.
        layout: of the definitions.
        paths: the files of `logs/impression_outcomes`.
        folder: where the result goes.
        versions: of the rows that attributes are taken from.
        buckets: of the partial sums.
        clock: which events count.
    """
    if not paths:
        return {}
    shown = spark.read.parquet(*[logs.address(path) for path in paths])
    named = [F.col(name) if name in shown.columns else F.lit(None).alias(name) for name in given_columns(layout.definitions)]
    requests = shown.select(ROW, F.col("event_time").alias("as_of"), *named)
    features = features_of_requests(requests, files, layout, versions, buckets, clock)
    by_day = features.withColumn(DAY, F.date_format("as_of", "yyyy-MM-dd")).repartition(DAY)
    by_day.write.partitionBy(DAY).option("compression", "zstd").parquet(files.storage.address(folder))
    return {name.removeprefix(f"{DAY}="): _written(files.storage, f"{folder}/{name}") for name in files.storage.folders(folder)}


def _written(storage: Storage, folder: str) -> list[Written]:
    names = [info.base_name for info in storage.filesystem.get_file_info(fs.FileSelector(storage.path(folder)))]
    paths = [f"{folder}/{name}" for name in sorted(names) if name.endswith(".parquet")]
    return [Written(NAME, NAME, path, storage.rows(path), size) for path, size in zip(paths, storage.sizes(paths), strict=True)]
