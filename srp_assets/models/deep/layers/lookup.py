"""A lookup of embeddings that have their linear weight as one more number."""

from typing import Any

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

from srp_assets.models.deep.layers.field_kernels import gather, spread


def look_up(table: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings of ids, (B, F, D), and the sum of their linear weights, (B, 1); the table's gradient is sparse.

    Args:
        table: (rows, D + 1), the linear weight last.
        ids: int64, (B, F).

    Raises:
        IndexError: if an id is none of the table's rows.
    """
    if table.device.type == "cpu" and not torch.compiler.is_exporting():
        return _LookUp.apply(table, ids)
    rows = torch.nn.functional.embedding(ids, table, sparse=True)
    # Split rather than sliced: the gradient of a split is put together in one piece.
    vectors, weights = rows.split([table.shape[1] - 1, 1], dim=-1)
    return vectors, weights.sum(dim=1)


class _LookUp(torch.autograd.Function):
    """The lookup by compiled loops, for processors."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(context: Any, table: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors and the sums."""
        ids = ids.contiguous()
        vectors = table.new_empty(*ids.shape, table.shape[1] - 1)
        linear = table.new_zeros(ids.shape[0], 1)
        if not gather(table.detach().numpy(), ids.numpy(), vectors.numpy(), linear.numpy()):
            raise IndexError(f"an id lies outside of 0 to {table.shape[0] - 1}")
        context.save_for_backward(ids)
        context.shape = table.shape
        return vectors, linear

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(context: Any, of_vectors: Tensor, of_linear: Tensor) -> tuple[Tensor, None]:
        """The gradients of the rows that were looked up."""
        (ids,) = context.saved_tensors
        of_rows = of_vectors.new_empty(ids.numel(), context.shape[1])
        spread(of_vectors.contiguous().numpy(), of_linear.contiguous().numpy(), of_rows.numpy())
        return torch.sparse_coo_tensor(ids.reshape(1, -1), of_rows, context.shape, check_invariants=False), None
