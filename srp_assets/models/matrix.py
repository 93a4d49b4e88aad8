"""A model's inputs as one matrix of numbers, as trees take them: numbers as they are, categories as codes, what is missing as nan.

Trees need neither normalisation nor embeddings: of an input's declared encoding only what it means counts here. Ids, texts and crosses
become the codes of the most frequent values that training saw; all others share a code. A list counts by its first element. The same
functions make the matrix in training and in serving.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.models.config.inputs import Crossed, Encoded, Hashed, Listed, Plain, Vocabulary

MOST_CATEGORIES = 254
"""Values of a category that have a code of their own: with the shared one, as many as trees' bins."""

OTHER = 0.0
"""The code of a value that is known to be there, but was not among the most frequent."""

JOINT = "\x1f"
"""Between the values of a cross: no text of a log has it."""

BLOCK_ROWS = 1024
"""Rows of the matrix that are filled at a time: with 100 inputs they fit into a core's cache, which halves the time."""

CATEGORIES = (Hashed, Vocabulary, Crossed, Listed)


@dataclass(frozen=True)
class InputMatrix:
    """What the columns of the matrix are.

    Args:
        inputs: in the order of the columns.
        categories: by the name of an input that is a category, the values with codes of their own, beginning with code 1.
    """

    inputs: tuple[Encoded | Plain, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(found.name for found in self.inputs)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that are read, each once."""
        return tuple(dict.fromkeys(name for found in self.inputs for name in found.reads))

    @property
    def category_places(self) -> list[int]:
        """The columns that hold codes."""
        return [place for place, found in enumerate(self.inputs) if isinstance(found, CATEGORIES)]

    def of(self, table: pa.Table) -> np.ndarray:
        """The matrix of some rows, float64, shape (rows, inputs).

        Raises:
            InvalidInput: if a column is missing or of another type.
        """
        missing = [name for name in self.columns if name not in table.column_names]
        if missing:
            raise InvalidInput(
                f"the column {missing[0]!r} is missing", where="rows to score", remedy=f"the model reads {', '.join(self.columns)}"
            )
        columns = [
            _codes(_texts(table, found), self.categories[found.name])
            if isinstance(found, CATEGORIES)
            else _numbers(table[found.name], found.name)
            for found in self.inputs
        ]
        matrix = np.empty((table.num_rows, len(columns)))
        for begin in range(0, len(matrix), BLOCK_ROWS):
            rows = slice(begin, begin + BLOCK_ROWS)
            for number, column in enumerate(columns):
                matrix[rows, number] = column[rows]
        return matrix


def fitted_matrix(inputs: Sequence[Encoded | Plain], rows: pa.Table) -> InputMatrix:
    """The matrix whose categories are the most frequent values of some rows; of equally frequent ones the lesser text."""
    categories = {}
    for found in inputs:
        if isinstance(found, CATEGORIES):
            counts = pc.value_counts(_texts(rows, found).drop_null())
            ordered = sorted(counts.to_pylist(), key=lambda row: (-row["counts"], row["values"]))
            categories[found.name] = tuple(row["values"] for row in ordered[:MOST_CATEGORIES])
    return InputMatrix(tuple(inputs), categories)


def _numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Numbers, and times as seconds since 1970."""
    if pa.types.is_timestamp(column.type):
        column = pc.divide(pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz)), pa.int64()).cast(pa.float64()), 1e6)
    elif not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise InvalidInput(f"the column {name!r} is of type {column.type}", where="rows to score", remedy="give numbers")
    found = pc.cast(column, pa.float64())
    # One array, since numpy takes it as it is; a column in pieces would be copied. Null becomes nan.
    return np.asarray((found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found).to_numpy(zero_copy_only=False))


def _texts(table: pa.Table, found: Any) -> pa.ChunkedArray:
    """The value of a category in each row, null where it is missing."""
    if isinstance(found, Listed):
        column = table[found.feature]
        # `list_element` refuses a list that has no such element.
        holds_some = pc.greater(pc.fill_null(pc.list_value_length(column), 0), 0)
        return pc.list_element(pc.if_else(holds_some, column, pa.scalar([None], type=column.type)), 0)
    texts = [pc.cast(table[name], pa.string()) for name in found.reads]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, JOINT)


def _codes(texts: pa.ChunkedArray, categories: Sequence[str]) -> np.ndarray:
    place = pc.index_in(texts, value_set=pa.array(categories, pa.string()))
    codes = np.asarray(pc.fill_null(pc.add(place, 1), 0).to_numpy(), dtype=np.float64)
    return np.where(pc.is_null(texts).to_numpy(), np.nan, np.where(codes > 0, codes, OTHER))
