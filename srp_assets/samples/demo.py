"""The truth of the demo: which cases each strategy of `examples/sample` must have, in the form in which the product names cases."""

from srp_assets.samples.truth import truth
from srp_assets.samples.world import World
from srp_assets.settings import PROJECT_ROOT

EXAMPLES = PROJECT_ROOT / "examples" / "sample"
CATALOGUE = EXAMPLES / "catalogue.yaml"
LOGS = EXAMPLES / "logs.yaml"
DOCUMENTS = EXAMPLES / "strategies"
"""The folder with all word lists, shared documents and strategies."""


def expected_cases(world: World) -> dict[str, dict[str, set[str]]]:
    """For each strategy and each product in which it runs the ids of its cases, as text like the cases'."""
    return {
        strategy: {product: set(map(str, ids.tolist())) for product, ids in by_product.items()}
        for strategy, by_product in truth(world).items()
    }


def expected_counts(world: World) -> dict[str, int]:
    """For each strategy the number of its cases in all products."""
    return {strategy: sum(map(len, by_product.values())) for strategy, by_product in truth(world).items()}
