"""The features of impressions as of an earlier instant, in Spark: what the leak test compares a training set with."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.exchange import given_columns
from srp_assets.features.building.files import PartialFiles, VersionFiles
from srp_assets.features.building.plan_join import features_of_requests
from srp_assets.warehouse.schema import TIMESTAMP

MICROSECOND = timedelta(microseconds=1)


def features_before(
    spark: SparkSession,
    impressions: pa.Table,
    shift: timedelta,
    names: Sequence[str],
    files: PartialFiles,
    layout: Layout,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    scratch: str,
) -> pa.Table:
    """Some features of impressions, taken `shift` before each of them, with `event_id`.

    Args:
        spark: the session.
        impressions: of `logs/impression_outcomes`.
        shift: how much earlier.
        names: of the features.
        files: the partial sums of all days that windows reach.
        layout: of the definitions.
        versions: of the rows that attributes are taken from.
        buckets: of the partial sums.
        scratch: a folder of the files' storage; the caller deletes it.
    """
    times = pc.subtract(pc.cast(impressions["event_time"], pa.int64()), shift // MICROSECOND)
    columns = {"event_id": impressions["event_id"], "as_of": pc.cast(times, TIMESTAMP)}
    for name in given_columns(layout.definitions):
        known = name in impressions.column_names
        columns[name] = impressions[name] if known else pa.nulls(impressions.num_rows, pa.string())
    requests = spark.createDataFrame(pa.table(columns))
    return features_of_requests(requests, files, layout, versions, buckets, scratch).select("event_id", *names).toArrow()
