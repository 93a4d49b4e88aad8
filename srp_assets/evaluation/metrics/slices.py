"""The same metrics by part of the rows: market, page, new users, new items, position and day.

New is who or what the model has never seen: no row of its training set has that user or item.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.evaluation.arrays import Codes
from srp_assets.evaluation.metrics.measuring import Measured, MetricOptions, measure
from srp_assets.evaluation.metrics.scored import ScoredRows

UNKNOWN = "unknown"
"""The part of the rows that have no value."""


@dataclass(frozen=True)
class Dimension:
    """How rows are divided: the number of the part of each row of the table, and the names of the parts."""

    part: Codes
    names: tuple[str, ...]


def dimensions(table: pa.Table, seen_users: Collection[str], seen_items: Collection[str]) -> dict[str, Dimension]:
    """All divisions of the rows of a training set.

    Args:
        table: rows with `user_id`, `item_id`, `market`, `page`, `position` and `event_time`.
        seen_users: the users of the rows that the model was trained on.
        seen_items: the items likewise.
    """
    columns = {
        "market": table.column("market"),
        "page": table.column("page"),
        "user": _new_or_known(table.column("user_id"), seen_users),
        "item": _new_or_known(table.column("item_id"), seen_items),
        "position": table.column("position"),
        "day": table.column("event_time").cast(pa.date32()),
    }
    return {name: _dimension(column) for name, column in columns.items()}


def measured_parts(rows: ScoredRows, dimension: Dimension, options: MetricOptions) -> Iterator[tuple[str, Measured]]:
    """The metrics of each part that has rows, by its name."""
    part_of_row = dimension.part[rows.place]
    for number, name in enumerate(dimension.names):
        part = rows.part(part_of_row == number)
        if part.rows:
            yield name, measure(part, options)


def _new_or_known(column: pa.ChunkedArray, seen: Collection[str]) -> pa.ChunkedArray:
    known = pc.is_in(column, value_set=pa.array(sorted(seen), pa.string()))
    named = pc.if_else(known, "known", "new")
    return pc.if_else(pc.is_null(column), pa.scalar(None, pa.string()), named)


def _dimension(column: pa.ChunkedArray) -> Dimension:
    """The parts in order of their values; rows without one come last."""
    found = pc.unique(column)
    known = pc.drop_null(found)
    ordered = known.take(pc.sort_indices(known))
    part = pc.index_in(column, ordered, skip_nulls=True)
    names = ordered.cast(pa.string()).to_pylist() + ([UNKNOWN] if found.null_count else [])
    return Dimension(np.asarray(pc.fill_null(part, len(ordered)).to_numpy(), np.int32), tuple(names))
