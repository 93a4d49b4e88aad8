"""Windowed features as of the beginning of a day, of every key that anything counts for: what the online side loads for that day."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.layout import Family, table_keys
from srp_assets.features.aggregation.partials import ARRIVAL_DAY, BUCKET, raw_schema
from srp_assets.features.aggregation.point_in_time import family_features, with_defaults
from srp_assets.features.aggregation.rows import ARROW_TYPES, integers
from srp_assets.features.building.files import PartialFiles
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.times import MICROSECONDS_OF_DAY, Clock


def entities_of(family: Family) -> list[str]:
    """The entities of a family that have windowed features."""
    return list(dict.fromkeys(feature.entity for feature in family.features if not feature.is_of_session))


def windowed_of(family: Family, entity: str) -> tuple[Feature, ...]:
    """An entity's windowed features."""
    return tuple(feature for feature in family.features if feature.entity == entity and not feature.is_of_session)


def window_schema(definitions: Definitions, family: Family, entity: str) -> pa.Schema:
    """The columns of an entity's windowed features: its keys, the bucket of the first, and the features."""
    keys = [pa.field(key, pa.string()) for key in definitions.entities[entity]]
    features = [pa.field(feature.name, ARROW_TYPES[feature.value_type]) for feature in windowed_of(family, entity)]
    return pa.schema([pa.field(BUCKET, pa.int32()), *keys, *features])


def _known(partials: pa.Table, day: int, clock: Clock) -> pa.Table:
    """The partial sums that are known when a day begins: a key of which nothing has arrived is not there yet."""
    return partials if clock == "as_happened" else partials.filter(pa.array(integers(partials[ARRIVAL_DAY]) < day))


def day_windows(files: PartialFiles, family: Family, entity: str, bucket: int, day: int, clock: Clock = "as_arrived") -> pa.Table:
    """The windowed features of one entity and bucket as of the beginning of a day, defaults in the place of nulls.

    Args:
        files: the builds of all days that windows reach.
        family: of the entity.
        entity: its name.
        bucket: which.
        day: days since 1970.
        clock: which events count.
    """
    definitions = files.definitions
    features = windowed_of(family, entity)
    tables = {table_keys(definitions, feature) for feature in features}
    own = replace(family, tables=tuple(table for table in family.tables if table.keys in tables), features=features)
    partials = {name: _known(table, day, clock) for name, table in files.partials(own, bucket, day, day).items()}
    keys = definitions.entities[entity]
    named = pa.concat_tables([table.select(keys) for table in partials.values()]).group_by(list(keys)).aggregate([])
    as_of = pa.array(np.full(named.num_rows, day * MICROSECONDS_OF_DAY), pa.int64()).cast(ARROW_TYPES["time"])
    requests = named.append_column("as_of", as_of)
    found = family_features(definitions, own, requests, partials, raw_schema(definitions, own).empty_table(), clock)
    filled = with_defaults(definitions, found)
    columns = {BUCKET: pa.array(np.full(named.num_rows, bucket, np.int32))} | {key: named[key] for key in keys}
    columns |= {name: filled[name] for name in filled.column_names}
    schema = window_schema(definitions, family, entity)
    return pa.table(columns).select(schema.names).cast(schema).sort_by([(key, "ascending") for key in keys])
