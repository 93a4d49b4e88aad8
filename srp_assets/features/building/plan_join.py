"""The point-in-time join in Spark: requests are brought to the buckets of each family, completed there, and put together again.

Partial sums and raw rows are never shuffled: a task reads those of its bucket from the files. What crosses between processes is, for each
family, the keys of the requests and their features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from srp_assets.features.aggregation.layout import Family, Layout
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import ARROW_TYPES, integers, with_calendar
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.files import PartialFiles, VersionFiles, read_versions
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.derivation import derived_features
from srp_assets.features.times import Clock, days_of

ROW = "event_id"
"""The column of a request that no other request has."""

BUCKET = "_bucket"

SPARK_TYPES: dict[ValueType, str] = {"number": "double", "text": "string", "time": "timestamp", "texts": "array<string>"}


def features_of_requests(
    requests: DataFrame,
    files: PartialFiles,
    layout: Layout,
    versions: Mapping[str, VersionFiles],
    buckets: int,
    clock: Clock = "as_arrived",
) -> DataFrame:
    """All features of requests: `event_id`, `as_of`, and a column for each feature.

    Args:
        requests: candidates with a unique `event_id`, `as_of`, and the columns that keys and derived features read.
        files: the builds of all days that windows reach.
        layout: of the definitions.
        versions: of the rows that attributes are taken from.
        buckets: of the builds.
        clock: which events count.
    """
    definitions = layout.definitions
    described = _described(requests, definitions, versions)
    features = described
    for family in layout.families:
        features = features.join(_of_family(described, files, family, buckets, clock), ROW, "left")
    types: dict[str, ValueType] = {ROW: "text", "as_of": "time"}
    types |= {name: feature.value_type for name, feature in definitions.features.items()}
    return features.mapInArrow(_derive(definitions), _ddl(types))


def _ddl(columns: Mapping[str, ValueType]) -> str:
    return ", ".join(f"`{name}` {SPARK_TYPES[type_]}" for name, type_ in columns.items())


def needed_columns(definitions: Definitions) -> list[str]:
    """The columns of requests that keys and derived features read, computed ones and attributes among them."""
    needed = {key for feature in definitions.aggregated for key in definitions.entities[feature.family]}
    needed |= {name for feature in definitions.derived for name in feature.inputs if name in definitions.request_columns}
    return [name for name in definitions.request_columns if name in needed and name != "as_of"]


def _attributes(definitions: Definitions) -> dict[str, str]:
    """The attributes that are needed, with the keys of their sources."""
    needed = needed_columns(definitions)
    return {name: source.key for source in definitions.attributes.values() for name in source.columns if name in needed}


def given_columns(definitions: Definitions) -> list[str]:
    """The columns that requests have to bring beside `event_id` and `as_of`."""
    attributes = _attributes(definitions)
    own = [name for name in needed_columns(definitions) if name not in attributes and name not in COMPUTED_COLUMNS]
    return list(dict.fromkeys([*own, *attributes.values()]))


def _described(requests: DataFrame, definitions: Definitions, versions: Mapping[str, VersionFiles]) -> DataFrame:
    """Requests with what follows from their time and from what they name."""
    needed, attributes = needed_columns(definitions), _attributes(definitions)
    computed = [name for name in COMPUTED_COLUMNS if name in needed]
    own = ["as_of", *given_columns(definitions)]
    types: dict[str, ValueType] = {ROW: "text"} | {name: definitions.request_columns[name] for name in (*own, *computed, *attributes)}
    typed = requests.select(*[F.col(f"`{name}`").cast(SPARK_TYPES[types[name]]).alias(name) for name in (ROW, *own)])
    return typed.mapInArrow(_describe(definitions, versions, computed, list(attributes), list(types)), _ddl(types))


def _describe(
    definitions: Definitions,
    versions: Mapping[str, VersionFiles],
    computed: Sequence[str],
    attributes: Sequence[str],
    columns: Sequence[str],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def describe(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        standing = read_versions(definitions, versions, attributes)
        for batch in batches:
            table = with_calendar(pa.Table.from_batches([batch]), "as_of", computed)
            yield from with_attributes(definitions, table, "as_of", standing, attributes).select(columns).combine_chunks().to_batches()

    return describe


def _of_family(described: DataFrame, files: PartialFiles, family: Family, buckets: int, clock: Clock) -> DataFrame:
    """The features of a family, by `event_id`."""
    keys = list(dict.fromkeys(key for feature in family.features for key in files.definitions.entities[feature.family]))
    # A request that names nothing is in no bucket; it has the defaults of the others' features.
    asked = described.where(F.col(family.key).isNotNull()).select(ROW, "as_of", *keys)
    bucketed = asked.withColumn(BUCKET, F.pmod(F.crc32(F.col(family.key).cast("binary")), F.lit(buckets)).cast("int"))
    types: dict[str, ValueType] = {ROW: "text"}
    types |= {feature.name: feature.value_type for feature in family.features}
    return bucketed.groupBy(BUCKET).applyInArrow(_complete(files, family, clock), _ddl(types))


def _complete(files: PartialFiles, family: Family, clock: Clock) -> Callable[[tuple[pa.Scalar, ...], pa.Table], pa.Table]:
    def complete(key: tuple[pa.Scalar, ...], requests: pa.Table) -> pa.Table:
        days = days_of(integers(requests["as_of"]))
        first, last, bucket = int(days.min()), int(days.max()), key[0].as_py()
        partials = files.partials(family, bucket, first, last)
        rows = files.rows(family, bucket, first, last, clock)
        found = family_features(files.definitions, family, requests, partials, rows, clock)
        return pa.table({ROW: requests[ROW], **{name: found[name] for name in found.column_names}})

    return complete


def _derive(definitions: Definitions) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    aggregated = [feature.name for feature in definitions.aggregated]

    def derive(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            found = derived_features(definitions, table, table.select(aggregated))
            columns = {ROW: table[ROW], "as_of": table["as_of"]}
            columns |= {name: found[name].cast(ARROW_TYPES[feature.value_type]) for name, feature in definitions.features.items()}
            yield from pa.table(columns).combine_chunks().to_batches()

    return derive
