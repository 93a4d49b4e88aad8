"""Reducing candidates by columns against pairs of rows, and what is left against what joins in memory."""

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.cases import case_json
from srp_assets.recall.scan.bitmaps import Bitmaps
from srp_assets.recall.scan.candidates import CandidateSource, hold
from srp_assets.recall.scan.compile import BatchPlan, Group, plan_of
from srp_assets.recall.scan.join import GroupJoin
from srp_assets.recall.scan.place_files import place_files
from srp_assets.recall.scan.reduction import received, reduce_candidates
from srp_assets.strategy.reference import evaluate
from srp_assets.warehouse.catalogue import Catalogue, Relation
from srp_assets.warehouse.storage import Storage
from support.candidates import candidates_by_place
from support.generators import batches, table_rows
from support.specs import task_specs

WORDS = 2
VALUES = st.one_of(st.none(), st.integers(0, 3))
RELATION = Relation(left="comment", right="post", any_of=((("a", "x"), ("b", "y")), (("a", "y"),)))


def tables(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> tuple[pa.Table, Bitmaps]:
    schema = pa.schema([("_product", pa.string()), *((name, pa.int64()) for name in columns)])
    tasks = np.array([row["tasks"] for row in rows], dtype=np.uint64).reshape(-1, WORDS)
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema), tasks


def rows_of(*columns: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    tasks = st.lists(st.integers(0, 2**64 - 1), min_size=WORDS, max_size=WORDS)
    products = st.sampled_from(["aurora", "borealis"])
    return st.lists(st.fixed_dictionaries({"_product": products, "tasks": tasks, **dict.fromkeys(columns, VALUES)}), max_size=12)


@given(left=rows_of("a", "b"), right=rows_of("x", "y"))
def test_a_row_receives_the_tasks_of_the_rows_that_it_joins(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    (own, _), (other, sent) = tables(left, ("a", "b")), tables(right, ("x", "y"))
    found = received(RELATION, {"comment": own, "post": other}, sent)
    for row, tasks in zip(left, found.tolist(), strict=True):
        expected = [0] * WORDS
        for partner in right:
            joins = any(all(row[mine] is not None and row[mine] == partner[its] for mine, its in pairs) for pairs in RELATION.any_of)
            if joins and row["_product"] == partner["_product"]:
                expected = [word | its for word, its in zip(expected, partner["tasks"], strict=True)]
        assert tasks == expected


def written(storage: Storage, plan: BatchPlan, group: Group, found: dict[int, pa.Table]) -> dict[str, CandidateSource]:
    """Candidates where a scan would leave them."""
    with place_files(storage, "scan", 0) as write:
        for name in group.ruled:
            for batch in found[plan.place(group, name).index].to_batches(max_chunksize=3):
                write(batch)
    return {name: CandidateSource(folder=f"scan/_place={plan.place(group, name).index}", ruled=True) for name in sorted(group.ruled)}


@given(data=st.data())
def test_what_is_left_gives_the_cases_of_the_reference_and_nothing_else(sample_catalogue: Catalogue, data: st.DataObject) -> None:
    rows = data.draw(table_rows(sample_catalogue))
    tasks = task_specs(data.draw(batches(sample_catalogue)))
    plan = plan_of(sample_catalogue, tasks)
    found = candidates_by_place(plan, rows)
    for group in plan.groups:
        if group.ruled != set(group.objects) or len(group.objects) == 1:
            continue
        with TemporaryDirectory() as folder:
            storage = Storage(folder)
            left = reduce_candidates(storage, plan, group, written(storage, plan, group, found), "left")
            held = {name: hold(storage, plan, group, name, CandidateSource(folder=f"left/{name}", ruled=True)) for name in group.objects}
        assert {name: len(own.rows) for name, own in held.items()} == left
        assembled = [case for batch in GroupJoin(plan, group, held).cases() for case in batch.to_pylist()]
        for bit, position in enumerate(group.tasks):
            task = tasks[position]
            expected = evaluate(task.strategy, sample_catalogue, rows, task.products, task.published_from, task.published_to)
            assert [case_json(case) for case in assembled if case["task_id"] == task.task_id] == expected
            # Nothing is left to a task without cases, and of the recalled object nothing but its cases.
            mine = {name: sum(held_tasks >> bit & 1 for held_tasks in own.tasks) for name, own in held.items()}
            assert mine[group.recall] == len(expected)
            assert all(bool(count) == bool(expected) for count in mine.values())
