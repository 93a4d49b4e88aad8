"""The comparison in Spark: a sample of what was served, the same requests computed again, and both values beside each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.exchange import REQUEST, given_columns
from srp_assets.features.building.files import PartialFiles, VersionFiles
from srp_assets.features.building.plan_join import SPARK_TYPES as VALUE_TYPES
from srp_assets.features.building.plan_join import features_of_requests
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.catalogue import Log
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.stitching.plan_stitching import read_log
from srp_assets.online.parity.comparing import OFFLINE, PAIRS, compared_values
from srp_assets.warehouse.plan_types import quoted
from srp_assets.warehouse.storage import Storage

HASHES = 2**64

CONTEXT, HAS_REQUEST = "_request", "has_request"

SERVED_COLUMNS = ("event_id", "definition_version", "values", "texts", "lists", "defaulted")
"""What is compared, beside the context."""

ARROW_NAMES = {"string": "string", "double": "double", "bool": "boolean"}
PAIRS_DDL = ", ".join(f"{field.name} {ARROW_NAMES[str(field.type)]}" for field in PAIRS)


def is_sampled(trace_id: Column, share: float, seed: int) -> Column:
    """Whether a trace is in the sample: by its hash, so that every run over whatever files takes the same traces, with all candidates."""
    if share >= 1:
        return F.lit(True)
    return F.xxhash64(F.lit(seed), trace_id) < F.lit(int(share * HASHES) - HASHES // 2)


def sampled_rows(
    spark: SparkSession,
    logs: Storage,
    served: tuple[Log, LandedFiles],
    requests: tuple[Log, Sequence[LandedFiles]] | None,
    definitions: Definitions,
    *,
    share: float,
    seed: int,
) -> DataFrame:
    """Sampled rows of the served log, with `as_of`, the context that features are computed from, and whether their request is known.

    The context is that of the request, where its log has one: what the online side took it for is part of what is compared. A column
    that requests do not have (the price of a candidate) is what was served with.

    Args:
        spark: the session.
        logs: the storage of the logs.
        served: the log of served features, with the files of a day.
        requests: the log of requests, with the files of the day and of the one before it, if there is one.
        definitions: what is going to be computed.
        share: of the traces.
        seed: of the sample.
    """
    log, files = served
    rows = read_log(spark, logs, log, [files]).where(is_sampled(F.col("trace_id"), share, seed))
    given = given_columns(definitions)
    own = {name: F.col(quoted(name)) if name in log.columns else F.lit(None) for name in given}
    if requests is None:
        chosen, has_request = own, F.lit(True)
    else:
        request_log, request_files = requests
        asked = [name for name in given if name in request_log.columns]
        rows = rows.join(_contexts(read_log(spark, logs, request_log, request_files), asked), "trace_id", "left")
        has_request = F.col(CONTEXT).isNotNull()
        chosen = own | {name: F.when(has_request, F.col(f"{CONTEXT}.{quoted(name)}")).otherwise(own[name]) for name in asked}
    return rows.select(
        *[F.col(quoted(name)) for name in SERVED_COLUMNS],
        F.col("event_time").alias("as_of"),
        has_request.alias(HAS_REQUEST),
        *[column.cast(VALUE_TYPES[definitions.request_columns[name]]).alias(f"given_{name}") for name, column in chosen.items()],
    )


def _contexts(requests: DataFrame, columns: Sequence[str]) -> DataFrame:
    """One context for each trace: that of its first request."""
    context = F.struct(F.col("event_time"), *[F.col(quoted(name)) for name in columns])
    first = F.min_by(context, F.struct("event_time", F.coalesce("event_id", "trace_id")))
    return requests.groupBy("trace_id").agg(first.alias(CONTEXT))


def value_pairs(
    sampled: DataFrame,
    files: PartialFiles,
    layout: Layout,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    scratch: str,
    served_versions: Mapping[str, Mapping[str, str]],
) -> DataFrame:
    """Both values of every feature of sampled rows whose request is known, as `comparing.PAIRS` has them.

    Args:
        sampled: of `sampled_rows`, from files: it is read twice.
        files: the partial sums of all days that windows reach.
        layout: of the definitions.
        versions: of the rows that attributes are taken from.
        buckets: of the partial sums.
        scratch: a folder of the files' storage; the caller deletes it when the frame was read.
        served_versions: the feature versions of each version of the definitions that rows were served under.
    """
    known = sampled.where(HAS_REQUEST)
    given = [F.col(f"given_{name}").alias(name) for name in given_columns(layout.definitions)]
    requests = known.select(REQUEST, "as_of", *given)
    features = features_of_requests(requests, files, layout, versions, buckets, scratch)
    offline = features.select(REQUEST, *[F.col(name).alias(f"{OFFLINE}{name}") for name in layout.definitions.features])
    both = known.select(*[F.col(quoted(name)) for name in SERVED_COLUMNS], "as_of").join(offline, REQUEST)
    return both.mapInArrow(_compare(layout.definitions, served_versions), PAIRS_DDL)


def _compare(
    definitions: Definitions, served_versions: Mapping[str, Mapping[str, str]]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                yield from compared_values(definitions, served_versions, pa.Table.from_batches([batch])).to_batches()

    return compare


def read_pairs(spark: SparkSession, storage: Storage, path: str) -> DataFrame:
    """Pairs that were written."""
    return spark.read.schema(PAIRS_DDL).parquet(storage.address(path))
