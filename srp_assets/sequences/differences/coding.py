"""Texts as numbers in their order, and the lists of stage tables as flat arrays: what hypotheses are tried on.

All texts of a chunk share one vocabulary, so that the same text has the same code in the log and on both sides, and a larger code is the
later text: ties of contract 2 can be broken by codes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.sequences.stages import LISTS, NUMBER_LISTS, TEXT_LISTS

Integers = npt.NDArray[np.int64]
Column = npt.NDArray[Any]

NONE = -1
"""The code of null."""

NO_TIME = -(2**62)
"""Stands for null among times and hashes."""


@dataclass(frozen=True)
class Vocabulary:
    """The different texts of a chunk, in order."""

    texts: pa.Array

    @classmethod
    def of(cls, columns: Iterable[Any]) -> "Vocabulary":
        """All texts of some columns."""
        found = [pc.unique(column).cast(pa.string()) for column in columns]
        whole = pc.unique(pa.chunked_array([part for part in found if len(part)] or [pa.array([], pa.string())], pa.string()))
        known = whole.drop_null()
        # The order of Arrow's strings is that of their bytes in UTF-8, which is that of their code points, as Python's.
        return cls(known.take(pc.sort_indices(known)))

    def codes(self, column: Any) -> Integers:
        """The codes of a column; that of null, too, for a text that the chunk does not have."""
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        return np.asarray(pc.fill_null(pc.index_in(whole.cast(pa.string()), self.texts), NONE)).astype(np.int64)

    def code(self, text: str | None) -> int:
        """The code of one text."""
        return NONE if text is None else self._places.get(text, NONE)

    def text(self, code: int) -> str | None:
        """The text of a code."""
        return None if code < 0 else self._listed[code]

    @cached_property
    def _listed(self) -> list[str]:
        found: list[str] = self.texts.to_pylist()
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {text: place for place, text in enumerate(self._listed)}


Listed = Mapping[str, Column]
"""The aligned lists of one row of a stage table: codes for texts, microseconds for times, NaN and `NO_TIME` for null."""


@dataclass(frozen=True)
class Lists:
    """The lists of some rows, flat.

    Args:
        columns: by name, one after the other.
        offsets: where each row begins, and the end, shape (rows + 1,).
    """

    columns: Mapping[str, Column]
    offsets: Integers

    def row(self, place: int) -> Listed:
        """The lists of one row."""
        first, end = self.offsets[place], self.offsets[place + 1]
        return {name: column[first:end] for name, column in self.columns.items()}


def coded_lists(table: pa.Table, vocabulary: Vocabulary) -> Lists:
    """The lists of a stage table."""
    lengths = np.asarray(pc.list_value_length(table["event_id"])).astype(np.int64)
    columns = {name: coded(name, _flat(table[name]), vocabulary) for name in LISTS if name in table.column_names}
    return Lists(columns, np.concatenate([[0], np.cumsum(lengths)]))


def coded(name: str, values: Any, vocabulary: Vocabulary) -> Column:
    """A column of values as numbers."""
    if name in TEXT_LISTS:
        return vocabulary.codes(values)
    if name in NUMBER_LISTS:
        return np.asarray(pc.fill_null(values.cast(pa.float64()), np.nan))
    return np.asarray(pc.fill_null(values.cast(pa.int64()), NO_TIME))


def texts_of(table: pa.Table) -> list[Any]:
    """The flat columns of a stage table that hold texts."""
    return [_flat(table[name]) for name in TEXT_LISTS]


def _flat(column: Any) -> Any:
    return pc.list_flatten(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)


def same_lists(one: Listed, other: Listed, columns: Sequence[str]) -> bool:
    """Whether two rows have the same lists."""
    return all(same_column(name, one[name], other[name]) for name in columns)


def same_column(name: str, one: Column, other: Column) -> bool:
    """Whether two columns are the same: numbers to contract 8."""
    if len(one) != len(other):
        return False
    if name not in NUMBER_LISTS:
        return bool(np.array_equal(one, other))
    with np.errstate(invalid="ignore"):
        same = (one == other) | (np.abs(one - other) <= np.maximum(1e-9 * np.maximum(np.abs(one), np.abs(other)), 1e-12))
    return bool((same | (np.isnan(one) & np.isnan(other))).all())
