"""The attributes that events and requests are described by, in memory: the newest version of a row from before a day.

They come once a day as Arrow tables, through the store, and are found there by key and day; `features/attributes.py` says the same of whole
columns.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.errors import Unavailable
from srp_assets.features.aggregation.rows import ARROW_TYPES, integers
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.model import AttributeSource
from srp_assets.features.times import MICROSECONDS_OF_DAY

REMEMBERED = 200_000
"""Keys and days whose attributes are kept put together."""


class SourceVersions:
    """The versions of one source.

    Args:
        name: of the source.
        source: its declaration.
        versions: its key, `updated_at` and the columns that attributes are; of equal times of a key, the last row counts.
    """

    def __init__(self, name: str, source: AttributeSource, versions: pa.Table) -> None:
        self.name = name
        self.key = source.key
        self.names = tuple(source.columns)
        times = integers(versions[UPDATED_AT])
        order = np.argsort(times, kind="stable")
        keys = versions[source.key].to_pylist()
        self._since: dict[str, list[int]] = {}
        self._rows: dict[str, list[int]] = {}
        for row in order.tolist():
            if keys[row] is not None:
                # A version counts from the midnight after it on.
                self._since.setdefault(keys[row], []).append(int(times[row]) // MICROSECONDS_OF_DAY)
                self._rows.setdefault(keys[row], []).append(row)
        self._described: dict[tuple[str | None, int], dict[str, Any]] = {}
        self._columns = {column: _values(versions[own.column], own.type) for column, own in source.columns.items()}

    def row_of(self, key: str | None, day: int) -> int:
        """The row of the newest version of a key from before a day (days since 1970); -1 for none."""
        since = self._since.get(key) if key is not None else None
        if since is None:
            return -1
        place = bisect_left(since, day) - 1
        return self._rows[key][place] if place >= 0 else -1  # type: ignore[index]

    def described(self, key: str | None, day: int) -> dict[str, Any]:
        """All attributes of a key on a day; most events are of what was described a moment ago."""
        found = self._described.get((key, day))
        if found is None:
            row = self.row_of(key, day)
            found = {name: values[row] if row >= 0 else None for name, values in self._columns.items()}
            if len(self._described) >= REMEMBERED:
                self._described.clear()
            self._described[key, day] = found
        return found

    def column(self, name: str, rows: Iterable[int]) -> list[Any]:
        """An attribute of rows; None for no row."""
        values = self._columns[name]
        return [values[row] if row >= 0 else None for row in rows]


def _values(column: Any, type_: Any) -> list[Any]:
    """Python values; times as microseconds since 1970."""
    typed = column.cast(ARROW_TYPES[type_])
    return list((typed.cast(pa.int64()) if type_ == "time" else typed).to_pylist())


class Attributes:
    """The versions of all sources of some definitions; a source without a table has no rows."""

    def __init__(self, definitions: Definitions, tables: Mapping[str, pa.Table]) -> None:
        declared = definitions.attributes.items()
        self.sources = tuple(SourceVersions(name, source, tables[name]) for name, source in declared if name in tables)
        self._by_name = {name: source for source in self.sources for name in source.names}
        self._missing = tuple(column for name, source in declared if name not in tables for column in source.columns)

    def of_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of what an event names, as they stood when its day began."""
        day = event["event_time"] // MICROSECONDS_OF_DAY
        found: dict[str, Any] = dict.fromkeys(self._missing)
        for source in self.sources:
            found |= source.described(event.get(source.key), day)
        return found

    def source_of(self, name: str) -> SourceVersions | None:
        """Where an attribute is taken from; None for what is no attribute, or has no rows."""
        return self._by_name.get(name)


def table_bytes(table: pa.Table) -> bytes:
    """A table as the store keeps it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def table_of(data: bytes) -> pa.Table:
    """The inverse of `table_bytes`."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def attributes_of(definitions: Definitions, data: Mapping[str, bytes]) -> Attributes:
    """The attributes that the store keeps, by the name of the source.

    Raises:
        Unavailable: if they are unreadable.
    """
    try:
        return Attributes(definitions, {name: table_of(found) for name, found in data.items()})
    except (pa.ArrowException, KeyError) as error:
        raise Unavailable("the attributes are unreadable", where="the online store", remedy="srp online rebuild") from error
