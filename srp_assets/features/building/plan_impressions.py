"""Writes the features of impressions in Spark: every impression of some days with all its features as of its own time."""

from collections.abc import Mapping, Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.exchange import REQUEST, given_columns
from srp_assets.features.building.files import PartialFiles, VersionFiles, Written
from srp_assets.features.building.plan_join import write_features
from srp_assets.features.times import Clock
from srp_assets.warehouse.storage import Storage


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
    requests = shown.select(REQUEST, F.col("event_time").alias("as_of"), *named)
    return write_features(requests, files, layout, versions, buckets, folder, clock)
