"""Which rows of the embedding tables belong to which input: one numbering of all rows, so that one lookup serves many inputs.

Inputs are ordered by the size of their embeddings; those of one size share a table, and their rows follow each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from srp_assets.errors import InvalidInput
from srp_assets.models.config.inputs import Bucketed, Crossed, Encoded, Hashed, Listed, Number, Vocabulary
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
    """A behaviour sequence: its length, and for each column the rows that its elements have."""

    name: str
    length: int
    ranges: tuple[RowRange, ...]


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
    owners.sort(key=lambda found: found.dimension or dimension)
    ranges, start = {}, 0
    for found in owners:
        ranges[found.name] = RowRange(found.name, start, _rows(found, state), found.dimension or dimension)
        start += ranges[found.name].rows
    if start > MOST_ROWS:
        raise InvalidInput(f"{start} rows of embeddings are too many; {MOST_ROWS} fit", where=where, remedy="make spaces smaller")
    lists, begin = [], 0
    for one in inputs:
        if isinstance(one, Listed):
            lists.append(ListColumns(one.name, begin, one.length, ranges[one.like or one.name]))
            begin += one.length
    return Layout(
        ranges=tuple(ranges.values()),
        single=tuple(ranges[found.name] for found in owners if not isinstance(found, Listed)),
        lists=tuple(lists),
        sequences=tuple(SequenceColumns(one.name, one.length, tuple(ranges[column.like] for column in one.columns)) for one in sequences),
        numbers=tuple(found.name for found in inputs if isinstance(found, Number)),
    )


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
