"""What Spark plans: objects without rules are joined where their rows lie, and look-ups by key open few buckets."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.compile import native_levels, plan_of
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_batch import BatchRun
from srp_assets.recall.scan.plan_large_groups import CONSTRAINTS, LargeGroups
from srp_assets.recall.scan.plan_scan import order_scan, point_lookups
from srp_assets.strategy.resolved import Feature, Node, ResolvedStrategy, Rule
from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue, Pattern
from srp_assets.warehouse.registry_builds import Build, current_builds, stale_periods
from srp_assets.warehouse.storage import Storage
from support.generators import Rows
from support.landed import LandedByReference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LIKES = Feature(name="like_count", kind="metric", type="int64", parts=("like_count",))
FOLLOWERS = Feature(name="follower_count", kind="metric", type="int64", parts=("follower_count",))


def rows(catalogue: Catalogue) -> Rows:
    """A few posts with comments, replies and users, in two periods."""
    times = ("2024-01-05T10:00:00Z", "2024-02-05T10:00:00Z")
    dates = [{"created_at": times[number % 2], "updated_at": times[number % 2]} for number in range(40)]
    return {
        "post": [{"post_id": n, "user_id": n % 7, "like_count": n, **dates[n]} for n in range(20)],
        "comment": [
            {"comment_id": n, "post_id": n % 20, "user_id": n % 7, "like_count": n, **dates[n]}
            | ({"parent_id": n - 20, "sibling_id": n - 20} if n >= 20 else {})
            for n in range(40)
        ],
        "user": [{"user_id": n, "follower_count": n, **dates[n]} for n in range(7)],
    }


@pytest.fixture
def builds(spark: "SparkSession", engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> Iterator[dict[str, list[Build]]]:
    landed = LandedByReference(engine, storage, sample_catalogue)
    landed.ingest("aurora", [(entity, row) for entity, of_entity in rows(sample_catalogue).items() for row in of_entity])
    with engine.connect() as connection:
        stale = stale_periods(connection)
    build_periods(spark, engine, storage, sample_catalogue, stale)
    with engine.connect() as connection:
        yield {name: current_builds(connection, entity=name) for name in sample_catalogue.entities}


def task(catalogue: Catalogue, pattern: Pattern, ruled: str, node: Node | None = None) -> TaskSpec:
    """A task over a pattern with rules on one object alone."""
    likes = FOLLOWERS if catalogue.objects[ruled].entity == "user" else LIKES
    logic = node or Rule(feature=likes, match=">=", value=3)
    strategy = ResolvedStrategy(
        id="plan",
        version=1,
        products="*",
        recall=pattern.objects[0],
        objects={name: logic if name == ruled else None for name in pattern.objects},
    )
    return TaskSpec(task_id=f"task-{'-'.join(pattern.objects)}-{ruled}", strategy=strategy, products=("aurora",))


def exchanged_lines(plan: str) -> list[str]:
    """The physical plan below each Exchange, as text: what an Exchange moves is more deeply indented and follows it."""
    lines = plan.splitlines()
    moved = []
    for number, line in enumerate(lines):
        if "Exchange" not in line:
            continue
        depth = re.search(r"[A-Z]", line)
        below = []
        for other in lines[number + 1 :]:
            start = re.search(r"[A-Z*]", other)
            if start is None or depth is None or start.start() <= depth.start():
                break
            below.append(other)
        moved.append("\n".join(below))
    return moved


def test_no_unfiltered_row_of_an_object_without_rules_is_exchanged(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, builds: dict[str, list[Build]]
) -> None:
    # The tables of a test are small enough to be broadcast whole; those of a platform are not.
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    joins = [pattern for pattern in sample_catalogue.patterns if len(pattern.objects) > 1]
    tasks = [task(sample_catalogue, pattern, ruled) for pattern in joins for ruled in pattern.objects]
    attempt = Attempt(spark, storage, plan_of(sample_catalogue, tasks), builds, "plans")
    attempt.give_order("plan", attempt.plan)
    run = BatchRun(attempt, broadcast_rows=0, worker_rows=0)
    for entity in run.entities:
        run.scan(entity)
    bucketed, broadcast = (LargeGroups(attempt, run.found(), rows) for rows in (0, 1_000_000))
    tables = 0
    for group in attempt.plan.groups:
        found = bucketed.ruled(group)
        native = [name for level in native_levels(sample_catalogue, group) for name in level]
        for name in native:
            tables += 1
            frames = [broadcast.native_frame(group, name, found)]
            bucket_key = sample_catalogue.entity_of(name).bucket_key
            edges = bucketed.known_edges(group, name, found)
            if all(pairs[0][0] == bucket_key for relation in edges for pairs in relation.any_of):
                frames.append(bucketed.native_frame(group, name, found))
            for below in (below for frame in frames for below in exchanged_lines(frame._explain_string())):
                assert "spark_catalog.warehouse" not in below
            if name != native[-1]:
                found[name] = bucketed.reduced_table(group, name, found)
    assert tables > len(joins)


@pytest.mark.parametrize(("match", "value", "most"), [("=", 3, 1), ("in", (3, 4, 5, 6), 2)])
def test_look_ups_by_key_open_only_their_buckets(
    spark: "SparkSession",
    storage: Storage,
    sample_catalogue: Catalogue,
    builds: dict[str, list[Build]],
    match: str,
    value: int | tuple[int, ...],
    most: int,
) -> None:
    feature = Feature(name="post_id", kind="id", type="int64", parts=("post_id",))
    pattern = next(pattern for pattern in sample_catalogue.patterns if pattern.objects == ("comment",))
    rule = Rule(feature=feature, match=match, value=value)  # type: ignore[arg-type]
    plan = plan_of(sample_catalogue, [task(sample_catalogue, pattern, "comment", rule)])
    order = order_scan(plan, "comment", builds["comment"], point_lookups(spark, plan, "comment"))
    whole = order_scan(plan, "comment", builds["comment"], {})
    assert {unit.bucket for unit in whole.units} == {0, 1}
    assert 1 <= len({unit.bucket for unit in order.units}) <= most
    if match == "=":
        assert len(order.units) < len(whole.units)
    outcome = BatchRun(Attempt(spark, storage, plan, builds, f"lookups/{match}"), broadcast_rows=1_000_000, worker_rows=1_000_000).run()
    expected = value if isinstance(value, tuple) else (value,)
    assert outcome.case_counts == {"task-comment-comment": len(expected)}
    assert all(cell.scanned == cell.present for cell in outcome.cells)
    assert sum(cell.present + cell.excluded for cell in outcome.cells) == sum(build.rows_visible for build in builds["comment"])


def test_a_thousand_tasks_are_planned_and_joined_in_spark(
    spark: "SparkSession", storage: Storage, sample_catalogue: Catalogue, builds: dict[str, list[Build]]
) -> None:
    pattern = next(pattern for pattern in sample_catalogue.patterns if set(pattern.objects) == {"post", "comment"})
    thresholds = [Rule(feature=LIKES, match=">=", value=number % 45) for number in range(1_000)]
    tasks = [
        TaskSpec(task_id=f"task-{number}", strategy=task(sample_catalogue, pattern, "comment", rule).strategy, products=("aurora",))
        for number, rule in enumerate(thresholds)
    ]
    plan = plan_of(sample_catalogue, tasks)
    before = spark.conf.get(CONSTRAINTS)
    found = BatchRun(Attempt(spark, storage, plan, builds, "thousand"), broadcast_rows=0, worker_rows=0).run()
    # One comment to a post, with as many likes as its number; the others are replies.
    assert found.case_counts == {f"task-{number}": max(0, 20 - number % 45) for number in range(1_000)}
    assert spark.conf.get(CONSTRAINTS) == before
