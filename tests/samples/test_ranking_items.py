"""The shop's items land in the warehouse whole, once, and are those that the logs show."""

import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.samples.ranking.catalogue_items import item_batches, land_items
from srp_assets.samples.ranking.responses import visit
from srp_assets.samples.ranking.world import CATEGORIES, RankingWorld
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

WORLD = RankingWorld(events=5_000, seed=6, days=4)


def test_all_items_land_once(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> None:
    first = land_items(engine, storage, sample_catalogue, WORLD)
    assert (first.landed, first.rejected, first.duplicates) == ({"item": len(WORLD.items.numbers)}, {}, 0)
    again = land_items(engine, storage, sample_catalogue, WORLD)
    assert (again.landed, again.duplicates) == ({"item": 0}, len(WORLD.items.numbers))


def test_what_is_shown_is_offered() -> None:
    (rows,) = item_batches(WORLD)
    shown = visit(WORLD, 0, WORLD.visits).impressions
    assert set(shown.item.tolist()) <= set(range(rows.num_rows))
    assert rows.column("item_id")[17].as_py() == "item-17"
    assert set(rows.column("category").to_pylist()) == set(CATEGORIES)
    assert pc.all(pc.match_substring_regex(rows.column("title"), r"^\w+ \w+")).as_py()
    assert rows.column("price").to_numpy().min() >= 1
