"""From columns of a training set to encoded rows: whole columns at a time. `reference.py` says what each value becomes."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.inputs import Bucketed, Crossed, Encoded, Hashed, Listed, Number, Plain, SequenceColumn, Vocabulary
from srp_assets.models.config.inputs import Sequence as BehaviourSequence
from srp_assets.models.deep.encoding.columns import as_numbers, as_texts, list_places, masked_places, missing_rows, one_array
from srp_assets.models.deep.encoding.hashing import MISSING, combined, hash_texts, rows_of, seed_of
from srp_assets.models.deep.encoding.layout import RowRange, layout_of
from srp_assets.models.deep.encoding.rows import PADDING, EncodedInputs, EncodedRows
from srp_assets.models.deep.encoding.state import EncoderState, transformed

UNKNOWN = 1
"""The row of texts that a vocabulary does not hold; its values have the rows after it."""

WEIGHT = "weight"
"""The column of the training set that says what a row weighs; 1 where a set has none."""


class InputsEncoder:
    """Encodes the inputs of a ranker, or those of its bias tower.

    Args:
        inputs: with their encodings.
        sequences: that share rows with inputs.
        state: what was fitted.
        dimension: of embeddings that say nothing else.
        where: the model, for errors.
    """

    def __init__(
        self, inputs: Sequence[Encoded], sequences: Sequence[BehaviourSequence], state: EncoderState, dimension: int, *, where: str
    ) -> None:
        self._inputs = {found.name: found for found in inputs}
        self._sequences = {found.name: found for found in sequences}
        self._state = state
        self._where = where
        self._values = {name: pa.array(values, pa.string()) for name, values in state.values.items()}
        self.layout = layout_of(inputs, sequences, state, dimension, where=where)

    def encode(self, table: pa.Table) -> EncodedInputs:
        """The rows of a table, encoded.

        Raises:
            InvalidInput: if a column is missing or cannot be what its encoding takes.
        """
        rows = table.num_rows
        layout = self.layout
        ids = np.empty((rows, len(layout.single)), dtype=np.int32)
        for place, found in enumerate(layout.single):
            ids[:, place] = self._single(self._inputs[found.name], table) + found.start
        numbers = np.empty((rows, len(layout.numbers)), dtype=np.float32)
        for place, name in enumerate(layout.numbers):
            numbers[:, place] = self._number(self._inputs[name], table)
        lists = np.full((rows, layout.list_width), PADDING, dtype=np.int32)
        for one in layout.lists:
            elements, row, step, _ = list_places(self._column(table, one.name), one.length)
            codes = self._codes(as_texts(elements), one.range) + one.range.start
            known = np.ones(len(codes), dtype=bool) if elements.null_count == 0 else ~pc.is_null(elements).to_numpy(zero_copy_only=False)
            lists[row[known], one.begin + step[known]] = codes[known]
        return EncodedInputs(ids, numbers, lists, tuple(self._sequence(table, place) for place in range(len(layout.sequences))))

    def _sequence(self, table: pa.Table, place: int) -> np.ndarray:
        """A behaviour sequence: newest first in the table, oldest first here, as recurrent layers read it."""
        found = self.layout.sequences[place]
        sequence = self._sequences[found.name]
        encoded = np.full((table.num_rows, found.length, len(sequence.columns)), PADDING, dtype=np.int32)
        lengths: np.ndarray | None = None
        for column, (declared, range_) in enumerate(zip(sequence.columns, found.ranges, strict=True)):
            elements, row, newest_first, counts = self._elements(table, sequence, declared)
            if lengths is not None and not np.array_equal(lengths, counts):
                raise self._not_aligned(sequence, sequence.read(declared), sequence.reads[0])
            lengths = counts
            encoded[row, counts[row] - 1 - newest_first, column] = self._sequence_codes(elements, declared, range_) + range_.start
        return encoded

    def _elements(
        self, table: pa.Table, sequence: BehaviourSequence, column: SequenceColumn
    ) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
        """What there is of a column of a sequence (`list_places`)."""
        values = self._column(table, sequence.read(column))
        if sequence.mask is None:
            return list_places(values, sequence.length)
        try:
            return masked_places(values, self._column(table, sequence.mask), sequence.length)
        except ValueError as error:
            raise self._not_aligned(sequence, sequence.read(column), sequence.mask) from error

    def _not_aligned(self, sequence: BehaviourSequence, one: str, other: str) -> InvalidInput:
        return InvalidInput(
            f"{one!r} and {other!r} are not of one length in each row",
            where=f"{self._where}: sequences ({sequence.name})",
            remedy="name columns that describe the same behaviours",
        )

    def _sequence_codes(self, elements: pa.Array, column: SequenceColumn, range_: RowRange) -> np.ndarray:
        """The rows of the elements of a column, counted from the first of those that it has."""
        if column.like is not None:
            return self._codes(as_texts(elements), range_)
        if column.edges:
            return bucket_codes(as_numbers(elements), column.edges)
        return hashed_codes(as_texts(elements), range_)

    def _single(self, found: Encoded | Plain, table: pa.Table) -> np.ndarray:
        """The rows, counted from the input's first, of an input with one value a row."""
        if isinstance(found, Crossed):
            texts = [as_texts(self._column(table, name)) for name in found.features]
            hashes = combined([hash_texts(text, seed_of(found.name)) for text in texts])
            gaps = [gap for text in texts if (gap := missing_rows(text)) is not None]
            return rows_of(hashes, found.space, np.logical_or.reduce(gaps) if gaps else None)
        column = self._column(table, found.name)
        if isinstance(found, Bucketed):
            return bucket_codes(as_numbers(column), self._state.edges[found.name])
        return self._codes(as_texts(column), self._ranges[found.name])

    def _codes(self, texts: pa.Array, range_: RowRange) -> np.ndarray:
        """The rows of texts, counted from the first of the input whose rows they have."""
        owner = self._inputs[range_.name]
        if isinstance(owner, Vocabulary):
            places = pc.index_in(texts, value_set=self._values[owner.name].cast(texts.type)).fill_null(-1).to_numpy(zero_copy_only=False)
            codes = places.astype(np.int64) + UNKNOWN + 1
            gaps = missing_rows(texts)
            if gaps is not None:
                codes[gaps] = MISSING
            return codes
        assert isinstance(owner, (Hashed, Listed))
        return hashed_codes(texts, range_)

    def _number(self, found: Encoded | Plain, table: pa.Table) -> np.ndarray:
        """A number as the network gets it: nothing is missing in it."""
        assert isinstance(found, Number)
        mean, deviation = self._state.scales[found.name]
        numbers = as_numbers(self._column(table, found.name))
        if found.default is not None:
            numbers = np.where(np.isfinite(numbers), numbers, found.default)
        scaled = (transformed(numbers, found) - mean) / deviation
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
        return scaled if found.normalization == "none" else np.clip(scaled, -found.limit, found.limit)

    @cached_property
    def _ranges(self) -> dict[str, RowRange]:
        return {found.name: found for found in self.layout.ranges}

    def _column(self, table: pa.Table, name: str) -> pa.Array:
        try:
            return one_array(table.column(name))
        except KeyError:
            raise InvalidInput(
                f"the rows have no column {name!r}", where=self._where, remedy="give all columns that the model reads"
            ) from None


