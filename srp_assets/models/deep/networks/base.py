"""What all networks are: from embedded inputs to logits."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from srp_assets.models.config.architectures import Deep
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded, FieldEmbedding
from srp_assets.models.deep.layers.perceptron import Perceptron
from srp_assets.models.deep.tensors import Inputs


class Output(NamedTuple):
    """What a network says of a batch.

    Args:
        logits: (B, K).
        penalty: a loss of its own that training adds; None where a network has none.
    """

    logits: Tensor
    penalty: Tensor | None = None


class Network(nn.Module):
    """A network: `predict` says how logits come from embedded inputs, as in the paper's picture.

    Args:
        layout: of the encoded rows.
        linear: whether it has a linear part.
        vectors: whether it has embeddings.
    """

    offset: Tensor

    def __init__(self, layout: Layout, *, linear: bool, vectors: bool = True) -> None:
        super().__init__()
        self.embedding = FieldEmbedding(layout, linear=linear, vectors=vectors)
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("offset", torch.zeros(1), persistent=False)

    def predict(self, embedded: Embedded) -> Tensor:
        """The logits without the constant, (B, K)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it predicts")

    def forward(self, inputs: Inputs) -> Output:
        """The logits of a batch."""
        return Output(self.predict(self.embedding(inputs)) + self.constant)

    @property
    def constant(self) -> Tensor:
        """What is added to every logit; out of training also what makes up for rows that training left out (`building.py`)."""
        return self.bias if self.training else self.bias + self.offset


def logit_of(width: int) -> nn.Linear:
    """A linear layer to one logit; the constant is the network's."""
    layer = nn.Linear(width, 1, bias=False)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def perceptron_of(width: int, architecture: Deep) -> Perceptron:
    """The perceptron that a configuration asks for."""
    return Perceptron(width, architecture.hidden, architecture.activation, architecture.dropout)
