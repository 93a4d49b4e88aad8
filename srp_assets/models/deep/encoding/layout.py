"""Which rows of the embedding tables belong to which input: one numbering of all rows, so that one lookup serves many inputs.

Inputs are ordered by the size of their embeddings; those of one size share a table, and their rows follow each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from srp_assets.errors import InvalidInput
from srp_assets.models.config.inputs import Bucketed, Crossed, Encoded, Hashed, Listed, Number, SequenceColumn, Vocabulary
from srp_assets.models.config.inputs import Sequence as BehaviourSequence
from srp_assets.models.deep.encoding.state import EncoderState

MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class RowRange:
    """The rows of one input: from `start` on, `rows` of them, each an embedding of `dimension` numbers."""

    name: str
    start: int
    rows: int
    dimension: int


@dataclass(frozen=True)
class ListColumns:
    """Where a list stands among the columns of all lists, and whose rows its elements have."""

    name: str
    begin: int
    length: int
    range: RowRange


@dataclass(frozen=True)
class SequenceColumns:
    """A behaviour sequence.

    Args:
        name: of it.
        length: its behaviours at most.
        ranges: for each column the rows that its elements have.
        compared: for each column whether these are the rows of an input of the candidate.
    """

    name: str
    length: int
    ranges: tuple[RowRange, ...]
    compared: tuple[bool, ...]


@dataclass(frozen=True)
class Layout:
    """What stands where in encoded rows.

    Args:
        ranges: of all inputs that have rows of their own, in the order of the numbering.
        single: the ranges of inputs with one value for each row, in the order of the columns of `ids`.
        lists: of inputs with several.
        sequences: of behaviour sequences.
        numbers: the names of inputs that stay numbers, in the order of the columns of `numbers`.
    """

    ranges: tuple[RowRange, ...]
    single: tuple[RowRange, ...]
    lists: tuple[ListColumns, ...]
    sequences: tuple[SequenceColumns, ...]
    numbers: tuple[str, ...]

    @cached_property
    def rows(self) -> int:
        """All rows together."""
        return sum(found.rows for found in self.ranges)

    @cached_property
    def list_width(self) -> int:
        """The columns of all lists together."""
        return sum(found.length for found in self.lists)

    @cached_property
    def tables(self) -> tuple[tuple[int, int, int], ...]:
        """Dimension, first row and number of rows of each table."""
        sizes = sorted({found.dimension for found in self.ranges})
        members = {size: [found for found in self.ranges if found.dimension == size] for size in sizes}
        return tuple((size, found[0].start, sum(one.rows for one in found)) for size, found in members.items())

    def column_of(self, name: str) -> int:
        """The column of `ids` that an input has."""
        return next(place for place, found in enumerate(self.single) if found.name == name)


def layout_of(
    inputs: Sequence[Encoded], sequences: Sequence[BehaviourSequence], state: EncoderState, dimension: int, *, where: str
) -> Layout:
    """The layout of encoded rows.

    Args:
        inputs: with their encodings.
        sequences: that share rows with inputs.
        state: what was fitted, which says how many rows vocabularies and buckets have.
        dimension: of embeddings that say nothing else.
        where: the model, for the error.

    Raises:
        InvalidInput: if the tables would have more rows than can be numbered.
    """
    owners = [found for found in inputs if not isinstance(found, Number) and not (isinstance(found, Listed) and found.like)]
    sizes = [(found.name, _rows(found, state), found.dimension or dimension) for found in owners]
    # What a sequence alone has, its actions' kinds and ages, has rows of its own.
    columns = [(sequence, column) for sequence in sequences for column in sequence.columns if column.like is None]
    sizes += [(sequence.rows_of(column), _own_rows(column), column.dimension or dimension) for sequence, column in columns]
    sizes.sort(key=lambda found: found[2])
    ranges, start = {}, 0
    for name, rows, size in sizes:
        ranges[name] = RowRange(name, start, rows, size)
        start += rows
    if start > MOST_ROWS:
        raise InvalidInput(f"{start} rows of embeddings are too many; {MOST_ROWS} fit", where=where, remedy="make spaces smaller")
    single = {found.name for found in owners if not isinstance(found, Listed)}
    lists, begin = [], 0
    for one in inputs:
        if isinstance(one, Listed):
            lists.append(ListColumns(one.name, begin, one.length, ranges[one.like or one.name]))
            begin += one.length
    return Layout(
        ranges=tuple(ranges.values()),
        single=tuple(own for own in ranges.values() if own.name in single),
        lists=tuple(lists),
        sequences=tuple(_sequence(one, ranges) for one in sequences),
        numbers=tuple(found.name for found in inputs if isinstance(found, Number)),
    )


def _sequence(found: BehaviourSequence, ranges: Mapping[str, RowRange]) -> SequenceColumns:
    own = tuple(ranges[found.rows_of(column)] for column in found.columns)
    return SequenceColumns(found.name, found.length, own, tuple(column.like is not None for column in found.columns))


def _own_rows(column: SequenceColumn) -> int:
    """How many rows a column of a sequence has, that of missing values included."""
    return len(column.edges) + 2 if column.edges else (column.space or 0) + 1


def _rows(found: Encoded, state: EncoderState) -> int:
    """How many rows an input has, that of missing values included."""
    if isinstance(found, (Hashed, Crossed)):
        return found.space + 1
    if isinstance(found, Listed):
        return (found.space or state.list_space) + 1
    if isinstance(found, Vocabulary):
        return len(state.values[found.name]) + 2
    assert isinstance(found, Bucketed)
    return len(state.edges[found.name]) + 2
