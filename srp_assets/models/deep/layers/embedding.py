"""Embeddings of all inputs, looked up together."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.lookup import look_up
from srp_assets.models.deep.layers.masked import MaskedRows, masked_lookup
from srp_assets.models.deep.tensors import Inputs

INITIAL_DEVIATION = 0.01
"""Of new embeddings: small, so that inner products begin near zero, and not so small that they stay there."""


class BehaviourRows(NamedTuple):
    """A behaviour sequence beside the candidate that it is compared with.

    Args:
        rows: of the behaviours, the oldest first; each is the embeddings of its columns, one after the other (W numbers).
        candidate: (B, W), the embeddings of the inputs that those columns share rows with; zeros for a column that has rows of its own.
    """

    rows: MaskedRows
    candidate: Tensor


class Embedded(NamedTuple):
    """What the layers of a network read.

    Args:
        fields: (B, F, D): the embedding of each input with one value, then the mean of each list's; None where sizes differ.
        flat: (B, sum of all sizes + N): the same one after the other, then the numbers.
        numbers: (B, N).
        linear: (B, 1): the sum of the linear weights of all that is there; zeros where a network has none.
        behaviours: of each sequence.
    """

    fields: Tensor | None
    flat: Tensor
    numbers: Tensor
    linear: Tensor
    behaviours: tuple[BehaviourRows, ...]

    @property
    def all_fields(self) -> Tensor:
        """The fields, for layers that need embeddings of one size."""
        if self.fields is None:
            raise ValueError("embeddings are not of one size")
        return self.fields


class FieldEmbedding(nn.Module):
    """Looks up the embeddings of all inputs: once for all that have one size.

    Where the network has a linear part, the linear weight of an id is one more number of its embedding: it is looked up and learned with
    it, at no further cost.

    Gradients are sparse: they have only the rows that were looked up, which `training/row_optimizer.py` updates. That is quicker for small
    tables too, since torch's dense gradient of a lookup is made by one thread.

    Args:
        layout: which rows belong to which input.
        linear: whether ids and numbers have linear weights.
        vectors: whether ids have embeddings; a linear model has none.
    """

    def __init__(self, layout: Layout, *, linear: bool, vectors: bool = True) -> None:
        super().__init__()
        self.layout = layout
        self.linear = linear
        self.sizes = [dimension if vectors else 0 for dimension, _, _ in layout.tables]
        self.tables = nn.ModuleList()
        for size, (_, _, rows) in zip(self.sizes, layout.tables, strict=True):
            table = torch.randn(rows, size + linear) * INITIAL_DEVIATION
            if linear:
                table[:, -1] = 0.0
            # A module of torch's, since DistributedDataParallel looks for these to know which gradients are sparse.
            self.tables.append(nn.Embedding(rows, size + linear, sparse=True, _weight=table))
        self.number_weights = nn.Parameter(torch.zeros(len(layout.numbers), 1)) if linear and layout.numbers else None
        self._table_of = {dimension: place for place, (dimension, _, _) in enumerate(layout.tables)}
        vectors_of = [found.dimension if vectors else 0 for found in (*layout.single, *[one.range for one in layout.lists])]
        self.flat_width = sum(vectors_of) + len(layout.numbers)
        self.field_count = len(layout.single) + len(layout.lists)
        self.dimension = self.sizes[0] if len(self.sizes) == 1 else 0
        self.behaviour_widths = tuple(sum(found.dimension for found in one.ranges) for one in layout.sequences)

    def forward(self, inputs: Inputs) -> Embedded:
        """Looks up a batch."""
        vectors: list[Tensor] = []
        weights: list[Tensor] = []
        column = 0
        for table, (dimension, start, _) in zip(self.tables, self.layout.tables, strict=True):
            width = sum(found.dimension == dimension for found in self.layout.single)
            ids = inputs.ids[:, column : column + width] - start
            if self.linear:
                found, weight = look_up(table.weight, ids)
                weights.append(weight)  # (B, 1)
            else:
                found = table(ids)
            vectors.append(found)  # (B, width, size)
            column += width
        means = [self._mean_of_list(inputs.lists, place) for place in range(len(self.layout.lists))]  # each (B, size + linear)
        of_lists = [mean[:, : mean.shape[1] - self.linear] for mean in means]
        fields = None
        if len(self.sizes) == 1:
            fields = torch.cat([vectors[0], *[mean.unsqueeze(1) for mean in of_lists]], dim=1) if of_lists else vectors[0]
        parts = [*[found.flatten(1) for found in vectors], *of_lists, *([inputs.numbers] if self.layout.numbers else [])]
        flat = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        behaviours = tuple(self._behaviours(inputs, place, vectors) for place in range(len(self.layout.sequences)))
        return Embedded(fields, flat, inputs.numbers, self._linear(inputs, weights, means), behaviours)

    def _linear(self, inputs: Inputs, weights: list[Tensor], means: list[Tensor]) -> Tensor:
        """The sum of the linear weights."""
        total = inputs.numbers.new_zeros(inputs.ids.shape[0], 1)
        if not self.linear:
            return total
        for found in weights:
            total = total + found
        for mean in means:
            total = total + mean[:, -1:]
        return total if self.number_weights is None else total + inputs.numbers @ self.number_weights

    def _mean_of_list(self, lists: Tensor, place: int) -> Tensor:
        found = self.layout.lists[place]
        ids = lists[:, found.begin : found.begin + found.length]
        return self._look_up_masked(ids, found.range.dimension).mean()

    def _look_up_masked(self, ids: Tensor, dimension: int) -> MaskedRows:
        """The rows of ids of one size, of which some are padding."""
        place = self._table_of[dimension]
        start = self.layout.tables[place][1]
        # Padding stays negative, whatever the table begins with.
        return masked_lookup(self.tables[place].weight, torch.where(ids >= 0, ids - start, ids))

    def _behaviours(self, inputs: Inputs, place: int, vectors: list[Tensor]) -> BehaviourRows:
        found = self.layout.sequences[place]
        ids = inputs.sequences[place]
        if not torch.compiler.is_exporting():
            # Positions that no row of the batch has.
            ids = ids[:, : int((ids[..., 0] >= 0).sum(dim=1).max().clamp(min=1))] if len(ids) else ids
        columns = [self._look_up_masked(ids[..., column], range_.dimension) for column, range_ in enumerate(found.ranges)]
        mask = columns[0].mask
        sizes = [range_.dimension for range_ in found.ranges]
        packed = [column.packed[:, :size] for column, size in zip(columns, sizes, strict=True) if column.packed is not None]
        padded = [column.padded[..., :size] for column, size in zip(columns, sizes, strict=True) if column.padded is not None]
        rows = MaskedRows(mask, torch.cat(packed, dim=-1) if packed else None, torch.cat(padded, dim=-1) if padded else None)
        candidate = [
            self._vector_of(range_.name, vectors) if compared else inputs.numbers.new_zeros(inputs.ids.shape[0], range_.dimension)
            for range_, compared in zip(found.ranges, found.compared, strict=True)
        ]
        return BehaviourRows(rows, torch.cat(candidate, dim=-1))

    def _vector_of(self, name: str, vectors: list[Tensor]) -> Tensor:
        """The embedding of one input of the candidate, (B, D)."""
        range_ = self.layout.single[self.layout.column_of(name)]
        same_size = [found.name for found in self.layout.single if found.dimension == range_.dimension]
        return vectors[self._table_of[range_.dimension]][:, same_size.index(name)]
