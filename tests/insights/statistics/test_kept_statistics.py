"""Statistics of whole batches, counted in Spark from the cases of real runs, against the reference over what the naive evaluator finds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from srp_assets.errors import Conflict, NotFound
from srp_assets.insights import reference
from srp_assets.insights.registry_statistics import uncounted_batches
from srp_assets.insights.statistics import plan_statistics
from srp_assets.insights.statistics.accounting import unaccounted
from srp_assets.insights.statistics.exemptions import EXEMPTIONS_OF
from srp_assets.insights.statistics.keeping import KeptStatistics, bring_up_to_date
from srp_assets.insights.statistics.model import TaskStatistics
from srp_assets.insights.statistics.over_time import strategy_statistics
from srp_assets.insights.statistics.silencing import SWITCHED_OFF
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.claims import claim_window
from srp_assets.recall.refill.refilling import refill_tasks
from srp_assets.recall.registry_batches import remove_batch
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.strategy.reference import evaluate, key_of, key_text
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from support.built_world import BuiltWorld
from support.generators import Ingest, batches, ingests
from support.growing_world import GrowingWorld
from support.recall import add_task
from support.world import post

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE_COST = 25
"""An example here lands, builds, recalls and counts in Spark."""

Case = dict[str, Any]


def with_facts(catalogue: Catalogue, cases: Sequence[Case], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Case]:
    """The naive evaluator's cases with the facts of the rows that they recall."""
    found = []
    for case in cases:
        entity = catalogue.entity_of(case["object"])
        (row,) = [
            row
            for row in rows[catalogue.objects[case["object"]].entity]
            if row["product"] == case["product"] and key_text(key_of(entity, row)) == case["id"]
        ]
        facts = {name: iso_utc(row[name]) if isinstance(row[name], datetime) else row[name] for name in entity.fact_columns}
        found.append({**case, "facts": facts})
    return found


def lines(found: Sequence[Any]) -> dict[tuple[str, ...], tuple[int, int]]:
    return {line.name: (line.cases, line.hits) for line in found}


def as_tallies(found: TaskStatistics) -> dict[str, Any]:
    """Statistics as the reference names them."""
    enums: dict[tuple[str, ...], int] = {}
    for values in found.values:
        enums |= {(values.column, *line.name): line.cases for line in values.lines}
        enums |= {(values.column,): values.missing} if values.missing else {}
    metrics: dict[tuple[str, ...], int] = {}
    for metric in found.metrics:
        metrics |= {(metric.column, str(number)): count for number, (_, count) in enumerate(metric.buckets) if count}
        metrics |= {(metric.column,): metric.missing} if metric.missing else {}
    return {
        "all": (found.cases, found.hits),
        "product": lines(found.products),
        "period": lines(found.periods),
        "enum": enums,
        "metric": metrics,
        "object": lines(found.objects),
        "feature": lines(found.features),
        "list": lines(found.lists),
        "word": lines(found.words),
        "list_pair": {pair.first + pair.second: pair.cases for pair in found.list_pairs},
        "word_pair": {pair.first + pair.second: pair.cases for pair in found.word_pairs},
        "unpaired": found.unpaired,
    }


def expected_tallies(catalogue: Catalogue, cases: Sequence[Case]) -> dict[str, Any]:
    counted = reference.tallies(catalogue, cases)
    only_cases = {name: {key: cases for key, (cases, _) in counted[name].items()} for name in ("enum", "metric", "list_pair", "word_pair")}
    return {
        **counted,
        **only_cases,
        "all": counted["all"].get((), (0, 0)),
        "unpaired": counted["unpaired"].get((), (0, 0))[0],
    }


def without_exemptions(spec: TaskSpec, list_id: str) -> TaskSpec:
    """The task with a list that has no exemptions."""
    lists: dict[str, ResolvedList] = {
        key: words.model_copy(update={"exempt": ()}) if words.id == list_id else words for key, words in spec.strategy.lists.items()
    }
    return spec.model_copy(update={"strategy": spec.strategy.model_copy(update={"lists": lists})})


def cases_of(world: BuiltWorld, spec: TaskSpec) -> list[Case]:
    found = evaluate(spec.strategy, world.catalogue, world.newest, spec.products, spec.published_from, spec.published_to)
    return with_facts(world.catalogue, found, world.newest)


def one_version_a_list(spec: TaskSpec) -> bool:
    return len({words.id for words in spec.strategy.lists.values()}) == len(spec.strategy.lists)


