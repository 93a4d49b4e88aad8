"""Which join keys later builds touch: outside of them cases are as they were, and on them alone a task finds exactly its cases there."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.recall.batch import Cell, TaskSpec, reads_period
from srp_assets.recall.refill.reopened import Ledger, Reopened
from srp_assets.recall.refill.touched import (
    BuildPair,
    Roots,
    Touches,
    Values,
    left_columns,
    limited_to,
    right_columns,
    root_columns,
    touched_roots,
)
from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.reference import evaluate, key_of, key_text
from srp_assets.warehouse import reference
from srp_assets.warehouse.catalogue import Catalogue, Relation, load_catalogue
from srp_assets.warehouse.registry_builds import PeriodKey
from support.generators import Ingest, batches, ingests
from support.recall import popular
from support.specs import task_specs
from support.world import comment, post

Row = dict[str, Any]
Tables = dict[PeriodKey, list[Row]]


class TwoStates:
    """Reads rows of the tables as they were and as they are, as `plan_refill.BuiltRows` does of builds; a period's build is its place."""

    def __init__(self, before: Tables, after: Tables) -> None:
        self.before, self.after = before, after
        self.periods = sorted(after)

    def build_id(self, period: PeriodKey) -> int:
        return self.periods.index(period) + 1

    def changed(self, entity: str, pairs: Iterable[BuildPair], columns: Sequence[str]) -> Touches:
        found: Touches = {}
        for pair in pairs:
            period = self.periods[pair.new - 1]
            assert period.entity == entity
            assert (pair.old is None) == (period not in self.before)
            old, new = self.before.get(period, []), self.after[period]
            for row in [row for row in old if row not in new] + [row for row in new if row not in old]:
                found.setdefault(tuple(row[name] for name in columns), set()).add(pair.new)
        return found

    def joining(
        self, entity: str, products: Sequence[str], relation: Relation, sent: Iterable[Values], columns: Sequence[str]
    ) -> set[Values]:
        names = right_columns(relation)
        right = [dict(zip(names, values, strict=True)) for values in sent]
        rows = [row for period, found in self.after.items() if period.entity == entity and period.product in products for row in found]
        wanted = (*left_columns(relation), *columns)
        return {
            tuple(row[name] for name in wanted)
            for row in rows
            if any(
                all(row[own] is not None and row[own] == other[far] for own, far in pairs) for pairs in relation.any_of for other in right
            )
        }


def tables(world: reference.Warehouse) -> Tables:
    """The tables of all periods that have been reached."""
    return {
        PeriodKey(*key): [{**row, "product": key[1]} for row in partition.table()]
        for key, partition in world.partitions.items()
        if partition.stored or partition.tombstones
    }


def land(world: reference.Warehouse, history: Iterable[Ingest], start: int = 0) -> set[PeriodKey]:
    reopened: set[PeriodKey] = set()
    for number, ingest in enumerate(history, start):
        landed_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        rows = [(entity, row) for entity, found in ingest.rows.items() for row in found]
        reopened |= {PeriodKey(*key) for key in world.ingest(ingest.product, landed_at, rows)}
    return reopened


def ledger(catalogue: Catalogue, spec: TaskSpec, reopened: Iterable[PeriodKey], states: TwoStates) -> Ledger:
    found = [
        Reopened(
            name,
            period,
            Cell(spec.task_id, name, period.product, period.period, 0, 0, 0, build_id=-1) if period in states.before else None,
            states.build_id(period),
        )
        for name in spec.strategy.objects
        for period in sorted(reopened)
        if period.entity == catalogue.objects[name].entity and period.product in spec.products
        if reads_period(catalogue, spec, name, period.period)
    ]
    return Ledger(None, spec, (), tuple(found))


def cases(catalogue: Catalogue, spec: TaskSpec, found: Tables) -> dict[tuple[str, str], Any]:
    rows: dict[str, list[Row]] = {name: [] for name in catalogue.entities}
    for period, of_period in found.items():
        rows[period.entity] += of_period
    answer = evaluate(spec.strategy, catalogue, rows, spec.products, spec.published_from, spec.published_to)
    return {(case["product"], case["id"]): case for case in answer}


def roots_of(catalogue: Catalogue, spec: TaskSpec, found: Tables) -> dict[tuple[str, str], Any]:
    entity_name = catalogue.objects[spec.strategy.recall].entity
    entity = catalogue.entities[entity_name]
    rows = [row for period, of_period in found.items() if period.entity == entity_name for row in of_period]
    return {(row["product"], key_text(key_of(entity, row))): row[entity.bucket_key] for row in rows}


