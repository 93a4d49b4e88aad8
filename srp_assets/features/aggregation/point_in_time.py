"""The point-in-time join of one family and bucket: what each request could have known, from partial sums and raw rows.

The partials hold the days before a request's own; the raw rows of its own day, late ones that arrived on it among them, complete them up
to the microsecond.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.column_values import value_features
from srp_assets.features.aggregation.layout import OF_VALUES, Family, table_keys
from srp_assets.features.aggregation.rows import ARROW_TYPES, with_calendar
from srp_assets.features.aggregation.sessions import session_features
from srp_assets.features.aggregation.sums import Inputs, newest_features, summed_features
from srp_assets.features.aggregation.walk import Asked, Timed, walk_of
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.model import Last
from srp_assets.features.times import Clock


def family_features(
    definitions: Definitions, family: Family, requests: pa.Table, partials: Mapping[str, pa.Table], rows: pa.Table, clock: Clock
) -> pa.Table:
    """The features of a family.

    Args:
        definitions: of the features.
        family: what is computed.
        requests: with `as_of` and the keys of the family's entities, computed columns and attributes among them.
        partials: by the name of the table: of all days that the windows of the requests reach.
        rows: raw rows of the family that became known on the days of the requests; for sessions those of the day before too.
        clock: which events count.

    Returns:
        A column for each feature, null where nothing counts, in the order of the requests.
    """
    asked = Asked.of(requests)
    rows = with_calendar(rows, "event_time", family.computed_columns)
    timed = Timed.of(rows, clock)
    of_session = [feature for feature in family.features if feature.is_of_session]
    found = session_features(asked, timed, of_session)
    for table in family.tables:
        own = [feature for feature in family.features if not feature.is_of_session and table_keys(definitions, feature) == table.keys]
        for of_values in (False, True):
            chosen = [feature for feature in own if isinstance(feature.declared, OF_VALUES) == of_values]
            if chosen:
                entity = table.keys[:-1] if of_values else table.keys
                walk = walk_of(entity, asked, partials[table.name], timed, clock, definitions.lookback_days)
                inputs = Inputs(table, partials[table.name], timed, walk)
                found |= value_features(inputs, chosen) if of_values else _plain_features(inputs, chosen)
    return pa.table({feature.name: _column(feature, found[feature.name]) for feature in family.features})


def _plain_features(inputs: Inputs, features: list[Feature]) -> dict[str, Any]:
    summed = [feature for feature in features if not isinstance(feature.declared, Last)]
    return summed_features(inputs, summed) | newest_features(inputs, features)


def _column(feature: Feature, values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return pa.array(values, mask=np.isnan(values))
    return values.cast(ARROW_TYPES[feature.value_type])


def with_defaults(definitions: Definitions, features: pa.Table) -> pa.Table:
    """Features with the declared defaults in the place of nulls."""
    columns = {}
    for name in features.column_names:
        feature = definitions.features[name]
        default = feature.declared.default
        columns[name] = features[name] if default is None else _filled(features[name], default, ARROW_TYPES[feature.value_type])
    return pa.table(columns)


def _filled(column: Any, default: Any, type_: pa.DataType) -> Any:
    if not pa.types.is_list(type_):
        return pc.fill_null(column, pa.scalar(default, type_))
    # Arrow fills no nulls of lists.
    return pc.if_else(pc.is_valid(column), column, pa.scalar(list(default), type_)) if column.null_count else column
