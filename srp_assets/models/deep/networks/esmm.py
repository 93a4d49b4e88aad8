"""The entire space multi-task model."""

import torch
from torch import Tensor

from srp_assets.models.config.architectures import ESMM
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class ESMMNetwork(Network):
    """Two perceptrons on the same embeddings: the probability of a click, and that of an order after a click.

    Both are learned over all impressions, since P(click and order) = P(click) P(order | click) is what impressions show; the loss is in
    `losses.py`. X. Ma et al., "Entire Space Multi-Task Model", SIGIR 2018.
    """

    def __init__(self, layout: Layout, architecture: ESMM) -> None:
        super().__init__(layout, linear=False)
        width = self.embedding.flat_width
        self.click, self.order = perceptron_of(width, architecture), perceptron_of(width, architecture)
        self.click_logit, self.order_logit = logit_of(self.click.output_width), logit_of(self.order.output_width)
        self.bias = torch.nn.Parameter(torch.zeros(2))

    def predict(self, embedded: Embedded) -> Tensor:
        """The logits of a click and of an order after it, (B, 2)."""
        click, order = self.click(embedded.flat), self.order(embedded.flat)
        return torch.cat([self.click_logit(click), self.order_logit(order)], dim=1)
