"""Cases put together in workers, without Spark, against the naive evaluator: groups whose objects all have rules."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.cases import case_json
from srp_assets.recall.scan.candidates import held_of
from srp_assets.recall.scan.compile import BatchPlan, Group, candidate_columns, plan_of
from srp_assets.recall.scan.join import GroupJoin
from srp_assets.recall.scan.lone import lone_cases
from srp_assets.strategy.reference import evaluate
from srp_assets.warehouse.catalogue import Catalogue
from support.candidates import candidates_by_place
from support.generators import batches, table_rows
from support.specs import task_specs


def cases_of(plan: BatchPlan, group: Group, found: dict[int, pa.Table]) -> list[pa.RecordBatch]:
    columns = {name: ["_product", "_bits", "_hits", *candidate_columns(plan, group, name)] for name in group.objects}
    tables = {name: found[plan.place(group, name).index].select(columns[name]) for name in group.objects}
    if len(group.objects) == 1:
        return list(lone_cases(plan, group, tables[group.recall]))
    return list(GroupJoin(plan, group, {name: held_of(table, group) for name, table in tables.items()}).cases())


@given(data=st.data())
def test_cases_of_a_group_are_those_of_the_reference(sample_catalogue: Catalogue, data: st.DataObject) -> None:
    rows = data.draw(table_rows(sample_catalogue))
    tasks = task_specs(data.draw(batches(sample_catalogue)))
    plan = plan_of(sample_catalogue, tasks)
    found = candidates_by_place(plan, rows)
    for group in plan.groups:
        if group.ruled != set(group.objects):
            continue
        assembled = [case for batch in cases_of(plan, group, found) for case in batch.to_pylist()]
        for position in group.tasks:
            task = tasks[position]
            expected = evaluate(task.strategy, sample_catalogue, rows, task.products, task.published_from, task.published_to)
            assert [case_json(case) for case in assembled if case["task_id"] == task.task_id] == expected
