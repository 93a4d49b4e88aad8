"""DeepFM."""

from torch import Tensor

from srp_assets.models.config.architectures import DeepFM
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.layers.factorization import FactorizationPairs
from srp_assets.models.deep.networks.base import Network, logit_of, perceptron_of


class DeepFMNetwork(Network):
    """A factorization machine beside a perceptron on the same embeddings (H. Guo et al., "DeepFM", IJCAI 2017)."""

    def __init__(self, layout: Layout, architecture: DeepFM) -> None:
        super().__init__(layout, linear=True)
        self.pairs = FactorizationPairs(len(layout.numbers), self.embedding.dimension)
        self.deep = perceptron_of(self.embedding.flat_width, architecture)
        self.deep_logit = logit_of(self.deep.output_width)

    def predict(self, embedded: Embedded) -> Tensor:
        """The sum of the three parts' logits."""
        return embedded.linear + self.pairs(embedded.all_fields, embedded.numbers) + self.deep_logit(self.deep(embedded.flat))
