"""Attributes of what actions and candidates name, by digests and for whole columns: the newest version from before a day.

`features/attributes.py` says the same of tables, `online/attributes.py` of one event at a time; here an index is made once for all
versions, and ten thousand actions are described in a millisecond. Texts stand as digests, 0 for null; numbers as float64, NaN for null.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.rows import Floats, Integers, encoded, integers, numbers
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.model import AttributeSource
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.records.digests import digest_of

ITEM = "item_id"


def digests_of(column: Any) -> Integers:
    """The digest of each text of a column; 0 for null."""
    (codes,), texts = encoded([column])
    return np.array([*map(digest_of, texts.to_pylist()), 0], np.int64)[codes]


class SourceIndex:
    """The versions of one source.

    Args:
        name: of the source.
        source: its declaration.
        versions: its key, `updated_at` and the columns that attributes are; of equal times of a key, the last row counts.
    """

    def __init__(self, name: str, source: AttributeSource, versions: pa.Table) -> None:
        self.name = name
        self.key = source.key
        self.size = versions.num_rows
        self._source = source
        self._versions = versions
        since = integers(versions[UPDATED_AT])
        days = np.maximum(since // MICROSECONDS_OF_DAY, 0)
        own = digests_of(versions[source.key])
        self._keys, ranks = np.unique(own, return_inverse=True)
        self._rows = np.lexsort((np.arange(len(own)), since, ranks))
        self._starts = np.searchsorted(ranks[self._rows], np.arange(len(self._keys) + 1))
        self._days = days[self._rows]
        self._times = np.sort(since)
        bits = max(1, len(self._keys).bit_length())
        leading = np.arange(-(1 << bits - 1), (1 << bits - 1) + 1)
        self._buckets = np.searchsorted(self._keys >> 64 - bits, leading)

    def rows(self, keys: Integers, days: Integers | int) -> Integers:
        """The row of the newest version of each key from before a day; -1 for none.

        Args:
            keys: digests, shape (rows,).
            days: since 1970, one each or one for all.
        """
        from srp_assets.sequences.search.version_kernel import newest_before  # numba takes a second to import

        found = np.empty(len(keys), np.int64)
        newest_before(keys, np.atleast_1d(days), self._keys, self._buckets, self._starts, self._days, self._rows, found)
        return found

    @cached_property
    def texts(self) -> dict[str, Integers]:
        """By attribute the digests of its rows, and a 0 after them for no row."""
        declared = self._source.columns.items()
        return {name: np.append(digests_of(self._versions[own.column]), 0) for name, own in declared if own.type == "text"}

    @cached_property
    def numbers(self) -> dict[str, Floats]:
        """By attribute the numbers of its rows, and a NaN after them for no row."""
        declared = self._source.columns.items()
        return {name: np.append(numbers(self._versions[own.column]), np.nan) for name, own in declared if own.type == "number"}

    def strings(self, name: str, rows: Integers) -> pa.Array:
        """An attribute of rows as texts."""
        column = self._versions[self._source.columns[name].column]
        return column.take(pa.array(rows, mask=rows < 0)).cast(pa.string()).combine_chunks()

    def version(self, day: int) -> str:
        """Identity of what counts on a day: how many versions there are from before it, and since when the newest stands."""
        count = int(np.searchsorted(self._times, day * MICROSECONDS_OF_DAY))
        newest = np.datetime64(int(self._times[count - 1]), "us").item().isoformat() if count else "never"
        return f"{count}@{newest}"


class AttributeIndex:
    """The versions of all sources of some definitions; a source without a table has no rows.

    `types` says what the columns of actions hold, attributes among them.
    """

    def __init__(self, definitions: Definitions, tables: Mapping[str, pa.Table]) -> None:
        self.types: dict[str, ValueType] = {"kind": "text", **definitions.event_columns}
        self.sources = {
            name: SourceIndex(name, source, tables[name] if name in tables else _no_versions(source))
            for name, source in definitions.attributes.items()
        }
        self._of_column = {name: own for key, own in self.sources.items() for name in definitions.attributes[key].columns}

    def source_of(self, name: str) -> SourceIndex | None:
        """Where an attribute is taken from; None for what is no attribute."""
        return self._of_column.get(name)

    def dictionary_version(self, day: int) -> str:
        """Identity of the attributes of items that count on a day, days since 1970."""
        own = {name: source for name, source in self.sources.items() if source.key == ITEM}
        return " ".join(f"{name}:{source.version(day)}" for name, source in sorted(own.items()))


def _no_versions(source: AttributeSource) -> pa.Table:
    types = {"number": pa.float64(), "text": pa.string(), "time": pa.timestamp("us", tz="UTC"), "texts": pa.list_(pa.string())}
    columns = {own.column: pa.array([], types[own.type]) for own in source.columns.values()}
    return pa.table({source.key: pa.array([], pa.string()), UPDATED_AT: pa.array([], types["time"]), **columns})
