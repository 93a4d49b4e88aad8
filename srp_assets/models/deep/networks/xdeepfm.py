"""The xDeepFM model."""

from torch import Tensor

from srp_assets.models.config.architectures import XDeepFM
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.layers.interaction import CompressedInteraction
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class XDeepFMNetwork(Network):
    """A compressed interaction network beside a linear part and a perceptron (J. Lian et al., "xDeepFM", KDD 2018).

    Numbers have no vectors here: they count in the linear part and in the perceptron; declare buckets where they shall interact.
    """

    def __init__(self, layout: Layout, architecture: XDeepFM) -> None:
        super().__init__(layout, linear=True)
        self.interaction = CompressedInteraction(self.embedding.field_count, architecture.interaction)
        self.interaction_logit = logit_of(self.interaction.output_width)
        self.deep = perceptron_of(self.embedding.flat_width, architecture)
        self.deep_logit = logit_of(self.deep.output_width)

    def predict(self, embedded: Embedded) -> Tensor:
        """The sum of the three parts' logits."""
        interacted = self.interaction_logit(self.interaction(embedded.all_fields))
        return embedded.linear + interacted + self.deep_logit(self.deep(embedded.flat))
