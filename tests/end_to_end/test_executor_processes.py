"""The merged scan where workers are processes apart from the driver, as on a cluster: two executors, each with memory of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from resources import spark_server
from resources.spark import open_session
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.cases import read_cases
from srp_assets.recall.completeness import judge
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.settings import Settings
from srp_assets.strategy.reference import evaluate
from srp_assets.strategy.resolved import AllOf, Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ResolvedList
from support.built import built_rows
from support.world import build_all, comment, land_rows, post

TITLE = Feature(name="title", kind="text", type="string", parts=("title",))
TEXT = Feature(name="text", kind="text", type="string", parts=("text",))
LIKES = Feature(name="like_count", kind="metric", type="int64", parts=("like_count",))
HELP = ResolvedList(id="help", version=1, words=("homework&help", "essay"))
THANKS = ResolvedList(id="thanks", version=1, words=("thanks", "thx~no thx"))

JOINS = ({"broadcast_rows": 1000, "worker_rows": 1000}, {"broadcast_rows": 0, "worker_rows": 0})
"""In one worker's memory, and by Spark between the executors."""

TITLES = ("homework: help wanted", "an essay", "holiday", "help", "no homework")
TEXTS = ("thanks", "no thx", "thx", "nothing", "many thanks, no thx")


@pytest.fixture
def two_executors(settings: Settings) -> Iterator[Settings]:
    """Settings whose home runs a driver and two executors, each in a process of its own."""
    cluster = settings.model_copy(update={"spark_master": "local-cluster[2,1,1024]"})
    yield cluster
    spark_server.stop(cluster)


@pytest.mark.timeout(600)
@pytest.mark.starts_servers
def test_executors_answer_as_the_reference_does(
    two_executors: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue
) -> None:
    rows = {
        "post": [post(number, likes=number % 7, title=TITLES[number % 5], month=1 + number % 3) for number in range(90)],
        "comment": [comment(1000 + number, number % 100, text=TEXTS[number % 5], like_count=number % 4) for number in range(400)],
    }
    land_rows(engine, storage, sample_catalogue, rows)
    spark = open_session(two_executors)
    build_all(spark, engine, storage, sample_catalogue)
    with engine.connect() as connection:
        builds = {entity: current_builds(connection, entity=entity) for entity in sample_catalogue.entities}
    table = {
        entity: [{**row, "product": build.product} for build in found for row in built_rows(storage, sample_catalogue, build)]
        for entity, found in builds.items()
    }
    helped = Rule(feature=TITLE, match="matches", value="help@1")
    thanked = Rule(feature=TEXT, match="matches", value="thanks@1")
    liked = Rule(feature=LIKES, match=">=", value=3)
    tasks = [
        task("post", post=AllOf(all=(helped, liked))),
        task("comment", post=helped, comment=thanked),
        task("post", post=None, comment=AllOf(all=(thanked, liked))),
    ]
    for limits in JOINS:
        result = run_batch(spark, storage, sample_catalogue, tasks, builds, f"cases/{uuid4().hex}", **limits)
        for spec in tasks:
            expected = evaluate(spec.strategy, sample_catalogue, table, spec.products)
            assert expected
            assert read_cases(storage, result.cases_folder, spec.task_id) == expected
            assert judge(sample_catalogue, spec, builds, result.cells, len(expected)).complete


def task(recall: str, **objects: Rule | AllOf | None) -> TaskSpec:
    """A task on one product."""
    lists = {"help@1": HELP, "thanks@1": THANKS}
    strategy = ResolvedStrategy(id="executors", version=1, products="*", recall=recall, objects=objects, lists=lists)
    return TaskSpec(task_id=f"task-{uuid4().hex[:8]}", strategy=strategy, products=("aurora",))
