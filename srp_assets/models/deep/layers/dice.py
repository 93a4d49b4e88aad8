"""The activation of DIN."""

import torch
from torch import Tensor, nn


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
        share = torch.sigmoid(normalized)
        return x * (share + (1 - share) * self.slope)
