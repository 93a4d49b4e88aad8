"""The truth of the demo: which cases each strategy of `examples/sample` must have, in the form in which the product names cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from srp_assets.samples.ranking.world import RankingWorld
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


SKEWED_FEATURE = "item_dwell_30d"
"""The feature that the shop's online side serves in thousandths of its unit on one day: who was trained on that day must be refused."""

SERVED_REQUESTS = 750
"""About how many of the shop's requests are answered online: on each day enough to compare a thousand rows of every feature."""

JUDGED_DAYS = 3
"""The last days of the shop, by which models are judged; on them every request is answered online, so that models can be replayed."""


@dataclass(frozen=True)
class GateDays:
    """Which days of the shop decide about its models.

    Args:
        proved: the newest day of the models that are trained on days on which everything was served as it is computed.
        unproved: the newest day of the model that is also trained on the next one.
        skewed: that next day.
        judged: the last day by which all of them are judged; `JUDGED_DAYS` end with it.
    """

    proved: str
    unproved: str
    skewed: str
    judged: str

    @property
    def judged_from(self) -> int:
        """Where the judged days begin, in microseconds since 1970."""
        first = datetime.combine(date.fromisoformat(self.judged) - timedelta(days=JUDGED_DAYS - 1), datetime.min.time(), UTC)
        return int(first.timestamp()) * 1_000_000

    @property
    def skewed_day(self) -> int:
        """The skewed day, counted from 1970."""
        return (date.fromisoformat(self.skewed) - date(1970, 1, 1)).days


def gate_days(world: RankingWorld) -> GateDays:
    """The days of a shop. A click may come on the day after, so one day each lies between training, early stopping and judging."""

    def before_last(days: int) -> str:
        return (world.last_day - timedelta(days=days)).isoformat()

    unproved = JUDGED_DAYS + 1
    return GateDays(before_last(unproved + 1), before_last(unproved), before_last(unproved + 2), before_last(0))


SMALL_SHOP: Mapping[str, float] = {"gate_parity_days": 1, "gate_least_effective_rows": 300, "gate_replay_tolerance": 0.15}
"""What the gate asks in a shop whose judged days have some hundred requests: intervals of single percents would need thousands. Checking
more days of parity would make the demo longer, and no different."""
