"""The factorization machine's pairs."""

import torch
from torch import Tensor, nn


class FactorizationPairs(nn.Module):
    """The inner products of all pairs of fields.

    sum over i < j of <v_i, v_j> x_i x_j = 1/2 sum over d of ((sum_i v_id x_i)^2 - sum_i (v_id x_i)^2), in time linear in the fields;
    x is 1 for an id and the value for a number, whose vector is a weight of this layer. S. Rendle, "Factorization Machines", ICDM 2010.

    Args:
        numbers: how many numbers there are (N).
        dimension: numbers of each vector (D).
    """

    def __init__(self, numbers: int, dimension: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(numbers, dimension) * 0.01) if numbers else None

    def forward(self, fields: Tensor, numbers: Tensor) -> Tensor:
        """The logit, (B, 1).

        Args:
            fields: (B, F, D).
            numbers: (B, N).
        """
        total, squares = fields.sum(dim=1), (fields * fields).sum(dim=1)  # (B, D)
        if self.vectors is not None:
            total = total + numbers @ self.vectors
            squares = squares + (numbers * numbers) @ (self.vectors * self.vectors)
        return 0.5 * (total * total - squares).sum(dim=1, keepdim=True)
