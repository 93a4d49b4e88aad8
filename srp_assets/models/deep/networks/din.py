"""The deep interest network."""

import torch
from torch import Tensor, nn

from srp_assets.models.config.architectures import DIN
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.attention import CandidateAttention
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class DINNetwork(Network):
    """A perceptron over all embeddings and, of each sequence, what in it has to do with the candidate (G. Zhou et al., KDD 2018)."""

    def __init__(self, layout: Layout, architecture: DIN) -> None:
        super().__init__(layout, linear=False)
        widths = self.embedding.behaviour_widths
        self.attentions = nn.ModuleList(
            [CandidateAttention(width, architecture.attention_hidden, architecture.attention_activation) for width in widths]
        )
        self.deep = perceptron_of(self.embedding.flat_width + sum(widths), architecture)
        self.logit = logit_of(self.deep.output_width)

    def predict(self, embedded: Embedded) -> Tensor:
        """The perceptron's logit."""
        interests = [attention(found.candidate, found.rows) for attention, found in zip(self.attentions, embedded.behaviours, strict=True)]
        return self.logit(self.deep(torch.cat([embedded.flat, *interests], dim=1)))
