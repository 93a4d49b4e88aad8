"""The search-based interest model."""

import torch
from torch import Tensor, nn

from srp_assets.models.config.architectures import SIM
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.attention import CandidateAttention, SearchedAttention
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class SIMNetwork(Network):
    """A perceptron over all embeddings, what was found in long histories for the candidate, and short histories as in DIN.

    The first stage, the search, has run before: offline in `sequences/building`, at request time in `sequences/answering.py`. Q. Pi et al.,
    "Search-based User Interest Modeling with Lifelong Sequential Behavior Data for Click-Through Rate Prediction", CIKM 2020.
    """

    def __init__(self, layout: Layout, architecture: SIM) -> None:
        super().__init__(layout, linear=False)
        units: list[CandidateAttention | SearchedAttention] = []
        interests = 0
        for sequence, width in zip(layout.sequences, self.embedding.behaviour_widths, strict=True):
            if sequence.name in architecture.searched:
                found = SearchedAttention(width, architecture.heads, architecture.head_width)
                interests += found.output_width
                units.append(found)
            else:
                units.append(CandidateAttention(width, architecture.attention_hidden, architecture.attention_activation))
                interests += width
        self.units = nn.ModuleList(units)
        self.deep = perceptron_of(self.embedding.flat_width + interests, architecture)
        self.logit = logit_of(self.deep.output_width)

    def predict(self, embedded: Embedded) -> Tensor:
        """The perceptron's logit."""
        interests = [unit(found.candidate, found.rows) for unit, found in zip(self.units, embedded.behaviours, strict=True)]
        return self.logit(self.deep(torch.cat([embedded.flat, *interests], dim=1)))
