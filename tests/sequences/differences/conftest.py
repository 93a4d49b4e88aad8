import pyarrow as pa
import pytest

from srp_assets.samples.ranking.sequences.histories import Histories
from srp_assets.samples.ranking.sequences.serving import served_stages
from srp_assets.sequences.differences.attributing import Background


@pytest.fixture(scope="session")
def shop() -> Histories:
    return Histories(requests=12)


@pytest.fixture(scope="session")
def truth(shop: Histories) -> pa.Table:
    """What the offline flow makes of the log."""
    return served_stages(shop)


@pytest.fixture(scope="session")
def background(shop: Histories) -> Background:
    context = shop.asked.select(["trace_id", "market"])
    return Background(shop.document, shop.definitions, shop.actions, shop.versions, shop.vectors, context)
