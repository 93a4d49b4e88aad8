"""A task is complete only if every cell it needs is there and counts exactly the build's rows."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from srp_assets.recall.batch import Cell, TaskSpec
from srp_assets.recall.completeness import judge
from srp_assets.strategy.resolved import ResolvedStrategy
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build
from support.recall import START, built, land, popular

GOOD = [
    Cell("t", "post", "aurora", "2024-01", 5, 5, 1),
    Cell("t", "post", "aurora", "2024-02", 3, 3, 0, excluded=2),
    Cell("t", "comment", "aurora", "2024-01", 5, 5, 5),
]


@pytest.fixture
def builds(engine: Engine) -> dict[str, list[Build]]:
    with engine.begin() as connection:
        for entity, period in (("post", "2024-01"), ("post", "2024-02"), ("comment", "2024-01"), ("user", "2024-01")):
            land(connection, entity, period)
        return {
            "post": [built(connection, "post", "2024-01", hidden=2), built(connection, "post", "2024-02")],
            "comment": [built(connection, "comment", "2024-01")],
            "user": [built(connection, "user", "2024-01")],
        }


def task(strategy: ResolvedStrategy | None = None, **limits: object) -> TaskSpec:
    return TaskSpec.model_validate({"task_id": "t", "strategy": strategy or popular("post", "comment"), "products": ("aurora",), **limits})


def test_complete_when_all_cells_reconcile(sample_catalogue: Catalogue, builds: dict[str, list[Build]]) -> None:
    assert judge(sample_catalogue, task(), builds, GOOD, 4) == judge(
        sample_catalogue, task(), builds, [*GOOD, replace(GOOD[0], task_id="x")], 4
    )
    outcome = judge(sample_catalogue, task(), builds, GOOD, 4)
    assert (outcome.complete, outcome.cases, outcome.note) == (True, 4, None)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (GOOD[1:], "incomplete: post of aurora in 2024-01: not scanned"),
        ([], "incomplete: post of aurora in 2024-01: not scanned and 2 more"),
        ([replace(GOOD[0], scanned=4), *GOOD[1:]], "incomplete: post of aurora in 2024-01: 4 rows scanned of 5"),
        ([replace(GOOD[0], scanned=6, present=6), *GOOD[1:]], "incomplete: post of aurora in 2024-01: 6 rows scanned of 5"),
        ([GOOD[0], replace(GOOD[1], scanned=2), GOOD[2]], "incomplete: post of aurora in 2024-02: 2 rows scanned of 3"),
        ([replace(GOOD[0], task_id="x"), *GOOD[1:]], "incomplete: post of aurora in 2024-01: not scanned"),
    ],
)
def test_incomplete_with_the_reason(sample_catalogue: Catalogue, builds: dict[str, list[Build]], cells: list[Cell], reason: str) -> None:
    outcome = judge(sample_catalogue, task(), builds, cells, 4)
    assert (outcome.complete, outcome.note) == (False, reason)


def test_an_object_that_sees_hidden_rows_must_have_scanned_them(sample_catalogue: Catalogue, builds: dict[str, list[Build]]) -> None:
    everything = task(popular("all_post"))
    cells = [Cell("t", "all_post", "aurora", "2024-01", 7, 7, 1), Cell("t", "all_post", "aurora", "2024-02", 5, 5, 1)]
    assert judge(sample_catalogue, everything, builds, cells, 2).complete
    visible_only = [replace(cells[0], present=5, scanned=5), cells[1]]
    assert (
        judge(sample_catalogue, everything, builds, visible_only, 2).note
        == "incomplete: all_post of aurora in 2024-01: 5 rows scanned of 7"
    )


def test_periods_out_of_the_range_need_no_cell(sample_catalogue: Catalogue, builds: dict[str, list[Build]]) -> None:
    january = task(popular("post"), published_to=START.replace(year=2024, month=2, day=1, hour=0))
    assert judge(sample_catalogue, january, builds, GOOD[:1], 1).complete


def test_a_range_without_data_is_complete_and_says_so(sample_catalogue: Catalogue, builds: dict[str, list[Build]]) -> None:
    outcome = judge(sample_catalogue, task(popular("post"), published_from=START), builds, [], 0)
    assert (outcome.complete, outcome.note) == (True, "there is no data: no row of post lies in its range")
