"""The activation of DIN."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

from srp_assets.models.deep.layers.dice_kernels import gate, gate_gradients


class Dice(nn.Module):
    """An activation that turns at the mean of its input rather than at zero.

    f(x) = p x + (1 - p) a x with p = sigmoid((x - mean) / sqrt(variance + eps)): mean and variance are of the batch in training and
    running ones when serving; a is learned. G. Zhou et al., "Deep Interest Network", KDD 2018 (equation 3). Processes that train together
    take their own batch's mean each.

    Args:
        width: of the input.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalized = nn.BatchNorm1d(width, affine=False, eps=1e-8)
        self.slope = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """The activated input, of its shape (B, width)."""
        # One row alone has no variance to speak of: it is judged by the running one.
        alone = self.training and x.shape[0] < 2
        normalized = (x - self.normalized.running_mean) / (self.normalized.running_var + 1e-8).sqrt() if alone else self.normalized(x)
        if x.device.type == "cpu" and not torch.compiler.is_exporting():
            return _Gate.apply(x, normalized, self.slope)
        return x * torch.addcmul(self.slope, torch.sigmoid(normalized), 1 - self.slope)


class _Gate(torch.autograd.Function):
    """The gate by compiled loops, for processors."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(context: Any, x: Tensor, logit: Tensor, slope: Tensor) -> Tensor:
        """X (p + (1 - p) a) with p = sigmoid(logit)."""
        x, share = x.contiguous(), torch.sigmoid(logit).contiguous()
        context.save_for_backward(x, share, slope)
        out = torch.empty_like(x)
        gate(x.detach().numpy(), share.detach().numpy(), slope.detach().numpy(), out.numpy())
        return out

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of the three inputs."""
        x, share, slope = (tensor.detach() for tensor in context.saved_tensors)
        of_x, of_logit = torch.empty_like(x), torch.empty_like(x)
        of_slope = torch.zeros(slope.shape, dtype=torch.float64)
        arrays = (gradient.contiguous(), x, share, slope, of_x, of_logit, of_slope)
        gate_gradients(*[tensor.numpy() for tensor in arrays])
        return of_x, of_logit, of_slope.to(slope.dtype)
