"""A platform that is landed and built for `recall.py`, its tasks, and how a batch of them is timed."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import psutil
import pyarrow as pa
from sqlalchemy import Engine

from resources import spark_server
from resources.registry_database import open_registry
from resources.spark import open_session
from srp_assets.recall.batch import BatchResult, TaskSpec
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.samples.vocabulary import ENGLISH
from srp_assets.settings import Settings
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.registry_builds import Build, current_builds, stale_periods
from srp_assets.warehouse.schema import TIMESTAMP, entity_schema
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ResolvedList

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PRODUCT = "aurora"
LIST_WORDS = 100
RARE_PAIRS, RARE_POST_PAIRS = 2, 16
TITLE = Feature(name="title_body", kind="text", type="string", parts=("title", "body"))
TEXT = Feature(name="text", kind="text", type="string", parts=("text",))

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
DAYS = 180
SENTENCES = 20_000
AT_ONCE = 200_000


def word_list(number: int, kind: str, rare: int, *, common: bool) -> ResolvedList:
    """A hundred words, most of which occur nowhere.

    Args:
        number: of the list; the same gives the same words.
        kind: what it is looked for in.
        rare: pairs of neutral words that stand together now and then.
        common: whether there is a neutral word, too, that stands in many texts.
    """
    chance = random.Random(f"{kind} {number}")
    often = [chance.choice(ENGLISH)] if common else []
    pairs = [f"{first} {second}" for first, second in (chance.sample(ENGLISH, 2) for _ in range(rare))]
    absent = [f"{kind}{number}x{place}qz" for place in range(LIST_WORDS - len(often) - len(pairs))]
    return ResolvedList(id=f"{kind}-{number}", version=1, words=tuple(dict.fromkeys(often + pairs + absent)))


def task(number: int, *, common: bool = True) -> TaskSpec:
    """A task with two lists of its own; the same number gives the same task.

    Args:
        number: of the task.
        common: whether a word of its list of posts stands in many of them (one in twelve of the sample world).
    """
    post_list = word_list(number, "post", RARE_PAIRS if common else RARE_POST_PAIRS, common=common)
    comment_list = word_list(number, "comment", RARE_PAIRS, common=False)
    objects = {
        "post": Rule(feature=TITLE, match="matches", value=f"{post_list.id}@1"),
        "comment": Rule(feature=TEXT, match="matches", value=f"{comment_list.id}@1"),
    }
    lists = {f"{list_.id}@1": list_ for list_ in (post_list, comment_list)}
    strategy = ResolvedStrategy(id=f"bench-{number}", version=1, products="*", recall="comment", objects=objects, lists=lists)
    return TaskSpec(task_id=f"task-{number}", strategy=strategy, products=(PRODUCT,))


@dataclass
class Platform:
    """A home with its Spark server, and what is built in it."""

    settings: Settings
    engine: Engine
    storage: Storage
    catalogue: Catalogue
    spark: "SparkSession"

    @classmethod
    def open(cls, settings: Settings) -> "Platform":
        """An empty home."""
        catalogue = load_catalogue(settings.catalogue)
        return cls(settings, open_registry(settings), Storage(settings.warehouse_location), catalogue, open_session(settings))

    def build(self) -> None:
        """Builds everything that landed and is not built."""
        with self.engine.connect() as connection:
            stale = stale_periods(connection)
        build_periods(self.spark, self.engine, self.storage, self.catalogue, stale)

    def land(self, posts: int, comments: int, *, on_one_post: int = 0) -> None:
        """Lands generated posts and comments; so many of the comments hang on one post, the others on random ones."""
        batches = generated(self.catalogue, posts, comments, on_one_post)
        land_batches(self.engine, self.storage, self.catalogue, product=PRODUCT, batches=batches, source="generated", reader="generated")

    def builds(self) -> dict[str, list[Build]]:
        """What is current."""
        with self.engine.connect() as connection:
            return {entity: current_builds(connection, entity=entity, products=[PRODUCT]) for entity in ("post", "comment")}

    def timed(self, tasks: Sequence[TaskSpec]) -> tuple[float, BatchResult]:
        """The seconds of one merged batch, and what it found."""
        began = time.monotonic()
        result = run_batch(
            self.spark,
            self.storage,
            self.catalogue,
            tasks,
            self.builds(),
            f"cases/{uuid4().hex}",
            broadcast_rows=self.settings.broadcast_rows,
            worker_rows=self.settings.worker_rows,
        )
        return time.monotonic() - began, result


def generated(catalogue: Catalogue, posts: int, comments: int, on_one_post: int) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Posts and their comments over half a year, with sentences of neutral words."""
    chance = np.random.default_rng(7)
    words = np.array(ENGLISH)
    sentences = pa.array([" ".join(chance.choice(words, chance.integers(6, 18))) for _ in range(SENTENCES)])
    first = int(FIRST_DAY.timestamp() * 1e6)
    for entity, count in (("post", posts), ("comment", comments)):
        schema = entity_schema(catalogue.entities[entity])
        for start in range(0, count, AT_ONCE):
            rows = min(AT_ONCE, count - start)
            numbers = np.arange(start, start + rows)
            times = pa.array(first + chance.integers(0, DAYS, rows) * DAY, pa.int64()).cast(TIMESTAMP)
            root = numbers if entity == "post" else np.where(numbers < on_one_post, 0, chance.integers(0, posts, rows))
            columns = {
                "post_id": pa.array(root),
                "comment_id": pa.array(numbers),
                "user_id": pa.array(numbers % 1000),
                "title": sentences.take(pa.array(chance.integers(0, SENTENCES, rows))),
                "text": sentences.take(pa.array(chance.integers(0, SENTENCES, rows))),
                "like_count": pa.array(chance.integers(0, 50, rows)),
                "created_at": times,
                "updated_at": times,
            }
            yield (
                entity,
                pa.RecordBatch.from_arrays(
                    [columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type) for field in schema],
                    schema=schema,
                ),
            )


class PeakMemory:
    """The most resident memory that the Spark server, its Python workers and this process had together within a `with` block."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.driver = self.workers = self.client = self.total = 0

    def __enter__(self) -> "PeakMemory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        state = spark_server.status(self._settings)
        if state is None:
            raise RuntimeError("the Spark server of the benchmark is gone")
        server, client = psutil.Process(state.pid), psutil.Process()
        while not self._ended.wait(0.1):
            driver, own = server.memory_info().rss, client.memory_info().rss
            workers = 0
            for worker in server.children(recursive=True):
                try:
                    # Forked workers share pages with their daemon: what is theirs alone counts.
                    workers += worker.memory_full_info().uss
                except psutil.Error:
                    continue
            if driver + workers + own > self.total:
                self.driver, self.workers, self.client, self.total = driver, workers, own, driver + workers + own
