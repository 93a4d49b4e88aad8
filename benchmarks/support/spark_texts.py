"""Texts that lie as builds of comments in a home of their own, and the ways of looking for words in them that `matching_spark.py` times."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from multiprocessing.pool import Pool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import functions as F
from support.recall_platform import PRODUCT, TEXT, Platform
from support.word_data import Language

from resources import spark_server
from resources.spark import close_sessions
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.plan_batch import run_batch
from srp_assets.samples.demo import CATALOGUE
from srp_assets.settings import Settings
from srp_assets.strategy.resolved import ResolvedStrategy, Rule
from srp_assets.warehouse.periods import period_of
from srp_assets.warehouse.registry_builds import Build, BuildFile, record_builds
from srp_assets.warehouse.schema import table_schema
from srp_assets.wordlists.registry import StandingHits, current_hits
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.scanner import Scanner
from srp_assets.wordlists.shared_scanner import shared
from srp_assets.wordlists.standing.keeping import bring_hits_up_to_date
from support import by_hand, word_data

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ENTITY = "comment"
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
FILE_ROWS, FEWEST_FILES = 262_144, 4
FOLDER = "texts"
WORKERS = 2
"""As many as the local Spark server gets cores."""

SEED = 11


class SparkTexts:
    """A home with a Spark server and texts.

    Args:
        platform: the home.
        build: the texts, as one build.
        bytes: of all texts.
        pool: processes that scan on their own.
    """

    def __init__(self, platform: Platform, build: Build, bytes: int, pool: Pool) -> None:
        self._platform = platform
        self._build = build
        self._pool = pool
        self._hits: dict[int, StandingHits] = {}
        self.bytes = bytes

    @property
    def rows(self) -> int:
        """All rows."""
        return self._build.rows_visible

    def recall(self, words: Sequence[str]) -> int:
        """A merged batch of one task; the number of its cases."""
        list_ = listed(words)
        rule = Rule(feature=TEXT, match="matches", value="words@1")
        strategy = ResolvedStrategy(id="bench", version=1, products="*", recall=ENTITY, objects={ENTITY: rule}, lists={"words@1": list_})
        task = TaskSpec(task_id="bench", strategy=strategy, products=(PRODUCT,))
        platform, folder = self._platform, f"cases/{uuid4().hex}"
        result = run_batch(
            platform.spark,
            platform.storage,
            platform.catalogue,
            [task],
            {ENTITY: [self._build]},
            folder,
            broadcast_rows=platform.settings.broadcast_rows,
            worker_rows=platform.settings.worker_rows,
            hits=self._hits,
        )
        if any(cell.scanned != self.rows for cell in result.cells):
            raise RuntimeError(f"the scan saw {result.cells}, not {self.rows} rows")
        platform.storage.delete_tree(folder)
        return result.case_counts["bench"]

    def keep_hits(self, words: Sequence[str]) -> None:
        """Keeps the hits of a list with the build: from here on a recall of its words uses them."""
        platform = self._platform
        bring_hits_up_to_date(
            lambda: platform.spark, platform.engine, platform.storage, platform.catalogue, ENTITY, [self._build.period], [listed(words)]
        )
        with platform.engine.connect() as connection:
            self._hits = current_hits(connection, entity=ENTITY)

    def bare(self, words: Sequence[str]) -> int:
        """Reading the column and scanning it, and nothing else; the number of hits."""
        paths = [self._platform.storage.path(file.path) for file in self._build.files]
        return sum(self._pool.starmap(scanned, [(path, tuple(words)) for path in paths], chunksize=1))

    def by_pandas_udf(self, words: Sequence[str], files: int) -> int:
        """A filter by a pandas UDF over so many files; the rows it looked at."""
        self._frame(files).filter(by_hand.pandas_udf(list(words), F.col("text"))).count()
        return sum(file.rows for file in self._build.files[:files])

    def by_rlike(self, words: Sequence[str], rows: int) -> int:
        """A filter by one regular expression over some rows, spread over all workers; the rows it looked at."""
        self._frame(1).limit(rows).repartition(WORKERS).filter(by_hand.rlike(list(words), F.col("text"))).count()
        return rows

    def _frame(self, files: int) -> "DataFrame":
        addresses = [self._platform.storage.address(file.path) for file in self._build.files[:files]]
        return self._platform.spark.read.parquet(*addresses).select("text")


@contextmanager
def opened() -> Iterator[Platform]:
    """An empty home with a Spark server of so many cores as `WORKERS`."""
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), catalogue=CATALOGUE, spark_master=f"local[{WORKERS}]")
        platform = Platform.open(settings)
        try:
            yield platform
        finally:
            platform.engine.dispose()
            close_sessions()
            spark_server.stop(settings)


@contextmanager
def texts_of(platform: Platform, language: Language, rows: int) -> Iterator[SparkTexts]:
    """So many texts of a language, in place of those before."""
    pool = multiprocessing.get_context("spawn").Pool(WORKERS)
    try:
        yield SparkTexts(platform, *written(platform, language, rows), pool)
    finally:
        pool.close()
        pool.join()
        platform.storage.delete_tree(FOLDER)


def written(platform: Platform, language: Language, rows: int) -> tuple[Build, int]:
    """Writes texts as one build, and records it; the bytes of all texts too."""
    entity = platform.catalogue.entities[ENTITY]
    schema = table_schema(entity)
    lines = word_data.texts(language, 2 * 10_000)
    chance = np.random.default_rng(SEED)
    files, text_bytes = [], 0
    period = period_of(FIRST_DAY, platform.catalogue.partition_unit)
    file_rows = min(FILE_ROWS, rows // FEWEST_FILES)
    for number, start in enumerate(range(0, rows, file_rows)):
        count = min(file_rows, rows - start)
        first, second = (lines.take(pa.array(chance.integers(0, len(lines), count))) for _ in range(2))
        texts = pc.binary_join_element_wise(first, second, " ")
        text_bytes += pc.sum(pc.binary_length(texts)).as_py()
        keys = pa.array(np.arange(start, start + count))
        known = {"comment_id": keys, "post_id": keys, "user_id": keys, "text": texts}
        times = pa.array([FIRST_DAY] * count, pa.timestamp("us", tz="UTC"))
        known |= {"created_at": times, "updated_at": times}
        columns = [known[field.name].cast(field.type) if field.name in known else pa.nulls(count, field.type) for field in schema]
        path = f"{FOLDER}/{language}-{number:05d}.parquet"
        size = platform.storage.write(path, pa.Table.from_arrays(columns, schema=schema))
        files.append(BuildFile(path=path, visible=True, bucket=0, rows=count, bytes=size))
    build = Build(
        build_id=0,
        entity=ENTITY,
        product=PRODUCT,
        period=period,
        through_ingest=0,
        rows_visible=rows,
        rows_hidden=0,
        superseded=0,
        moved=0,
        files=tuple(files),
        built_at=FIRST_DAY,
        run_id=None,
    )
    with platform.engine.begin() as connection:
        return record_builds(connection, [build])[0], text_bytes


def listed(words: Sequence[str]) -> ResolvedList:
    """A list as people have them: case is ignored."""
    return ResolvedList(id="words", version=1, words=tuple(words))


def scanned(path: str, words: tuple[str, ...]) -> int:
    """The hits in a file, read as the recall scan reads it."""
    scanner = opened_once(words)
    batches = pq.ParquetFile(path).iter_batches(65_536, columns=["text"], use_threads=False)
    return sum(len(scanner.scan(batch.column(0))) for batch in batches)


@cache
def opened_once(words: tuple[str, ...]) -> Scanner:
    """The scanner of words, opened once in each process, as a worker of Spark does."""
    return shared([listed(words)])