@settings(max_examples=max(1, settings.default.max_examples // EXAMPLE_COST))
@given(data=st.data())
def test_statistics_are_those_of_the_reference(spark: "SparkSession", settings_with_spark: Settings, data: st.DataObject) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
    history, _ = data.draw(ingests(catalogue))
    home = settings_with_spark.model_copy(update={"home": settings_with_spark.home / uuid4().hex})
    world = BuiltWorld(spark, home, catalogue, history)
    tasks = data.draw(batches(catalogue, max_size=6))
    with world.engine.begin() as connection:
        task_ids = [
            add_task(
                connection,
                catalogue,
                strategy=task.strategy,
                products=task.products,
                published_from=task.published_from,
                published_to=task.published_to,
            )
            for task in tasks
        ]
        claim_window(connection, home, now=datetime.now(UTC), at_once=True)
        specs = {spec.task_id: spec for spec in registry.task_specs(connection, task_ids)}
        batch_ids = [batch.batch_id for batch in registry.batches(connection, state="claimed")]
    workshop = Workshop(world.engine, world.storage, catalogue, home, lambda: spark)
    cases = {task_id: cases_of(world, spec) for task_id, spec in specs.items()}
    for batch_id in batch_ids:
        run_batch_now(workshop, batch_id)
        record = bring_up_to_date(workshop, batch_id)
        assert bring_up_to_date(workshop, batch_id) == record  # nothing changed: nothing is counted again
        kept = KeptStatistics.read(world.storage, record)
        with world.engine.connect() as connection:
            for task_id in record.tasks:
                found = kept.of_task(connection, catalogue, task_id)
                assert as_tallies(found) == expected_tallies(catalogue, cases[task_id])
                assert unaccounted(found, len(cases[task_id])) == []
                expect_shared(catalogue, found, {other: cases[other] for other in record.tasks})
                if one_version_a_list(specs[task_id]):
                    expect_silenced(world, specs[task_id], cases[task_id], found)
    expect_over_time(world, cases, {task_id: spec.strategy.id for task_id, spec in specs.items()})
    world.engine.dispose()


def expect_shared(catalogue: Catalogue, found: TaskStatistics, cases: Mapping[str, list[Case]]) -> None:
    """What a task shares with the others of its batch."""
    shared = {
        other: reference.overlap(catalogue, cases[found.task_id], of_other) for other, of_other in cases.items() if other != found.task_id
    }
    assert {other.task_id: (other.shared, other.cases) for other in found.shared} == {
        other: (count, len(cases[other])) for other, count in shared.items() if count
    }


def expect_silenced(world: BuiltWorld, spec: TaskSpec, cases: Sequence[Case], found: TaskStatistics) -> None:
    exempting = [words.id for words in spec.strategy.lists.values() if words.exempt]
    assert found.silenced_unknown is None
    assert [silenced.list_id for silenced in found.silenced] == exempting
    for silenced in found.silenced:
        expected = reference.silenced(cases, cases_of(world, without_exemptions(spec, silenced.list_id)))
        assert silenced.cases == len(expected)
        assert {(case["product"], case["id"]) for case in silenced.samples} <= expected
        assert len(silenced.samples) == min(len(expected), 20)
        assert sum(count for _, count in silenced.exemptions) >= silenced.cases
        for case in silenced.samples:
            assert {hit["word"] for hit in case["hits"] if hit["list"] == f"{EXEMPTIONS_OF}{silenced.list_id}"}


def expect_over_time(world: BuiltWorld, cases: Mapping[str, list[Case]], strategies: Mapping[str, str]) -> None:
    """Each strategy: its tasks in order, what each was the first to find, and the rows that other strategies have found too."""
    rows = {
        task_id: {(world.catalogue.objects[case["object"]].entity, case["product"], case["id"]) for case in of}
        for task_id, of in cases.items()
    }
    for strategy in set(strategies.values()):
        with world.engine.connect() as connection:
            found = strategy_statistics(connection, world.storage, strategy)
        assert found.uncounted == ()
        assert {run.task_id for run in found.runs} == {task_id for task_id, name in strategies.items() if name == strategy}
        seen: set[tuple[str, str, str]] = set()
        for run in found.runs:
            assert (run.cases, run.new) == (len(rows[run.task_id]), len(rows[run.task_id] - seen))
            seen |= rows[run.task_id]
        assert found.distinct == len(seen)
        others = {name: set().union(*(rows[task_id] for task_id in rows if strategies[task_id] == name)) for name in strategies.values()}
        shared = {name: len(seen & of) for name, of in others.items() if name != strategy and seen & of}
        assert {other.strategy: other.cases for other in found.shared} == shared
        for word in found.words:
            assert len(word.cases) == len(found.runs)


TITLE = Feature(name="title", kind="text", type="string", parts=("title",))
SHARKS = ResolvedList(id="sharks", version=1, words=("shark", "fin"), exempt=(ExemptGroup(words=("shark week",)),))


def sharks(task_id: str) -> TaskSpec:
    rule = Rule(feature=TITLE, match="matches", value="sharks@1")
    strategy = ResolvedStrategy(id=task_id, version=1, products="*", recall="post", objects={"post": rule}, lists={"sharks@1": SHARKS})
    return TaskSpec(task_id=task_id, strategy=strategy, products=("aurora",))


def test_after_a_refill_only_its_task_is_counted_again(
    spark: "SparkSession", settings_with_spark: Settings, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GrowingWorld(spark, settings_with_spark, sample_catalogue)
    world.land([Ingest("aurora", {"post": [post(1, title="a shark"), post(2, title="fin"), post(3, title="shark week", month=2)]})])
    world.build()
    world.run([sharks("followed"), sharks("left")])
    batch_id = world.task("left").batch_id or ""
    first = bring_up_to_date(world.workshop, batch_id)
    world.land(
        [
            Ingest(
                "aurora", {"post": [post(1, title="nothing", updated_at=datetime(2024, 1, 9, tzinfo=UTC)), post(4, title="shark", month=2)]}
            )
        ]
    )
    world.build()
    refill_tasks(world.workshop, ["followed"])
    assert [case["id"] for case in world.cases("followed")] == ["2", "4"]
    with world.engine.connect() as connection:
        assert list(uncounted_batches(connection)) == [batch_id]
    counted: list[list[str]] = []
    count_cases = plan_statistics.count_cases

    def noted(*arguments: Any) -> Any:
        counted.append([task_id for source in arguments[3] for task_id in source.task_ids])
        return count_cases(*arguments)

    monkeypatch.setattr(plan_statistics, "count_cases", noted)
    second = bring_up_to_date(world.workshop, batch_id)
    assert counted == [["followed"]]
    kept = KeptStatistics.read(world.storage, second)
    with world.engine.connect() as connection:
        assert uncounted_batches(connection) == {}
        followed, left = (kept.of_task(connection, sample_catalogue, task_id) for task_id in ("followed", "left"))
    assert lines(left.words) == {("sharks", "shark"): (1, 1), ("sharks", "fin"): (1, 1)}
    assert lines(followed.words) == {("sharks", "shark"): (1, 1), ("sharks", "fin"): (1, 1)}
    assert (lines(left.periods), lines(followed.periods)) == ({("2024-01",): (2, 2)}, {("2024-01",): (1, 1), ("2024-02",): (1, 1)})
    assert (followed.withdrawn, left.withdrawn) == (1, 0)
    assert [(other.task_id, other.shared) for other in followed.shared] == [("left", 1)]
    for found in (followed, left):
        assert [(silenced.cases, [case["id"] for case in silenced.samples]) for silenced in found.silenced] == [(1, ["3"])]
    off = replace(world.workshop, settings=world.workshop.settings.model_copy(update={"statistics_exemptions": False}))
    world.run([sharks("quick")])
    assert bring_up_to_date(off, world.task("quick").batch_id or "").tasks["quick"].silenced_unknown == SWITCHED_OFF
    # Statistics outlive the cases, their samples and their keys do not.
    assert world.storage.exists(f"{first.folder}/tallies.parquet")  # whoever began to read them reads on
    world.storage.delete_tree(f"cases/{batch_id}")
    with world.engine.begin() as connection:
        remove_batch(connection, batch_id, note="gone")
        after = KeptStatistics.read(world.storage, second).of_task(connection, sample_catalogue, "left")
    assert (lines(after.words), after.silenced[0].samples) == (lines(left.words), ())
    with pytest.raises(NotFound, match="no longer kept"):
        bring_up_to_date(world.workshop, batch_id)
    world.close()


def test_a_batch_without_finished_tasks_is_not_counted(
    settings: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue
) -> None:
    with engine.begin() as connection:
        add_task(connection, sample_catalogue)
        claim_window(connection, settings, now=datetime.now(UTC), at_once=True)
        (batch,) = registry.batches(connection)
    workshop = Workshop(engine, storage, sample_catalogue, settings, lambda: pytest.fail("no Spark is needed"))
    with pytest.raises(Conflict, match="no task of it is done"):
        bring_up_to_date(workshop, batch.batch_id)
    with pytest.raises(NotFound, match="there is no batch"):
        bring_up_to_date(workshop, "batch")
