"""The newest version of a row before a time: how attributes of the warehouse's entities come to events and requests.

An event has the attributes that stood when its day (UTC) began, a request those of its own day: so a day's events can be described when
they are built, and the online side needs one load a day.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.rows import ARROW_TYPES, Integers, combined, encoded, integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.model import AttributeSource
from srp_assets.features.times import MICROSECONDS_OF_DAY, days_of

UPDATED_AT = "updated_at"
"""The column that says since when a version stands."""


def newest_before(keys: Integers, times: Integers, version_keys: Integers, version_times: Integers) -> Integers:
    """The newest version of each key from before a time.

    Args:
        keys: codes asked for, -1 for none, shape (rows,).
        times: microseconds, shape (rows,).
        version_keys: codes, shape (versions,).
        version_times: since when each version stands, shape (versions,). Of equal ones of a key, the last row counts.

    Returns:
        Shape (rows,): the place of the version, -1 where there is none.
    """
    moments, ranks = np.unique(np.concatenate([times, version_times]), return_inverse=True)
    wanted, standing = ranks[: len(times)], ranks[len(times) :]
    places = version_keys * (len(moments) + 1) + standing
    order = np.argsort(places, kind="stable")
    found = np.searchsorted(places[order], keys * (len(moments) + 1) + wanted) - 1
    newest = order[np.maximum(found, 0)] if len(order) else np.zeros(len(keys), np.int64)
    exists = (found >= 0) & (keys >= 0)
    exists[exists] = version_keys[newest[exists]] == keys[exists]
    return np.where(exists, newest, -1)


def with_attributes(
    definitions: Definitions, rows: pa.Table, time: str, versions: Mapping[str, pa.Table], only: Iterable[str] | None = None
) -> pa.Table:
    """Rows of events or requests with the attributes of what they name.

    Args:
        definitions: which attributes there are.
        rows: with the keys of their sources.
        time: the column whose day counts.
        versions: by the name of the source: its key, `updated_at` and the columns that attributes are; a missing source has no rows.
        only: attributes to add; all if missing.
    """
    midnights = days_of(integers(rows[time])) * MICROSECONDS_OF_DAY
    wanted = None if only is None else set(only)
    for name, source in definitions.attributes.items():
        columns = [column for column in source.columns if wanted is None or column in wanted]
        if columns:
            rows = _with_source(rows, source, columns, versions.get(name), midnights)
    return rows


def _with_source(
    rows: pa.Table, source: AttributeSource, columns: Sequence[str], versions: pa.Table | None, midnights: Integers
) -> pa.Table:
    if versions is None:
        place = np.full(rows.num_rows, -1, np.int64)
    else:
        asked, standing = combined([encoded([rows[source.key], versions[source.key]])[0]])
        place = newest_before(asked, midnights, standing, integers(versions[UPDATED_AT]))
    chosen = pa.array(place, mask=place < 0)
    for column in columns:
        attribute = source.columns[column]
        type_ = ARROW_TYPES[attribute.type]
        values = pa.nulls(rows.num_rows, type_) if versions is None else versions[attribute.column].take(chosen).cast(type_)
        rows = rows.append_column(column, values)
    return rows