@pytest.mark.parametrize("name", ["sample", "stackexchange", "shop"])
@given(data=st.data())
def test_cases_of_other_roots_stay_and_those_of_touched_roots_are_found_alone(name: str, data: st.DataObject) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / name / "catalogue.yaml")
    history, _ = data.draw(ingests(catalogue, max_rows=15))
    cut = data.draw(st.integers(0, len(history)))
    world = reference.Warehouse(catalogue)
    land(world, history[:cut])
    before = tables(world)
    reopened = land(world, history[cut:], cut)
    states = TwoStates(before, tables(world))
    for spec in task_specs(data.draw(batches(catalogue, max_size=4))):
        roots = touched_roots(catalogue, ledger(catalogue, spec, reopened, states), states)
        old, new = cases(catalogue, spec, states.before), cases(catalogue, spec, states.after)
        old_roots, new_roots = roots_of(catalogue, spec, states.before), roots_of(catalogue, spec, states.after)
        assert {key: case for key, case in old.items() if old_roots[key] not in roots} == {
            key: case for key, case in new.items() if new_roots[key] not in roots
        }
        there = {key: case for key, case in new.items() if new_roots[key] in roots}
        assert (cases(catalogue, limited_to(catalogue, spec, roots), states.after) if roots else {}) == there


def touched(
    catalogue: Catalogue, objects: Sequence[str], recall: str, before: list[tuple[str, Row]], later: list[tuple[str, Row]]
) -> Roots:
    """The roots that an ingest touches after another one."""
    world = reference.Warehouse(catalogue)
    world.ingest("aurora", datetime(2026, 1, 1, tzinfo=UTC), before)
    old = tables(world)
    reopened = {PeriodKey(*key) for key in world.ingest("aurora", datetime(2026, 1, 2, tzinfo=UTC), later)}
    states = TwoStates(old, tables(world))
    spec = TaskSpec(task_id="t", strategy=popular(*objects, recall=recall), products=("aurora",))
    return touched_roots(catalogue, ledger(catalogue, spec, reopened, states), states)


def newer(row: Row, **changes: Any) -> Row:
    return row | changes | {"updated_at": row["updated_at"] + timedelta(days=1)}


def test_only_the_roots_of_changed_rows_are_touched(sample_catalogue: Catalogue) -> None:
    before = [("post", post(number, user=number)) for number in (1, 2, 3, 4)]
    before += [("comment", comment(10 + number, number, user=number + 20)) for number in (1, 2, 3, 4)]
    user = {"user_id": 23, "created_at": datetime(2024, 1, 1, tzinfo=UTC), "updated_at": datetime(2024, 1, 1, tzinfo=UTC)}
    other = user | {"user_id": 24}
    before += [("user", user), ("user", other)]
    pair = ("post", "comment")
    assert set(touched(sample_catalogue, pair, "comment", before, [("comment", newer(before[5][1], text="else"))])) == {2}
    assert set(touched(sample_catalogue, pair, "comment", before, [("post", newer(before[0][1], title="else"))])) == {1}
    # A comment that goes to another post touches both; one that lands again touches nothing.
    assert set(touched(sample_catalogue, pair, "post", before, [("comment", newer(before[5][1], post_id=4))])) == {2, 4}
    assert touched(sample_catalogue, pair, "post", before, [before[5]]) == {}
    # A user touches the posts of their comments, which are looked up; users are no part of a task on posts and comments.
    changed = [("user", newer(user, city="else"))]
    assert set(touched(sample_catalogue, ("post", "comment", "comment_user"), "comment", before, changed)) == {3}
    assert touched(sample_catalogue, pair, "comment", before, changed) == {}
    # Where users are recalled, they are the roots, and comments touch the users that wrote them.
    pair = ("comment", "comment_user")
    assert set(touched(sample_catalogue, pair, "comment_user", before, [("comment", newer(before[5][1], text="else"))])) == {22}
    assert set(touched(sample_catalogue, pair, "comment_user", before, changed)) == {23}


def test_columns_that_equal_the_root(sample_catalogue: Catalogue) -> None:
    columns = {
        recall: root_columns(sample_catalogue, popular("post", "comment", "comment_user", recall=recall))
        for recall in ("post", "comment", "comment_user")
    }
    assert columns == {
        "post": {"post": "post_id", "comment": "post_id"},
        "comment": {"post": "post_id", "comment": "post_id"},
        "comment_user": {"comment_user": "user_id", "comment": "user_id"},
    }
    replies = root_columns(sample_catalogue, popular("comment", "reply", recall="reply"))
    assert replies == {"comment": "post_id", "reply": "post_id"}
