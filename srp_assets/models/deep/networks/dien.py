"""The deep interest evolution network."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srp_assets.models.config.architectures import DIEN
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import BehaviourRows, Embedded
from srp_assets.models.deep.layers.perceptron import Perceptron
from srp_assets.models.deep.layers.recurrent import AttentionalRecurrent
from srp_assets.models.deep.networks.base import Network, Output, logit_of, perceptron_of
from srp_assets.models.deep.tensors import Inputs


class InterestEvolution(nn.Module):
    """One sequence: interests by a recurrent layer, then how those that have to do with the candidate evolve.

    a_t = softmax over t of <h_t W, candidate>. The auxiliary loss lets h_t tell behaviour t + 1 from one of another row of the batch.
    G. Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019 (equations 6, 7 and 13).
    """

    def __init__(self, width: int, architecture: DIEN) -> None:
        super().__init__()
        self.interests = nn.GRU(width, width, batch_first=True)
        self.fit = nn.Linear(width, width, bias=False)
        self.evolution = AttentionalRecurrent(width, width)
        self.next_is: nn.Sequential | None = None
        if architecture.auxiliary_weight > 0:
            deep = Perceptron(2 * width, architecture.attention_hidden, architecture.attention_activation)
            self.next_is = nn.Sequential(deep, logit_of(deep.output_width))

    def forward(self, behaviours: BehaviourRows) -> tuple[Tensor, Tensor | None]:
        """The last evolved interest, (B, W), and the auxiliary loss where it is asked for."""
        mask = behaviours.rows.mask
        x = behaviours.rows.with_padding()  # (B, L, W)
        states, _ = self.interests(x)
        fits = (self.fit(states) * behaviours.candidate.unsqueeze(1)).sum(dim=-1).masked_fill(~mask, -1e9)
        attention = torch.softmax(fits, dim=1) * mask
        penalty = _penalty(self.next_is, states, x, mask) if self.next_is is not None and self.training else None
        return self.evolution(states, attention), penalty


def _penalty(next_is: nn.Module, states: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """The auxiliary loss: the mean over all behaviours that have a next one; 0 where none has."""
    followed = mask[:, 1:]
    before, after = states[:, :-1][followed], x[:, 1:][followed]
    wrong = after.roll(1 + len(after) // 2, dims=0)
    right_logits, wrong_logits = next_is(torch.cat([before, after], dim=1)), next_is(torch.cat([before, wrong], dim=1))
    return (functional.softplus(-right_logits) + functional.softplus(wrong_logits)).sum() / max(len(after), 1)


class DIENNetwork(Network):
    """A perceptron over all embeddings and, of each sequence, the interest that evolved towards the candidate."""

    def __init__(self, layout: Layout, architecture: DIEN) -> None:
        super().__init__(layout, linear=False)
        widths = self.embedding.behaviour_widths
        self.evolutions = nn.ModuleList([InterestEvolution(width, architecture) for width in widths])
        self.deep = perceptron_of(self.embedding.flat_width + sum(widths), architecture)
        self.logit = logit_of(self.deep.output_width)
        self.auxiliary_weight = architecture.auxiliary_weight

    def forward(self, inputs: Inputs) -> Output:
        """The logits and the auxiliary loss."""
        embedded: Embedded = self.embedding(inputs)
        evolved = [evolution(found) for evolution, found in zip(self.evolutions, embedded.behaviours, strict=True)]
        logits = self.logit(self.deep(torch.cat([embedded.flat, *[interest for interest, _ in evolved]], dim=1)))
        penalties = [penalty for _, penalty in evolved if penalty is not None]
        return Output(logits + self.constant, self.auxiliary_weight * torch.stack(penalties).sum() if penalties else None)
