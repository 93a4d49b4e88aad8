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
        times = integers(versions[UPDATED_AT])
        order = np.argsort(times, kind="stable")
        keys = versions[source.key].to_pylist()
        self._since: dict[str, list[int]] = {}
        self._rows: dict[str, list[int]] = {}
        # A version counts from the midnight after it on.
        days = (times // MICROSECONDS_OF_DAY).tolist()
        for row in order.tolist():
            if keys[row] is not None:
                self._since.setdefault(keys[row], []).append(days[row])
                self._rows.setdefault(keys[row], []).append(row)
        # Nearly always it is the newest version that is asked for.
        self._newest: dict[str | None, tuple[int, int]] = {key: (days[-1], self._rows[key][-1]) for key, days in self._since.items()}
        self._columns = {column: _values(versions[own.column], own.type) for column, own in source.columns.items()}

    def rows_of(self, keys: Iterable[str | None], days: Iterable[int]) -> list[int]:
        """The row of the newest version of each key from before its day (days since 1970); -1 for none."""
        newest = self._newest
        return [
            newest[key][1] if key in newest and newest[key][0] < day else self._row_of(key, day)
            for key, day in zip(keys, days, strict=False)
        ]

    def _row_of(self, key: str | None, day: int) -> int:
        since = self._since.get(key) if key is not None else None
        if since is None:
            return -1
        place = bisect_left(since, day) - 1
        return self._rows[key][place] if place >= 0 else -1  # type: ignore[index]

    def column(self, name: str, rows: Iterable[int]) -> list[Any]:
        """An attribute of rows; None for no row."""
        values = self._columns[name]
        return [values[row] if row >= 0 else None for row in rows]


def _values(column: Any, type_: Any) -> list[Any]:
    """Python values; times as microseconds since 1970."""
    typed = column.cast(ARROW_TYPES[type_])
    return list((typed.cast(pa.int64()) if type_ == "time" else typed).to_pylist())


class Attributes:
    """The versions of all sources of some definitions, whose attributes are `names`; a source without a table has no rows."""

    def __init__(self, definitions: Definitions, tables: Mapping[str, pa.Table]) -> None:
        declared = definitions.attributes
        sources = {name: SourceVersions(name, source, tables[name]) for name, source in declared.items() if name in tables}
        self._by_name = {column: source for name, source in sources.items() for column in declared[name].columns}
        self.names = frozenset(column for source in declared.values() for column in source.columns)

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
