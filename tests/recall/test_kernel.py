"""The scan's kernel against the naive evaluator, partition by partition, without Spark."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.compile import WORD_BITS, BatchPlan, plan_of
from srp_assets.recall.kernel import EntityKernel, UnitCount
from srp_assets.strategy.reference import object_rows
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import period_of
from srp_assets.warehouse.schema import entity_schema
from support.generators import batches, table_rows
from support.specs import task_specs


def partitions(catalogue: Catalogue, entity_name: str, rows: list[dict[str, Any]]) -> dict[tuple[str, str, bool], list[dict[str, Any]]]:
    """Rows by (product, period, visible)."""
    entity = catalogue.entities[entity_name]
    found: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        where = (row["product"], period_of(row[entity.publish_time], catalogue.partition_unit), entity.is_visible(row))
        found.setdefault(where, []).append(row)
    return found


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
        for batch in kernel.scan(whole, product, kernel.active(product, period, visible), count):
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
