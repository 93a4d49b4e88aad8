"""DCN-v2."""

import torch
from torch import Tensor

from srp_assets.models.config.architectures import DCN
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.cross import CrossNetwork
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class DCNNetwork(Network):
    """Cross layers beside a perceptron, or below it (R. Wang et al., "DCN V2", WWW 2021, figure 1)."""

    def __init__(self, layout: Layout, architecture: DCN) -> None:
        super().__init__(layout, linear=False)
        width = self.embedding.flat_width
        self.cross = CrossNetwork(width, architecture.cross_layers, architecture.rank)
        self.deep = perceptron_of(width, architecture)
        self.parallel = architecture.structure == "parallel"
        self.logit = logit_of(self.deep.output_width + width * self.parallel)

    def predict(self, embedded: Embedded) -> Tensor:
        """A linear layer over both outputs, or over the last one."""
        crossed = self.cross(embedded.flat)
        if not self.parallel:
            return self.logit(self.deep(crossed))
        return self.logit(torch.cat([crossed, self.deep(embedded.flat)], dim=1))
