"""The shop's items as rows of the warehouse: what features know of them, and nobody else needs to."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.samples.ranking.landing import Progress, source_of
from srp_assets.samples.ranking.world import ADJECTIVES, CATEGORIES, MARKETS, RankingWorld
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.landing import IngestSummary, land_batches
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

PRODUCT = "aurora"
"""The product of the sample world whose shop it is."""

ITEMS_AT_ONCE = 50_000

LURES = ("limited offer", "as seen on screen", "hand made", "like new", "")
"""What some titles promise: the standing word lists of the sample world have words for it."""


def land_items(
    engine: Engine, storage: Storage, catalogue: Catalogue, world: RankingWorld, progress: Progress | None = None
) -> IngestSummary:
    """Lands the items of a world in the warehouse; landing them again changes nothing."""
    batches = (("item", batch) for batch in item_batches(world))
    source = f"{source_of(world)}: items"
    return land_batches(
        engine, storage, catalogue, product=PRODUCT, batches=batches, source=source, reader="samples", progress=_titled(progress)
    )


def item_batches(world: RankingWorld) -> Iterator[pa.RecordBatch]:
    """The rows of all items."""
    items, draws = world.items, world.draws("item")
    adjectives = pa.array(ADJECTIVES).take(pa.array(draws.below("adjective", items.numbers, len(ADJECTIVES))))
    categories = pa.array(CATEGORIES).take(pa.array(items.category))
    lures = pa.array(LURES).take(pa.array(draws.below("lure", items.numbers, len(LURES))))
    published_at = pa.array(items.published_at).cast(TIMESTAMP)
    rows = pa.table(
        {
            "item_id": pc.binary_join_element_wise("item-", pa.array(items.numbers).cast(pa.string()), ""),
            "title": pc.utf8_trim(pc.binary_join_element_wise(adjectives, categories, lures, " "), " "),
            "category": categories,
            "market": pa.array(MARKETS).take(pa.array(items.market)),
            "price": pa.array(items.price),
            "publish_time": published_at,
            "updated_at": published_at,
        }
    )
    yield from rows.to_batches(max_chunksize=ITEMS_AT_ONCE)


def _titled(progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda step, rows: progress(f"items: {step}", rows)
