"""The compressed interaction network of xDeepFM."""

import torch
from torch import Tensor, nn


class CompressedInteraction(nn.Module):
    """Products of whole vectors, compressed to a few after each layer.

    X^k_h = sum over i, j of W^{k,h}_ij (X^{k-1}_i * X^0_j), the product element by element; the output is the sum over d of every X^k_h.
    J. Lian et al., "xDeepFM", KDD 2018 (equation 6, without an activation, and every layer's maps in the output).

    Args:
        fields: of the input (F).
        widths: maps of each layer.
    """

    def __init__(self, fields: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        before = (fields, *widths[:-1])
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.empty(width, below * fields)) for width, below in zip(widths, before, strict=True)]
        )
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)
        self.output_width = sum(widths)

    def forward(self, fields: Tensor) -> Tensor:
        """The sums of all maps, (B, sum of widths), from fields of shape (B, F, D)."""
        maps, sums = fields, []
        for weight in self.weights:
            products = maps.unsqueeze(2) * fields.unsqueeze(1)  # (B, maps, F, D)
            maps = weight @ products.flatten(1, 2)  # (B, width, D)
            sums.append(maps.sum(dim=2))
        return torch.cat(sums, dim=1)
