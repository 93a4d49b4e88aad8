"""Scans and batches that find hits of standing lists kept get what they would get without, and what the naive evaluator gives."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.compile import WORD_BITS, BatchPlan, plan_of, probes_of
from srp_assets.recall.scan.kernel import HIT_WORD_BITS, EntityKernel, UnitCount
from srp_assets.recall.scan.plan_scan import ScanOrder, order_scan, scan_unit
from srp_assets.settings import Settings
from srp_assets.strategy.features import features_of
from srp_assets.strategy.reference import evaluate
from srp_assets.strategy.resolved import ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, BuildFile
from srp_assets.warehouse.schema import entity_schema
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits, current_hits
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.hit_scan import HitsOrder
from srp_assets.wordlists.standing.keeping import bring_hits_up_to_date, hits_of_builds, pieces_of
from srp_assets.wordlists.standing.lists import text_features
from support.built_world import LIMITS, BuiltWorld, assert_accounted
from support.generators import SEEDS, batches, ingests, table_rows
from support.recall import START
from support.specs import task_specs
from support.standing import write_hits_here
from support.world import comment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE_COST = 12
"""An example here lands, builds and joins in Spark: it takes the place of this many cheap ones."""


def build_of(storage: Storage, catalogue: Catalogue, entity_name: str, rows: Sequence[dict[str, Any]], random: Random) -> Build:
    """Rows of one product as a build of one period, whatever they are: some files of some row groups, visible or not."""
    entity = catalogue.entities[entity_name]
    names = [*entity.columns]
    files = []
    for number in range(random.randint(1, 3)):
        own = [{name: row[name] for name in names} for row in rows if random.random() < 0.5]
        if own:
            path = f"{uuid4().hex}.parquet"
            table = pa.Table.from_pylist(own, schema=entity_schema(entity))
            storage.write(path, table, row_group_rows=random.choice((1, 3, 100)))
            files.append(BuildFile(path, random.random() < 0.7, number, len(own), 1))
    visible = sum(file.rows for file in files if file.visible)
    hidden = sum(file.rows for file in files) - visible
    return Build(1, entity_name, rows[0]["product"], "2024-01", 1, visible, hidden, 0, 0, tuple(files), START, None)


def kept_of(storage: Storage, build: Build, features: dict[str, tuple[str, ...]], lists: Sequence[ResolvedList]) -> StandingHits:
    """The hits of lists in a build."""
    pieces = pieces_of([build], uuid4().hex)
    order = HitsOrder(features=features, lists=tuple(lists), pieces=pieces, slots=())
    counts = write_hits_here(None, storage, order, "")
    (hits,) = hits_of_builds([build], pieces, counts, features, lists, "digest", None)
    return hits


def found_by(storage: Storage, plan: BatchPlan, entity_name: str, order: ScanOrder) -> tuple[list[dict[str, Any]], list[UnitCount]]:
    """What the scan of an order yields, with the hits that are of the tasks that a row fits; and what it counts."""
    kernel, probes = EntityKernel(plan, entity_name), plan.probes(entity_name)
    counts = [UnitCount() for _ in order.units]
    scans = [scan_unit(storage, kernel, order, index, count) for index, count in enumerate(counts)]
    rows = [row for scan in scans for batch in scan for row in batch.to_pylist()]
    for row in rows:
        logic = plan.places[row["_place"]].logic
        bits = [bit for bit in range(len(logic)) if row["_bits"][bit // WORD_BITS] >> (bit % WORD_BITS) & 1]
        mine = frozenset[Any]().union(*(probes_of(logic[bit]) for bit in bits))
        row["_hits"] = [hit for hit in row["_hits"] if probes[hit >> HIT_WORD_BITS] in mine]
    # Rows of a place keep their order; where a batch ends is of no meaning.
    return sorted(rows, key=lambda row: row["_place"]), counts


@given(data=st.data())
def test_a_scan_with_kept_hits_finds_and_counts_the_same(sample_catalogue: Catalogue, storage: Storage, data: st.DataObject) -> None:
    rows = data.draw(table_rows(sample_catalogue))
    tasks = task_specs(data.draw(batches(sample_catalogue)))
    random = Random(data.draw(SEEDS))
    plan = plan_of(sample_catalogue, tasks)
    for entity_name, entity in sample_catalogue.entities.items():
        own = [row for row in rows[entity_name] if row["product"] == "aurora"]
        if not own or not plan.places_of(entity_name):
            continue
        build = build_of(storage, sample_catalogue, entity_name, own, random)
        lists = [changed(list_) if random.random() < 0.2 else list_ for list_ in plan.lists.values() if random.random() < 0.8]
        distinct = list({list_.id: list_ for list_ in lists}.values())
        features = {name: parts for name, parts in text_features(entity).items() if random.random() < 0.9}
        hits = {1: kept_of(storage, build, features, distinct)} if features and distinct else {}
        with_kept = order_scan(plan, entity_name, [build], {}, hits)
        without = order_scan(plan, entity_name, [build], {})
        assert found_by(storage, plan, entity_name, with_kept) == found_by(storage, plan, entity_name, without)


def test_a_text_that_is_only_matched_is_not_read(sample_catalogue: Catalogue, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hits of a text are kept, it is read of the row groups alone in which rows fit, and no scanner is compiled."""
    rows = [comment(number, 1, text="thanks" if number == 5 else "else") for number in range(8)]
    entity = sample_catalogue.entities["comment"]
    storage.write("one.parquet", pa.Table.from_pylist(rows, schema=entity_schema(entity)), row_group_rows=2)
    build = Build(1, "comment", "aurora", "2024-01", 1, 8, 0, 0, 0, (BuildFile("one.parquet", True, 0, 8, 1),), START, None)
    thanks = ResolvedList(id="thanks", version=3, words=("thanks",))
    rule = Rule(feature=features_of(entity)["text"], match="matches", value="thanks@3")
    strategy = ResolvedStrategy(id="s", version=1, products="*", recall="comment", objects={"comment": rule}, lists={"thanks@3": thanks})
    plan = plan_of(sample_catalogue, [TaskSpec(task_id="t", strategy=strategy, products=("aurora",))])
    earlier = thanks.model_copy(update={"version": 1})
    hits = kept_of(storage, build, text_features(entity), [earlier])
    read: list[tuple[int, str]] = []
    read_row_group = pq.ParquetFile.read_row_group

    def noting(self: pq.ParquetFile, group: int, columns: list[str], **more: Any) -> pa.Table:
        read.extend((group, name) for name in columns)
        return read_row_group(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noting)
    monkeypatch.setattr("srp_assets.recall.scan.kernel.shared", None)
    order = order_scan(plan, "comment", [build], {}, {1: hits})
    assert "text" not in EntityKernel(plan, "comment").early_columns(frozenset({0}))
    fitting, _ = found_by(storage, plan, "comment", order)
    assert [(row["comment_id"], row["text"], row["_hits"]) for row in fitting] == [(5, "thanks", [0])]
    assert [(group, name) for group, name in read if name == "text"] == [(2, "text")]


