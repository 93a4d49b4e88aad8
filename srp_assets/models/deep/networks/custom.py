"""A network put together by its configuration."""

import torch
from torch import Tensor, nn

from srp_assets.models.config.architectures import AttentionPart, CrossPart, Custom, InteractionPart, LinearPart, PairsPart, PerceptronPart
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.attention import CandidateAttention
from srp_assets.models.deep.layers.cross import CrossNetwork
from srp_assets.models.deep.layers.embedding import Embedded, FieldEmbedding
from srp_assets.models.deep.layers.factorization import FactorizationPairs
from srp_assets.models.deep.layers.interaction import CompressedInteraction
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of

AnyPart = LinearPart | PairsPart | CrossPart | InteractionPart | PerceptronPart | AttentionPart


class Linear(nn.Module):
    """The linear logit."""

    def forward(self, embedded: Embedded) -> Tensor:
        """The logit, (B, 1)."""
        return embedded.linear


class Pairs(nn.Module):
    """The logit of the factorization machine's pairs."""

    def __init__(self, embedding: FieldEmbedding) -> None:
        super().__init__()
        self.pairs = FactorizationPairs(len(embedding.layout.numbers), embedding.dimension)

    def forward(self, embedded: Embedded) -> Tensor:
        """The logit, (B, 1)."""
        return self.pairs(embedded.all_fields, embedded.numbers)


class OfFlat(nn.Module):
    """A layer over all embeddings and numbers, and a linear layer to the logit."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.logit = layer, logit_of(width)

    def forward(self, embedded: Embedded) -> Tensor:
        """The logit, (B, 1)."""
        return self.logit(self.layer(embedded.flat))


class OfFields(nn.Module):
    """A layer over the fields, and a linear layer to the logit."""

    def __init__(self, layer: CompressedInteraction) -> None:
        super().__init__()
        self.layer, self.logit = layer, logit_of(layer.output_width)

    def forward(self, embedded: Embedded) -> Tensor:
        """The logit, (B, 1)."""
        return self.logit(self.layer(embedded.all_fields))


class OfBehaviours(nn.Module):
    """Attention over each sequence, and a perceptron on that and all else."""

    def __init__(self, embedding: FieldEmbedding, part: AttentionPart) -> None:
        super().__init__()
        widths = embedding.behaviour_widths
        self.attentions = nn.ModuleList([CandidateAttention(width, part.attention_hidden, part.attention_activation) for width in widths])
        self.deep = perceptron_of(embedding.flat_width + sum(widths), part)
        self.logit = logit_of(self.deep.output_width)

    def forward(self, embedded: Embedded) -> Tensor:
        """The logit, (B, 1)."""
        interests = [attention(found.candidate, found.rows) for attention, found in zip(self.attentions, embedded.behaviours, strict=True)]
        return self.logit(self.deep(torch.cat([embedded.flat, *interests], dim=1)))


def part_of(part: AnyPart, embedding: FieldEmbedding) -> nn.Module:
    """A new part."""
    width = embedding.flat_width
    if isinstance(part, LinearPart):
        return Linear()
    if isinstance(part, PairsPart):
        return Pairs(embedding)
    if isinstance(part, CrossPart):
        return OfFlat(CrossNetwork(width, part.layers, part.rank), width)
    if isinstance(part, InteractionPart):
        return OfFields(CompressedInteraction(embedding.field_count, part.widths))
    if isinstance(part, AttentionPart):
        return OfBehaviours(embedding, part)
    deep = perceptron_of(width, part)
    return OfFlat(deep, deep.output_width)


class CustomNetwork(Network):
    """The sum of the logits of its parts."""

    def __init__(self, layout: Layout, architecture: Custom) -> None:
        has_linear = any(isinstance(part, LinearPart) for part in architecture.parts)
        has_others = any(not isinstance(part, LinearPart) for part in architecture.parts)
        super().__init__(layout, linear=has_linear, vectors=has_others)
        self.parts = nn.ModuleList([part_of(part, self.embedding) for part in architecture.parts])

    def predict(self, embedded: Embedded) -> Tensor:
        """The sum of the parts' logits."""
        return torch.stack([part(embedded) for part in self.parts]).sum(dim=0)
