"""From a configuration to a network, and to the model that is trained: the network beside its bias tower."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.encoding.encoder import RowEncoder
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import FieldEmbedding
from srp_assets.models.deep.layers.perceptron import Perceptron
from srp_assets.models.deep.networks.base import Network, Output, logit_of
from srp_assets.models.deep.networks.custom import CustomNetwork
from srp_assets.models.deep.networks.dcn import DCNNetwork
from srp_assets.models.deep.networks.deepfm import DeepFMNetwork
from srp_assets.models.deep.networks.dien import DIENNetwork
from srp_assets.models.deep.networks.din import DINNetwork
from srp_assets.models.deep.networks.esmm import ESMMNetwork
from srp_assets.models.deep.networks.linear import FactorizationNetwork, LinearNetwork
from srp_assets.models.deep.networks.sim import SIMNetwork
from srp_assets.models.deep.networks.wide_deep import WideDeepNetwork
from srp_assets.models.deep.networks.xdeepfm import XDeepFMNetwork
from srp_assets.models.deep.tensors import Inputs

NETWORKS: Mapping[str, Callable[[Layout, Any], Network]] = {
    "lr": LinearNetwork,
    "fm": FactorizationNetwork,
    "wide_deep": WideDeepNetwork,
    "deepfm": DeepFMNetwork,
    "dcn": DCNNetwork,
    "xdeepfm": XDeepFMNetwork,
    "din": DINNetwork,
    "dien": DIENNetwork,
    "sim": SIMNetwork,
    "esmm": ESMMNetwork,
    "custom": CustomNetwork,
}
"""By kind of architecture."""


class BiasTower(nn.Module):
    """What an outcome owes to how a row was shown: a logit that training adds to that of the first label.

    Args:
        layout: of the bias inputs.
        hidden: of a perceptron; without one, the tower is linear in its inputs.
    """

    def __init__(self, layout: Layout, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.embedding = FieldEmbedding(layout, linear=True, vectors=bool(hidden))
        self.deep = Perceptron(self.embedding.flat_width, hidden) if hidden else None
        self.logit = logit_of(self.deep.output_width) if self.deep else None

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The logit, (B, 1)."""
        embedded = self.embedding(inputs)
        if self.deep is None or self.logit is None:
            return embedded.linear
        return embedded.linear + self.logit(self.deep(embedded.flat))


class RankingModel(nn.Module):
    """A network beside its bias tower.

    Args:
        document: the configuration.
        encoder: that encodes its rows.
    """

    def __init__(self, document: ModelDocument, encoder: RowEncoder) -> None:
        super().__init__()
        self.network = NETWORKS[document.architecture.kind](encoder.inputs.layout, document.architecture)
        self.tower = BiasTower(encoder.bias.layout, document.bias.hidden) if document.bias else None
        # Had training seen all rows without the label, and not this share of them, odds would be lower by it (`training/sampling.py`).
        self.network.offset.fill_(math.log(document.training.negative_share))

    def forward(self, inputs: Inputs, bias: Inputs | None = None) -> Output:
        """The logits of a batch; without what its rows owe to how they were shown where `bias` is None."""
        found = self.network(inputs)
        if self.tower is None or bias is None:
            return found
        shown = self.tower(bias)
        # Whether something is looked at decides on the first step of the funnel alone.
        return found._replace(logits=torch.cat([found.logits[:, :1] + shown, found.logits[:, 1:]], dim=1))


def build_model(document: ModelDocument, encoder: RowEncoder) -> RankingModel:
    """A new model, its weights drawn from the configuration's seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(document.training.seed)
        return RankingModel(document, encoder)
