"""A sample world that lands and is built for real: the tables hold its newest rows, the accounts its dirt."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Engine

from srp_assets.samples.batches import ENTITIES, rows
from srp_assets.samples.dirt import Fate
from srp_assets.samples.landing import land_world
from srp_assets.samples.world import World
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds, ledger, stale_periods
from srp_assets.warehouse.storage import Storage
from tests.support.built import built_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WORLD = World(3_000, seed=31)


def fates(world: World, product: str, entity: str) -> Counter[Fate]:
    part = world.products[product]
    return Counter(map(Fate, part.fate(entity, np.arange(1, part.count(entity) + 1)).tolist()))


def test_rejects_and_duplicates_are_those_that_were_planted(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    landed = land_world(engine, storage, sample_catalogue, WORLD, tmp_path / "samples")
    assert landed.rejected == landed.planted_rejects
    repeated = sum(
        fates(WORLD, product, entity)[fate]
        for product in WORLD.products
        for entity in ENTITIES
        for fate in (Fate.REPEATED, Fate.REPEATED_LATE)
    )
    assert sum(summary.duplicates for summary in landed.summaries) == repeated > 0

    again = land_world(engine, storage, sample_catalogue, WORLD, tmp_path / "samples")
    assert sum(sum(summary.landed.values()) for summary in again.summaries) == 0


def test_tables_hold_the_newest_rows_and_accounts_balance(
    spark: "SparkSession", engine: Engine, storage: Storage, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    land_world(engine, storage, sample_catalogue, WORLD, tmp_path / "samples")
    with engine.connect() as connection:
        keys = stale_periods(connection)
    build_periods(spark, engine, storage, sample_catalogue, keys)

    for entity in ENTITIES:
        with engine.connect() as connection:
            builds = current_builds(connection, entity=entity)
            accounts = ledger(connection, entity=entity)
        assert all(account.balanced for account in accounts)
        for product, part in WORLD.products.items():
            found = [row for build in builds if build.product == product for row in built_rows(storage, sample_catalogue, build)]
            newest = rows(part, entity, np.arange(1, part.count(entity) + 1)).to_pylist(maps_as_pydicts="strict")
            own = [{name: row[name] for name in newest[0]} for row in found]
            assert sorted(own, key=lambda row: row[f"{entity}_id"]) == newest
            assert all(row["visible"] == (row.get("hidden") is not True) for row in found)
            befell = fates(WORLD, product, entity)
            of_product = [account for account in accounts if account.product == product]
            assert sum(account.in_table for account in of_product) == part.count(entity)
            assert (
                sum(account.superseded for account in of_product) == befell[Fate.UPDATED] + befell[Fate.HIDDEN_AGAIN] + befell[Fate.STALE]
            )
            assert sum(account.moved for account in of_product) == befell[Fate.MOVED]
            assert sum(account.duplicate for account in of_product) == befell[Fate.REPEATED] + befell[Fate.REPEATED_LATE]
