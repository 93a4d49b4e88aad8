"""The truth of every example strategy equals what the naive evaluator finds, reading the example files and the rows of a small world."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from srp_assets.samples.batches import ENTITIES, rows
from srp_assets.samples.demo import DOCUMENTS, expected_cases, expected_counts
from srp_assets.samples.world import World
from srp_assets.strategy.apply import apply_documents
from srp_assets.strategy.reference import evaluate
from srp_assets.strategy.registry import list_documents
from srp_assets.strategy.resolve import resolve
from srp_assets.strategy.resolved import ResolvedStrategy
from srp_assets.warehouse.catalogue import Catalogue

WORLD = World(2_000, seed=1)


@pytest.fixture
def strategies(engine: Engine, sample_catalogue: Catalogue) -> Iterator[dict[str, ResolvedStrategy]]:
    with engine.begin() as connection:
        apply_documents(connection, sample_catalogue, [DOCUMENTS])
        ids = [document.id for document in list_documents(connection, "strategy")]
        yield {id_: resolve(connection, sample_catalogue, id_) for id_ in ids}


def newest_rows(world: World) -> dict[str, list[dict[str, Any]]]:
    return {
        entity: [
            row | {"product": product}
            for product, part in world.products.items()
            for row in rows(part, entity, np.arange(1, part.count(entity) + 1)).to_pylist(maps_as_pydicts="strict")
        ]
        for entity in ENTITIES
    }


def test_truth_equals_the_naive_evaluation(strategies: dict[str, ResolvedStrategy], sample_catalogue: Catalogue) -> None:
    expected = expected_cases(WORLD)
    assert expected.keys() == strategies.keys()
    entities = newest_rows(WORLD)
    recalled = {}
    for id_, strategy in strategies.items():
        products = tuple(WORLD.products) if strategy.products == "*" else strategy.products
        found: dict[str, set[str]] = {product: set() for product in products}
        for case in evaluate(strategy, sample_catalogue, entities, products):
            found[case["product"]].add(case["id"])
        recalled[id_] = found
    assert recalled == expected
    assert all(any(by_product.values()) for by_product in recalled.values())


def test_every_strategy_finds_something_in_a_world_as_large_as_the_demo() -> None:
    world = World(100_000)
    cases, counts = expected_cases(world), expected_counts(world)
    assert {id_: sum(map(len, by_product.values())) for id_, by_product in cases.items()} == counts
    assert all(ids for by_product in cases.values() for ids in by_product.values())
    assert all(count < 0.05 * world.rows for count in counts.values())
