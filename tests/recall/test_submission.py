"""How a task comes into the queue: its products, its pins, its ranges."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.recall import registry
from srp_assets.recall.submission import submit
from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.apply import apply_documents
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from support.recall import land, later

STRATEGIES = """
kind: strategy
id: liked
owner: tests
products: "*"
objects: {{post: {{all: [{{feature: like_count, match: ">=", value: {limit}}}]}}}}
recall: post
---
kind: strategy
id: liked-in-lotus
owner: tests
products: [lotus]
objects: {{post: {{all: [{{feature: like_count, match: ">=", value: {limit}}}]}}}}
recall: post
"""


@pytest.fixture
def apply(engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    store(engine, sample_catalogue, tmp_path, limit=10)


def store(engine: Engine, catalogue: Catalogue, folder: Path, *, limit: int) -> None:
    path = folder / "strategies.yaml"
    path.write_text(STRATEGIES.format(limit=limit), encoding="utf-8")
    with engine.begin() as connection:
        apply_documents(connection, catalogue, [path])


@pytest.mark.usefixtures("apply")
def test_a_task_runs_on_all_products_of_its_strategy_or_on_some(engine: Engine, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        everything = submit(connection, sample_catalogue, "liked", now=later(0))
        narrowed = submit(connection, sample_catalogue, "liked", products=["lotus", "lotus"], now=later(0))
        assert registry.task(connection, everything).products == ("aurora", "lotus")
        assert registry.task(connection, narrowed).products == ("lotus",)
        with pytest.raises(InvalidInput, match="does not run on product 'aurora'"):
            submit(connection, sample_catalogue, "liked-in-lotus", products=["aurora"], now=later(0))


@pytest.mark.usefixtures("apply")
def test_a_task_keeps_the_version_of_its_submission(engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    with engine.begin() as connection:
        before = submit(connection, sample_catalogue, "liked", now=later(0))
    store(engine, sample_catalogue, tmp_path, limit=20)
    with engine.begin() as connection:
        after = submit(connection, sample_catalogue, "liked", now=later(1))
        versions = {
            spec.task_id: (spec.strategy.version, spec.strategy.objects) for spec in registry.task_specs(connection, [before, after])
        }
    assert (versions[before][0], versions[after][0]) == (1, 2)
    assert versions[before][1] != versions[after][1]


@pytest.mark.usefixtures("apply")
def test_a_task_answers_as_of_what_has_landed(engine: Engine, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        first = submit(connection, sample_catalogue, "liked", now=later(0))
        ingest_id = land(connection, "post", "2024-01")
        second = submit(connection, sample_catalogue, "liked", now=later(1))
        assert (registry.task(connection, first).as_of_ingest, registry.task(connection, second).as_of_ingest) == (0, ingest_id)


@pytest.mark.usefixtures("apply")
def test_a_range_and_a_name_are_checked(engine: Engine, sample_catalogue: Catalogue) -> None:
    moment = datetime(2024, 3, 1, tzinfo=UTC)
    with engine.begin() as connection:
        with pytest.raises(InvalidInput, match="the range of publish times is empty"):
            submit(connection, sample_catalogue, "liked", published_from=moment, published_to=moment, now=later(0))
        with pytest.raises(NotFound, match="did you mean 'liked'"):
            submit(connection, sample_catalogue, "likd", now=later(0))
        assert registry.tasks(connection) == []


def test_an_open_catalogue_has_the_products_that_landed(engine: Engine, tmp_path: Path) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "stackexchange" / "catalogue.yaml")
    path = tmp_path / "strategy.yaml"
    path.write_text(STRATEGIES.format(limit=10).split("---")[0], encoding="utf-8")
    with engine.begin() as connection:
        apply_documents(connection, catalogue, [path])
        land(connection, "post", "2024-01", product="quantum")
        land(connection, "post", "2024-01", product="french.meta")
        task_id = submit(connection, catalogue, "liked", now=later(0))
        assert registry.task(connection, task_id).products == ("french.meta", "quantum")
        with pytest.raises(InvalidInput, match="did you mean 'quantum'"):
            submit(connection, catalogue, "liked", products=["quantm"], now=later(0))