def keep_some(world: BuiltWorld, tasks: Sequence[TaskSpec], random: Random) -> dict[int, StandingHits]:
    """Keeps hits as a platform in the middle of changes has them: of some lists of the tasks, of some with other words, of some periods,
    in some an older set of lists."""
    lists = {(list_.id, list_.version): list_ for task in tasks for list_ in task.strategy.lists.values()}
    newest = {list_.id: list_ for _, list_ in sorted(lists.items())}
    today = [list_ for list_ in newest.values() if random.random() < 0.8]
    before = [changed(list_) if random.random() < 0.5 else list_ for list_ in today if random.random() < 0.8]
    hits: dict[int, StandingHits] = {}
    for entity in world.catalogue.entities:
        periods = sorted({build.period for build in world.builds[entity]})
        for standing in (before, today):
            chosen = [period for period in periods if random.random() < 0.7]
            bring_hits_up_to_date(lambda: world.spark, world.engine, world.storage, world.catalogue, entity, chosen, standing)
        with world.engine.connect() as connection:
            hits |= current_hits(connection, entity=entity)
    return hits


def changed(list_: ResolvedList) -> ResolvedList:
    """Another version with one word more, before all others."""
    return list_.model_copy(update={"version": list_.version + 10, "words": ("gift&free", *list_.words)})


@settings(max_examples=max(2, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_kept_hits_change_no_answer(
    spark: "SparkSession", settings: Settings, monkeypatch: pytest.MonkeyPatch, sample_catalogue: Catalogue, data: st.DataObject
) -> None:
    catalogue = sample_catalogue
    history, _ = data.draw(ingests(catalogue))
    tasks = task_specs(data.draw(batches(catalogue)))
    limits = data.draw(st.sampled_from(LIMITS))
    random = Random(data.draw(SEEDS))
    monkeypatch.setattr("srp_assets.wordlists.standing.plan_hits.write_hits", write_hits_here)
    world = BuiltWorld(spark, settings.model_copy(update={"home": settings.home / uuid4().hex}), catalogue, history)
    hits = keep_some(world, tasks, random)
    result, cases = world.run(tasks, limits, hits)
    for task in tasks:
        expected = evaluate(task.strategy, catalogue, world.newest, task.products, task.published_from, task.published_to)
        assert cases[task.task_id] == expected
    assert_accounted(tasks, result, cases)
    world.engine.dispose()
