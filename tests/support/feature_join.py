"""The point-in-time join in one process: the same steps that the plans take in Spark's tasks, on tables instead of files."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.layout import Family, layout_of
from srp_assets.features.aggregation.partials import day_partials, family_rows
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import integers, with_calendar
from srp_assets.features.attributes import with_attributes
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.derivation import derived_features
from srp_assets.features.times import Clock, days_of

ONE_BUCKET = 1


def point_in_time(
    definitions: Definitions, requests: pa.Table, events: pa.Table, versions: Mapping[str, pa.Table], clock: Clock = "as_arrived"
) -> pa.Table:
    """All features of requests, in their order.

    Args:
        definitions: of the features.
        requests: candidates with `as_of` and their columns.
        events: rows of `logs/actions`, each event once.
        versions: of the rows that attributes are taken from, by source.
        clock: which events count.
    """
    described = with_attributes(definitions, events, "event_time", versions)
    asked = described_requests(definitions, requests, versions)
    days = days_of(integers(described["event_time"]))
    by_day = [described.filter(pa.array(days == day)) for day in np.unique(days)]
    aggregated: dict[str, pa.ChunkedArray] = {}
    for family in layout_of(definitions).families:
        rows, partials = _built(definitions, family, by_day or [described])
        found = family_features(definitions, family, asked, partials, rows, clock)
        aggregated |= {name: found[name] for name in found.column_names}
    names = [feature.name for feature in definitions.aggregated]
    together = pa.table({name: aggregated[name] for name in names}) if names else asked.select([])
    return derived_features(definitions, asked, together)


def described_requests(definitions: Definitions, requests: pa.Table, versions: Mapping[str, pa.Table]) -> pa.Table:
    """Requests with their computed columns and attributes."""
    return with_attributes(definitions, with_calendar(requests, "as_of", COMPUTED_COLUMNS), "as_of", versions)


def _built(definitions: Definitions, family: Family, days: list[pa.Table]) -> tuple[pa.Table, dict[str, pa.Table]]:
    rows = [family_rows(definitions, family, day, ONE_BUCKET) for day in days]
    partials = {table.name: pa.concat_tables([day_partials(definitions, table, day) for day in rows]) for table in family.tables}
    return pa.concat_tables(rows), partials
