"""The stream of events in the order in which they were known, read from the built actions of the logs.

An event of the stream has its context, as the columns of `logs/actions` have it. Who reads a live stream instead hands the same rows on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import ARROW_TYPES, Integers, arrival_order, integers
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.consuming.batch import Event
from srp_assets.warehouse.storage import Storage

EVENTS_AT_ONCE = 10_000
"""Events that are rows of Python at a time."""


def stream_columns(definitions: Definitions) -> dict[str, ValueType]:
    """The columns of an event of the stream, with what they hold: those of `logs/actions` that features may read."""
    attributes = {name for source in definitions.attributes.values() for name in source.columns}
    own = {name: type_ for name, type_ in definitions.event_columns.items() if name not in attributes and name not in COMPUTED_COLUMNS}
    return {"event_id": "text", "kind": "text", "arrival_time": "time", **own}


def as_stream(definitions: Definitions, actions: pa.Table) -> pa.Table:
    """Actions in the order of the stream; an event without a time of arrival arrived when it happened. `known` is when each was known."""
    types = stream_columns(definitions)
    rows = pa.table({name: actions[name].cast(ARROW_TYPES[type_]) for name, type_ in types.items()})
    arrived = pc.coalesce(rows["arrival_time"], rows["event_time"])
    rows = rows.set_column(rows.column_names.index("arrival_time"), "arrival_time", arrived)
    known = np.maximum(integers(rows["event_time"]), integers(arrived))
    order = np.lexsort((arrival_order(pa.array(np.zeros(len(known), np.int64)), rows["event_id"]), known))
    return rows.append_column("known", pa.array(known)).take(pa.array(order))


def known_between(stream: pa.Table, first: int, before: int) -> pa.Table:
    """The part of a stream that became known from `first` to before `before`, in microseconds since 1970."""
    known = integers(stream["known"])
    begin, end = np.searchsorted(known, [first, before])
    return stream.slice(int(begin), int(end) - int(begin))


def events_of(stream: pa.Table) -> Iterator[Event]:
    """The events of a stream one by one, times in microseconds since 1970."""
    plain = {
        name: stream[name].cast(pa.int64()) if pa.types.is_timestamp(stream[name].type) else stream[name] for name in stream.column_names
    }
    for batch in pa.table(plain).to_batches(max_chunksize=EVENTS_AT_ONCE):
        columns = batch.to_pydict()
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


@dataclass(frozen=True)
class ActionFiles:
    """The files of built actions by the days of their events, in days since 1970."""

    storage: Storage
    paths: dict[int, tuple[str, ...]]

    def known_between(self, definitions: Definitions, first: int, before: int, lookback_days: int) -> Iterator[pa.Table]:
        """The stream of what became known from `first` to before `before`, a day of it at a time.

        Args:
            definitions: whose columns are read.
            first: microseconds since 1970.
            before: microseconds since 1970.
            lookback_days: how late an event may come and still count.
        """
        newest = max(self.paths, default=0) + lookback_days
        for day in range(first // MICROSECONDS_OF_DAY, min(-(-before // MICROSECONDS_OF_DAY), newest + 1)):
            begin, end = max(first, day * MICROSECONDS_OF_DAY), min(before, (day + 1) * MICROSECONDS_OF_DAY)
            yield known_between(self.read(definitions, range(day - lookback_days, day + 1), begin, end), begin, end)

    def read(self, definitions: Definitions, days: Sequence[int], first: int, before: int) -> pa.Table:
        """The stream of some days' events, those that became known from `first` to before `before`."""
        names = list(stream_columns(definitions))
        schema = pa.schema([pa.field(name, ARROW_TYPES[type_]) for name, type_ in stream_columns(definitions).items()])
        found = [schema.empty_table()]
        for path in (path for day in days for path in self.paths.get(day, ())):
            rows = self.storage.read(path, names).cast(schema)
            known = _known(rows)
            found.append(rows.filter(pa.array((known >= first) & (known < before))))
        return as_stream(definitions, pa.concat_tables(found))


def _known(rows: pa.Table) -> Integers:
    arrived: Any = pc.coalesce(rows["arrival_time"], rows["event_time"])
    return np.maximum(integers(rows["event_time"]), integers(arrived))
