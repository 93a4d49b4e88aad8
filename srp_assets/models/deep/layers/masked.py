"""Rows of which some are padding: what is padding is never looked up, and counts as zeros.

Training works on the elements that are there, one after the other (packed): a padded position costs nothing. An exported model
has fixed shapes instead; there, a padded position reads a row whose values are then replaced by zeros.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class MaskedRows(NamedTuple):
    """Vectors of elements, padded to one length.

    Args:
        mask: bool, (B, L): which elements are there.
        packed: (elements that are there, D), row by row; None when exporting.
        padded: (B, L, D) with zeros where nothing is; only when exporting.
    """

    mask: Tensor
    packed: Tensor | None
    padded: Tensor | None

    @property
    def row_of(self) -> Tensor:
        """The row of the batch that each packed element belongs to, int64."""
        return self.mask.nonzero()[:, 0]

    def with_padding(self) -> Tensor:
        """All positions, (B, L, D), zeros where nothing is."""
        if self.padded is not None:
            return self.padded
        assert self.packed is not None
        whole = self.packed.new_zeros(*self.mask.shape, self.packed.shape[-1])
        return whole.index_put((self.mask,), self.packed)

    def total(self, weights: Tensor | None = None) -> Tensor:
        """The sum over the elements of each row, (B, D).

        Args:
            weights: one for each element: (elements,) where rows are packed, else (B, L).
        """
        if self.packed is None:
            assert self.padded is not None
            return (self.padded if weights is None else self.padded * weights.unsqueeze(-1)).sum(dim=1)
        weighted = self.packed if weights is None else self.packed * weights.unsqueeze(-1)
        return weighted.new_zeros(self.mask.shape[0], weighted.shape[-1]).index_add(0, self.row_of, weighted)

    def mean(self) -> Tensor:
        """The mean over the elements of each row, (B, D); zeros where there is none."""
        return self.total() / self.mask.sum(dim=1, keepdim=True).clamp(min=1)


def masked_lookup(table: Tensor, ids: Tensor) -> MaskedRows:
    """The rows of a table for ids of which some are padding; the table's gradient is sparse.

    Args:
        table: (rows, D).
        ids: int64, (B, L); negative where nothing is.
    """
    mask = ids >= 0
    if torch.compiler.is_exporting():
        found = functional.embedding(ids.clamp(min=0), table)
        return MaskedRows(mask, None, torch.where(mask.unsqueeze(-1), found, torch.zeros_like(found)))
    return MaskedRows(mask, functional.embedding(ids[mask], table, sparse=True), None)
