"""Cross layers of version 2."""

from torch import Tensor, nn


class CrossNetwork(nn.Module):
    """Explicit products of features, of one more factor with each layer.

    x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, the product element by element; with a rank, W = U V of two thin matrices. R. Wang et al., "DCN
    V2: Improved Deep & Cross Network", WWW 2021 (equations 1 and 2; not its mixture of experts).

    Args:
        width: of the input.
        layers: how many.
        rank: of the thin matrices; full matrices if None.
    """

    def __init__(self, width: int, layers: int, rank: int | None = None) -> None:
        super().__init__()

        def matrix() -> nn.Module:
            if rank is None:
                return nn.Linear(width, width)
            return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))

        self.matrices = nn.ModuleList([matrix() for _ in range(layers)])

    def forward(self, x: Tensor) -> Tensor:
        """All products, of the shape of the input, (B, width)."""
        crossed = x
        for matrix in self.matrices:
            # Not addcmul, whose gradient multiplies twice more.
            crossed = crossed + x * matrix(crossed)
        return crossed
