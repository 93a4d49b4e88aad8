"""What the declarations of features promise of their tables, in the words of the expectations."""

from collections.abc import Iterable, Mapping, Sequence

from expectations.contracts import ColumnContract, TableContract
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.day_windows import entities_of, windowed_of
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.ranges import range_of
from srp_assets.features.registry import FeatureBuild, Table
from srp_assets.warehouse.storage import Storage

SPARK_TYPES: Mapping[ValueType, str] = {"number": "double", "text": "string", "time": "timestamp", "texts": "array<string>"}

IMPRESSIONS = "impressions"

SUMS_KEY = ("table", "keys", "day", "arrival_day")
"""What identifies a row of `promised_sums`."""


def table_contracts(layout: Layout, table: Table) -> dict[str, TableContract]:
    """The tables of a kind of builds: of impressions one, of windows one for each entity."""
    definitions = layout.definitions
    if table == "impressions":
        return {IMPRESSIONS: features_contract({"event_id": "text", "as_of": "time"}, ["event_id"], definitions.features.values())}
    contracts = {}
    for family in layout.families:
        for entity in entities_of(family):
            keys: dict[str, ValueType] = dict.fromkeys(definitions.entities[entity], "text")
            contracts[entity] = features_contract(keys, [*keys], windowed_of(family, entity))
    return contracts


def sums_contract() -> TableContract:
    """What all tables of partial sums promise, in the columns of `promised_sums`."""
    columns = (
        *(ColumnContract(name, "string", required=True) for name in ("table", "keys")),
        *(ColumnContract(name, "date", required=True) for name in ("day", "event_day", "arrival_day")),
        *(ColumnContract(name, "int", required=True) for name in ("bucket", "bucket_of_keys")),
        ColumnContract("least_count", "bigint", least=0),
        *(ColumnContract(name, "bigint", required=True, least=0, most=0) for name in ("missing_sums", "other_columns")),
    )
    return TableContract(columns, SUMS_KEY, (("event_day", "day"), ("bucket", "bucket_of_keys")), strict=True)


def folders_of(storage: Storage, build: FeatureBuild, name: str) -> list[str]:
    """The folder of a table in a build, if it has rows: one for a whole day would have the same key for each day."""
    folder = build.folder if name == IMPRESSIONS else f"{build.folder}/{name}"
    return [folder] if storage.exists(folder) else []


def features_contract(keys: Mapping[str, ValueType], key: Sequence[str], features: Iterable[Feature]) -> TableContract:
    """What a table of features promises: types, ranges, a row a key, and no null where a feature has a default.

    Args:
        keys: the columns beside the features, none of which is ever null.
        key: those that identify a row.
        features: in the table.
    """
    columns = [ColumnContract(name, SPARK_TYPES[type_], required=True) for name, type_ in keys.items()]
    for feature in features:
        has_default = feature.declared.default is not None
        columns.append(ColumnContract(feature.name, SPARK_TYPES[feature.value_type], has_default, (), *range_of(feature)))
    return TableContract(tuple(columns), tuple(key), strict=True)