def bucket_codes(numbers: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """The rows of numbers, counted from the first of an input's: one for each interval, whose lower edge belongs to it."""
    codes = np.searchsorted(np.asarray(edges), numbers, side="right") + 1
    codes[~np.isfinite(numbers)] = MISSING
    return codes


def hashed_codes(texts: pa.Array, range_: RowRange) -> np.ndarray:
    """The rows of texts, counted from the first of an input's."""
    return rows_of(hash_texts(texts, seed_of(range_.name)), range_.rows - 1, missing_rows(texts))


class RowEncoder:
    """Encodes the rows of a training set.

    Args:
        document: the model, every input's encoding written out.
        state: what was fitted for its inputs and those of its bias tower.
    """

    def __init__(self, document: ModelDocument, state: EncoderState) -> None:
        self.document = document
        self.state = state
        self.inputs = InputsEncoder(_encoded(document.inputs), document.sequences, state, document.dimension, where=document.name)
        self.bias = InputsEncoder(_encoded(document.bias_inputs), (), state, document.dimension, where=f"{document.name}: bias")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `encode` reads, a weight aside."""
        return (*self.document.features, *self.document.labels)

    def encode(self, table: pa.Table) -> EncodedRows:
        """Rows with their labels and weights.

        Raises:
            InvalidInput: if a column is missing, or a label or weight is null.
        """
        labels = np.empty((table.num_rows, len(self.document.labels)), dtype=np.float32)
        for place, name in enumerate(self.document.labels):
            labels[:, place] = self._known(table, name)
        weighted = WEIGHT in table.column_names
        weights = self._known(table, WEIGHT) if weighted else np.ones(table.num_rows)
        return EncodedRows(self.inputs.encode(table), self.bias.encode(table), labels, weights.astype(np.float32))

    def _known(self, table: pa.Table, name: str) -> np.ndarray:
        """A column in which nothing may be missing."""
        if name not in table.column_names or table.column(name).null_count:
            what = "has nulls" if name in table.column_names else "is missing"
            raise InvalidInput(f"the column {name!r} of training rows {what}", where=self.document.name, remedy="build the training set")
        return as_numbers(table.column(name))


def encoded_inputs(document: ModelDocument) -> tuple[Encoded, ...]:
    """All inputs of a model and of its bias tower, which must say how they are encoded."""
    return (*_encoded(document.inputs), *_encoded(document.bias_inputs))


def _encoded(inputs: Sequence[Encoded | Plain]) -> tuple[Encoded, ...]:
    """Inputs that all say how they are encoded."""
    for found in inputs:
        if isinstance(found, Plain):
            raise InvalidInput(f"the input {found.name!r} does not say how it is encoded", remedy="resolve the configuration first")
    return tuple(found for found in inputs if not isinstance(found, Plain))
