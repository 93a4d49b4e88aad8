"""Wide & Deep."""

from torch import Tensor

from srp_assets.models.config.architectures import WideDeep
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class WideDeepNetwork(Network):
    """A linear part that remembers (ids and declared crosses) beside a perceptron that generalises.

    H.-T. Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016; one optimizer for both parts.
    """

    def __init__(self, layout: Layout, architecture: WideDeep) -> None:
        super().__init__(layout, linear=True)
        self.deep = perceptron_of(self.embedding.flat_width, architecture)
        self.deep_logit = logit_of(self.deep.output_width)

    def predict(self, embedded: Embedded) -> Tensor:
        """The sum of both parts' logits."""
        return embedded.linear + self.deep_logit(self.deep(embedded.flat))
