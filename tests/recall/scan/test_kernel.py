"""The scan's kernel against the naive evaluator, partition by partition, without Spark."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.compile import WORD_BITS, BatchPlan, plan_of
from srp_assets.recall.scan.kernel import EntityKernel, UnitCount
from srp_assets.recall.scan.plan_scan import ScanOrder, scan_unit
from srp_assets.strategy.reference import object_rows
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.scan_units import ScanUnit
from srp_assets.warehouse.schema import entity_schema
from srp_assets.warehouse.storage import Storage
from support.generators import batches, table_rows
from support.partitions import partitions
from support.specs import task_specs


def scanned_keys(
    plan: BatchPlan, entity_name: str, rows: list[dict[str, Any]]
) -> tuple[dict[tuple[str, str], set[Any]], dict[tuple[str, str], int]]:
    """What the kernel finds: by (task, object) the keys of the rows that fit, and how many were counted."""
    kernel = EntityKernel(plan, entity_name)
    entity = plan.catalogue.entities[entity_name]
    found: dict[tuple[str, str], set[Any]] = {}
    counted: dict[tuple[str, str], int] = {}
    for (product, period, visible), own in partitions(plan.catalogue, entity_name, rows).items():
        whole = pa.RecordBatch.from_pylist(own, schema=entity_schema(entity)).select(list(kernel.columns))
        count = UnitCount()
        active = kernel.active(product, period, visible)
        possible = kernel.possible(whole.select(list(kernel.limiting_columns)), active)
        assert (possible is not None) == kernel.is_limited(active)
        for batch in kernel.scan(whole, product, active, count):
            if possible is not None:
                keys = {tuple(row[name] for name in entity.key) for row in whole.filter(pa.array(possible)).to_pylist()}
                assert {tuple(row[name] for name in entity.key) for row in batch.to_pylist()} <= keys
            for row in batch.to_pylist():
                place = plan.places[row["_place"]]
                for bit, position in enumerate(place.group.tasks):
                    if (row["_bits"][bit // WORD_BITS] >> (bit % WORD_BITS)) & 1:
                        key = (product, *(row[name] for name in entity.key))
                        found.setdefault((plan.tasks[position].task_id, place.object), set()).add(key)
        assert count.scanned == len(own)
        for (index, bit), matched in count.matched.items():
            where = (plan.tasks[plan.places[index].group.tasks[bit]].task_id, plan.places[index].object)
            counted[where] = counted.get(where, 0) + matched
    return found, counted


@given(data=st.data())
def test_kernel_finds_the_rows_that_the_reference_finds(sample_catalogue: Catalogue, data: st.DataObject) -> None:
    rows = data.draw(table_rows(sample_catalogue))
    tasks = task_specs(data.draw(batches(sample_catalogue)))
    plan = plan_of(sample_catalogue, tasks)
    for entity_name, entity in sample_catalogue.entities.items():
        found, counted = scanned_keys(plan, entity_name, rows[entity_name])
        for place in plan.places_of(entity_name):
            for position in place.group.tasks:
                task = tasks[position]
                of_products = [row for row in rows[entity_name] if row["product"] in task.products]
                expected = object_rows(task.strategy, sample_catalogue, place.object, of_products, task.published_from, task.published_to)
                keys = {(row["product"], *(row[name] for name in entity.key)) for row in expected}
                assert found.get((task.task_id, place.object), set()) == keys
                assert counted.get((task.task_id, place.object), 0) == len(keys)


VIEWS = Feature(name="view_count", kind="metric", type="int64", parts=("view_count",))
TITLE = Feature(name="title", kind="text", type="string", parts=("title",))
POPULAR = Rule(feature=VIEWS, match=">=", value=100)
SEEN = Rule(feature=VIEWS, match=">=", value=50)
NAMED = Rule(feature=TITLE, match="contains", value="a")


def post_kernel(catalogue: Catalogue, *logics: Node) -> EntityKernel:
    """The kernel of one task for each logic of posts."""
    tasks = [
        TaskSpec(
            task_id=f"task-{number}",
            strategy=ResolvedStrategy(id=f"s-{number}", version=1, products="*", recall="post", objects={"post": logic}),
            products=("aurora",),
        )
        for number, logic in enumerate(logics)
    ]
    return EntityKernel(plan_of(catalogue, tasks), "post")


@pytest.mark.parametrize(
    ("logics", "possible"),
    [
        ([AllOf(all=(POPULAR, NAMED))], [False, False, True]),
        ([AllOf(all=(POPULAR, NAMED)), Not(not_=AnyOf(any=(SEEN, NAMED)))], [True, False, True]),
        ([AnyOf(any=(AllOf(all=(SEEN, NAMED)), POPULAR))], [False, True, True]),
        ([AnyOf(any=(POPULAR, NAMED))], None),
        ([AllOf(all=(POPULAR, NAMED)), NAMED], None),
        ([Not(not_=AllOf(all=(POPULAR, NAMED)))], None),
    ],
)
def test_rows_that_no_text_can_save_are_known_before_texts_are_read(
    sample_catalogue: Catalogue, logics: list[Node], possible: list[bool] | None
) -> None:
    kernel = post_kernel(sample_catalogue, *logics)
    rows = pa.RecordBatch.from_pydict({"view_count": pa.array([10, 60, 150], pa.int64())})
    active = kernel.active("aurora", "2024-01", True)
    found = kernel.possible(rows, active)
    assert found is None if possible is None else found.tolist() == possible
    assert kernel.is_limited(active) == (possible is not None)


def test_texts_of_row_groups_without_a_possible_row_are_not_read(
    sample_catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = post_kernel(sample_catalogue, AllOf(all=(POPULAR, NAMED)))
    schema = entity_schema(sample_catalogue.entities["post"])
    posts = [
        {
            "post_id": number,
            "user_id": 1,
            "title": "a title",
            "body": "",
            "view_count": views,
            "post_time": datetime(2024, 1, 5, tzinfo=UTC),
        }
        for number, views in enumerate([5, 7, 5, 200, 9, 6, 7, 8, 500])
    ]
    pq.write_table(pa.Table.from_pylist(posts, schema=schema), tmp_path / "posts.parquet", row_group_size=3)
    unit = ScanUnit(path="posts.parquet", product="aurora", period="2024-01", visible=True, bucket=0, rows=9, bytes=1000)
    order = ScanOrder(entity="post", units=(unit,), slots=((0,),))
    read: list[int] = []
    iter_batches = pq.ParquetFile.iter_batches

    def spy(file: pq.ParquetFile, *arguments: Any, row_groups: list[int], **options: Any) -> Any:
        read.extend(row_groups)
        return iter_batches(file, *arguments, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    count = UnitCount()
    found = [batch.to_pylist() for batch in scan_unit(Storage(str(tmp_path)), kernel, order, 0, count)]
    assert read == [1, 2]
    assert [row["post_id"] for batch in found for row in batch] == [3, 8]
    assert (count.scanned, list(count.matched.values())) == (9, [2])
