"""Logistic regression and the factorization machine: models that can also learn online."""

from torch import Tensor

from srp_assets.models.config.architectures import FactorizationMachine, Linear
from srp_assets.models.deep.encoding.layout import Layout
from srp_assets.models.deep.layers.embedding import Embedded
from srp_assets.models.deep.layers.factorization import FactorizationPairs
from srp_assets.models.deep.networks.base import Network


class LinearNetwork(Network):
    """Logistic regression: b + sum of w_i x_i over ids (x is 1) and numbers."""

    def __init__(self, layout: Layout, architecture: Linear) -> None:
        super().__init__(layout, linear=True, vectors=False)

    def predict(self, embedded: Embedded) -> Tensor:
        """The linear logit."""
        return embedded.linear


class FactorizationNetwork(Network):
    """b + sum of w_i x_i + sum over pairs of <v_i, v_j> x_i x_j (S. Rendle, "Factorization Machines", ICDM 2010)."""

    def __init__(self, layout: Layout, architecture: FactorizationMachine) -> None:
        super().__init__(layout, linear=True)
        self.pairs = FactorizationPairs(len(layout.numbers), self.embedding.dimension)

    def predict(self, embedded: Embedded) -> Tensor:
        """The linear logit and that of pairs."""
        return embedded.linear + self.pairs(embedded.all_fields, embedded.numbers)
