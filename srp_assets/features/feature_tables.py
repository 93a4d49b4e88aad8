"""Joins rows of ready-made feature tables to requests: of each table the newest row of the request's key from before its time.

For features that are computed elsewhere and come as tables of versions (a key, a time, hundreds of columns). First only keys and times are
read, and say which row each request gets; then of each row group only the rows that were chosen are kept, so memory is bounded by the
result and one row group, however long the tables are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.features.aggregation.rows import Integers, combined, encoded, integers
from srp_assets.features.attributes import newest_before
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class FeatureTable:
    """Versions of features in Parquet files.

    Args:
        name: of the table; it stands before the names of its columns in the result.
        paths: its files, relative to the warehouse.
        keys: the columns that requests are joined on, under the same names.
        time: since when a row stands.
        columns: its features.
        longest_age_days: rows that are older are not used; None for any age.
    """

    name: str
    paths: tuple[str, ...]
    keys: tuple[str, ...]
    time: str
    columns: tuple[str, ...]
    longest_age_days: int | None = None


def join_feature_tables(storage: Storage, requests: pa.Table, tables: Sequence[FeatureTable]) -> pa.Table:
    """The features of all tables as of requests, in their order, null where a table has no row.

    Args:
        storage: the warehouse.
        requests: with `as_of` and the keys of the tables.
        tables: what is joined.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    for table in tables:
        found = _features_of(storage, requests, table)
        columns |= {f"{table.name}_{name}": found[name] for name in table.columns}
    return pa.table(columns)


def _features_of(storage: Storage, requests: pa.Table, table: FeatureTable) -> pa.Table:
    files = [pq.ParquetFile(storage.path(path), filesystem=storage.filesystem) for path in table.paths]
    groups = [(file, group) for file in files for group in range(file.num_row_groups)]
    chosen = _chosen_rows(requests, pa.concat_tables([file.read(columns=[*table.keys, table.time]) for file in files]), table)
    rows, places = np.unique(chosen, return_inverse=True)
    missing = bool(len(rows)) and rows[0] < 0
    starts = np.cumsum([0, *(file.metadata.row_group(group).num_rows for file, group in groups)])
    kept = []
    for (file, group), start, end in zip(groups, starts, starts[1:], strict=False):
        own = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)]
        if len(own):
            kept.append(file.read_row_group(group, columns=list(table.columns)).take(pa.array(own - start)))
    values = pa.concat_tables(kept) if kept else files[0].schema_arrow.empty_table().select(table.columns)
    # The row -1 is the first of the different ones, and stands for none.
    places = places.astype(np.int64) - missing
    return values.take(pa.array(places, mask=places < 0))


def _chosen_rows(requests: pa.Table, versions: pa.Table, table: FeatureTable) -> Integers:
    """The row of the table that each request gets, -1 for none."""
    asked, standing = combined([encoded([_text(requests[key]), _text(versions[key])])[0] for key in table.keys])
    times, since = integers(requests["as_of"]), integers(versions[table.time])
    found = newest_before(asked, times, standing, since)
    if table.longest_age_days is not None and len(since):
        age = times - since[found]
        found = np.where(age > table.longest_age_days * 86_400_000_000, -1, found)
    return found


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string())
