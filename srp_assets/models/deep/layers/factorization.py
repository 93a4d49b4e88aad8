"""The factorization machine's pairs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

from srp_assets.models.deep.layers.field_kernels import pair_gradients, pair_sums


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
        if self.vectors is None:
            return _pairs(fields, fields.new_zeros(fields.shape[0], fields.shape[2]))
        squares = (numbers * numbers) @ (self.vectors * self.vectors)  # (B, D)
        return _pairs(fields, numbers @ self.vectors) - 0.5 * squares.sum(dim=1, keepdim=True)


def _pairs(fields: Tensor, others: Tensor) -> Tensor:
    """1/2 sum over d of (total^2 - squares of the fields), (B, 1), the total being that of the fields and of the others, (B, D)."""
    if fields.device.type == "cpu" and not torch.compiler.is_exporting():
        return _Pairs.apply(fields, others)
    total = fields.sum(dim=1) + others
    return 0.5 * (total * total - (fields * fields).sum(dim=1)).sum(dim=1, keepdim=True)


class _Pairs(torch.autograd.Function):
    """The same by compiled loops, for processors."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(context: Any, fields: Tensor, others: Tensor) -> Tensor:
        """The logits."""
        fields, totals = fields.contiguous(), others.contiguous().clone()
        out = fields.new_empty(fields.shape[0], 1)
        pair_sums(fields.detach().numpy(), totals.detach().numpy(), out.numpy())
        context.save_for_backward(fields, totals)
        return out

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """G (total - v) for each field, and g total for the others."""
        fields, totals = context.saved_tensors
        of_fields = torch.empty_like(fields)
        pair_gradients(gradient.contiguous().numpy(), fields.detach().numpy(), totals.detach().numpy(), of_fields.numpy())
        return of_fields, gradient * totals
