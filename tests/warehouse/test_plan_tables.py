"""Plans over built tables: no shuffle in bucketed joins, only the partitions and buckets asked for, names that users made up."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine

from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue, Condition, Entity
from srp_assets.warehouse.plan_build import LandingPart, newest_versions, read_landing
from srp_assets.warehouse.plan_tables import publish_view, publish_views, snapshot_table
from srp_assets.warehouse.plan_types import condition_holds, literal, quoted
from srp_assets.warehouse.registry_builds import Build, stale_periods
from srp_assets.warehouse.storage import Storage
from support.landed import LandedByReference

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.publishes_views

DAYS = [datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2)]
KEYS = 12


def raw_rows() -> list[tuple[str, dict[str, Any]]]:
    """Posts and comments under each of them, some hidden."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for number in range(KEYS):
        day = DAYS[number % 2]
        times = {"created_at": day, "updated_at": day, "user_id": 1, "hidden": number % 3 == 0}
        rows += [("post", {"post_id": number, "title": f"title {number}", **times})]
        rows += [("comment", {"comment_id": number * 10 + place, "post_id": number, "text": "a text", **times}) for place in range(3)]
    return rows


@pytest.fixture
def built(spark: "SparkSession", engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> list[Build]:
    """Everything that two products landed, built."""
    world = LandedByReference(engine, storage, sample_catalogue)
    for product in ("aurora", "lotus"):
        world.ingest(product, raw_rows())
    with engine.connect() as connection:
        stale = stale_periods(connection)
    return build_periods(spark, engine, storage, sample_catalogue, stale)


def table(spark: "SparkSession", storage: Storage, catalogue: Catalogue, builds: list[Build], entity: str) -> "DataFrame":
    """The snapshot of an entity's builds."""
    of_entity = [build for build in builds if build.entity == entity]
    return snapshot_table(spark, storage, entity, catalogue.entities[entity], of_entity)


def plan(frame: "DataFrame") -> str:
    """The explained plan of a frame."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        frame.explain("formatted")
    return printed.getvalue()


def test_join_on_buckets_shuffles_nothing(spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """Two snapshots join on the bucket key (and product, and more) without an Exchange; the same through the view for people."""
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    posts = table(spark, storage, sample_catalogue, built, "post")
    comments = table(spark, storage, sample_catalogue, built, "comment")
    for on in (["post_id"], ["product", "post_id"], ["product", "post_id", "period"]):
        joined = posts.join(comments, on)
        assert "Exchange" not in plan(joined)
    assert posts.join(comments, ["product", "post_id"]).count() == 2 * KEYS * 3
    views = [
        spark.table(publish_view(spark, storage, name, sample_catalogue.entities[name], [build for build in built if build.entity == name]))
        for name in ("post", "comment")
    ]
    assert "Exchange" not in plan(views[0].join(views[1], ["product", "post_id"]))
    # What is not bucketed on the key does shuffle: the plan test can fail.
    assert "Exchange" in plan(posts.join(comments, posts["user_id"] == comments["user_id"]))


def test_only_what_is_asked_for_is_opened(spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """A filter on product, visibility and period opens those partitions; a look-up of a key opens its bucket, which holds it."""
    from pyspark.sql import functions as F

    posts = table(spark, storage, sample_catalogue, built, "post")
    chosen = posts.where("product = 'aurora' and visible and period = '2024-01'")
    folders = {Path(name).parent for name in chosen.inputFiles()} if chosen.count() else set()
    assert {"/".join(folder.parts[-3:]) for folder in folders} == {"product=aurora/visible=true/period=2024-01"}
    files = {file.path: file for build in built if build.entity == "post" for file in build.files}
    assert {file.bucket for file in files.values()} == {0, 1}
    # Spark prunes buckets in any scan, but says so only of one that it keeps bucketed.
    spark.conf.set("spark.sql.sources.bucketing.autoBucketedScan.enabled", "false")
    for number in range(KEYS):
        found = posts.where(F.col("post_id") == number)
        assert found.count() == 2
        assert "SelectedBucketsCount: 1 out of 2" in plan(found)
    for path, file in files.items():
        assert path.split("_")[-1].startswith(f"{file.bucket:05d}.")
        assert storage.read(path).num_rows == file.rows


def test_builds_shuffle_once_where_the_bucket_follows_from_the_key(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]
) -> None:
    """A post's bucket key is its key: one Exchange. A comment's is not: two."""
    part = [[LandingPart(f"landing/{number}.parquet", 0, 0, 1)] for number in range(2)]
    for name, exchanges in (("post", 1), ("comment", 2)):
        entity = sample_catalogue.entities[name]
        explained = plan(newest_versions(read_landing(spark, storage, entity, part), entity))
        tree = explained.split("\n\n")[0]
        assert tree.count("Exchange (") == exchanges, explained


def test_snapshots_are_reused_and_forgotten(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]
) -> None:
    """The same builds give the same table; those that nobody used for long go, but never the view's own."""
    entity = sample_catalogue.entities["user"]
    comment = sample_catalogue.entities["comment"]
    builds = [build for build in built if build.entity == "comment"]

    # Under a name of its own: other tests use snapshots of comments at the same time.
    def tables() -> set[str]:
        return {row["tableName"] for row in spark.sql("SHOW TABLES IN warehouse LIKE 'remark_*'").collect()}

    assert snapshot_table(spark, storage, "user", entity, []).count() == 0
    before = tables()
    snapshot_table(spark, storage, "remark", comment, builds[:1])
    snapshot_table(spark, storage, "remark", comment, builds)
    made = tables() - before
    snapshot_table(spark, storage, "remark", comment, list(reversed(builds)))
    assert tables() - before == made
    assert len(made) == 2
    publish_view(spark, storage, "remark", comment, builds, forget_before=datetime.now(UTC) - timedelta(days=1))
    assert made <= tables()
    publish_view(spark, storage, "remark", comment, builds, forget_before=datetime.now(UTC) + timedelta(days=1))
    assert len(made & tables()) == 1
    assert spark.table("warehouse.remark").count() == sum(build.rows_visible + build.rows_hidden for build in builds)


def test_names_are_quoted(spark: "SparkSession") -> None:
    """Whatever a name contains, it is a name."""
    row = spark.sql(f"SELECT {literal(chr(39) + ' OR 1=1 -- ' + chr(92))} AS {quoted('a`b')}").collect()[0]
    assert row.asDict() == {"a`b": "' OR 1=1 -- \\"}


VALUES: list[dict[str, Any]] = [
    {"number": number, "text": text, "flag": flag} for number in (None, 0, 1) for text in (None, "", "1") for flag in (None, True, False)
]


@pytest.mark.parametrize("column", ["number", "text", "flag"])
def test_conditions_hold_as_in_python(spark: "SparkSession", column: str) -> None:
    """Every test against every kind of value, nulls and other types among them, is what `Condition.holds` says."""
    entity = Entity.model_validate(
        {
            "description": "anything",
            "key": ["number"],
            "bucket_key": "number",
            "publish_time": "time",
            "columns": {
                "number": {"kind": "id", "type": "int64", "description": "a number"},
                "text": {"kind": "text", "description": "a text"},
                "flag": {"kind": "flag", "description": "a flag"},
                "time": {"kind": "time", "description": "a time"},
            },
        }
    )
    conditions = [Condition(column=column, test="is_null"), Condition(column=column, test="is_not_null")]
    conditions += [Condition(column=column, test=test, value=value) for test in ("equals", "not_equals") for value in (1, "1", "", True)]
    frame = spark.createDataFrame([tuple(row.values()) for row in VALUES], "number bigint, text string, flag boolean")
    answers = frame.select("*", *[condition_holds(condition, entity).alias(f"c{place}") for place, condition in enumerate(conditions)])
    for row in answers.collect():
        assert [row[f"c{place}"] for place in range(len(conditions))] == [condition.holds(row.asDict()) for condition in conditions]


def test_views_of_all_that_is_built_are_published_again(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]
) -> None:
    by_entity = {name: [build for build in built if build.entity == name] for name in sample_catalogue.entities}
    publish_views(spark, storage, sample_catalogue, by_entity)
    spark.sql("DROP VIEW warehouse.comment").collect()
    names = publish_views(spark, storage, sample_catalogue, by_entity)
    assert names == [f"warehouse.{name}" for name, found in by_entity.items() if found]
    assert spark.table("warehouse.comment").count() == sum(build.rows_visible + build.rows_hidden for build in by_entity["comment"])


class LateSession:
    """A session that looks whether a view exists just before another one creates it, once."""

    def __init__(self, spark: "SparkSession") -> None:
        self._spark = spark
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spark, name)

    def sql(self, statement: str) -> "DataFrame":
        if statement.startswith("CREATE OR REPLACE VIEW"):
            self.tries += 1
            if self.tries == 1:
                statement = statement.replace("OR REPLACE ", "", 1)
        return self._spark.sql(statement)


def test_two_who_publish_a_view_at_once_both_succeed(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, built: list[Build]
) -> None:
    comment = sample_catalogue.entities["comment"]
    builds = [build for build in built if build.entity == "comment"]
    publish_view(spark, storage, "comment", comment, builds)
    late: Any = LateSession(spark)
    publish_view(late, storage, "comment", comment, builds[:1])
    assert late.tries == 2
    assert spark.table("warehouse.comment").count() == builds[0].rows_visible + builds[0].rows_hidden
