"""Which cells of a finished task later landings reopen, and which following tasks are asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.recall import registry
from srp_assets.recall.batch import Cell
from srp_assets.recall.refill.following import Following, due_refills, reopened_following
from srp_assets.recall.refill.reopened import Ledger, ledger_of
from srp_assets.recall.registry_refills import (
    Refill,
    changed_through,
    following_state,
    record_refill,
    refill,
    refilled_since,
    refills,
)
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import Counts, commit_ingest, open_ingest
from srp_assets.warehouse.registry_builds import PeriodKey
from support.finished import finished
from support.recall import add_task, built, land, later


def ledger(engine: Engine, catalogue: Catalogue, task_id: str) -> Ledger:
    with engine.connect() as connection:
        found = ledger_of(connection, catalogue, registry.task(connection, task_id))
    assert found is not None
    return found


def reopened(engine: Engine, catalogue: Catalogue, task_id: str) -> set[tuple[str, str, bool, bool]]:
    """Object, period, whether it is new, whether it is built."""
    return {
        (cell.object, cell.period.period, cell.scanned is None, bool(cell.build_id)) for cell in ledger(engine, catalogue, task_id).reopened
    }


@pytest.fixture
def engine(any_registry: Engine) -> Engine:
    return any_registry


@pytest.fixture
def periods(engine: Engine) -> None:
    with engine.begin() as connection:
        for entity, period in (("post", "2024-01"), ("post", "2024-02"), ("comment", "2024-01"), ("user", "2024-01")):
            land(connection, entity, period)
            built(connection, entity, period)


@pytest.mark.usefixtures("periods")
def test_what_lands_later_reopens_its_cells_until_they_are_refilled(engine: Engine, sample_catalogue: Catalogue) -> None:
    task_id = finished(engine, sample_catalogue)
    assert reopened(engine, sample_catalogue, task_id) == set()
    with engine.begin() as connection:
        land(connection, "post", "2024-02")
        land(connection, "comment", "2024-03")  # a period that is new
        land(connection, "user", "2024-01")  # nothing that the task reads
        land(connection, "post", "2024-01", product="lotus")
    assert reopened(engine, sample_catalogue, task_id) == {("post", "2024-02", False, False), ("comment", "2024-03", True, False)}
    assert ledger(engine, sample_catalogue, task_id).unbuilt == (
        PeriodKey("post", "aurora", "2024-02"),
        PeriodKey("comment", "aurora", "2024-03"),
    )
    with engine.begin() as connection:
        built(connection, "post", "2024-02")
    assert reopened(engine, sample_catalogue, task_id) == {("post", "2024-02", False, True), ("comment", "2024-03", True, False)}


@pytest.mark.usefixtures("periods")
def test_the_same_again_reopens_nothing(engine: Engine, sample_catalogue: Catalogue) -> None:
    task_id = finished(engine, sample_catalogue)
    with engine.begin() as connection:
        ingest_id, _ = open_ingest(connection, reader="csv", source="test", product="aurora", entity="post", now=later(20))
        counts = {("post", "aurora", "2024-01"): Counts(landed=5, duplicate=5)}
        commit_ingest(connection, ingest_id, counts=counts, states={}, summary={})
        built(connection, "post", "2024-01")  # by hand, from the same rows
    assert reopened(engine, sample_catalogue, task_id) == set()


@pytest.mark.usefixtures("periods")
def test_rows_that_moved_away_reopen_their_old_period(engine: Engine, sample_catalogue: Catalogue) -> None:
    task_id = finished(engine, sample_catalogue)
    with engine.begin() as connection:
        ingest_id, _ = open_ingest(connection, reader="csv", source="test", product="aurora", entity="post", now=later(20))
        counts = {("post", "aurora", "2024-01"): Counts(tombstones=1, files=["none"]), ("post", "aurora", "2024-02"): Counts(1, 1)}
        commit_ingest(connection, ingest_id, counts=counts, states={}, summary={})
        assert changed_through(connection, ["post"], ["aurora"]) == {
            PeriodKey("post", "aurora", period): ingest_id for period in ("2024-01", "2024-02")
        }
    assert {period for _, period, _, _ in reopened(engine, sample_catalogue, task_id)} == {"2024-01", "2024-02"}


@pytest.mark.usefixtures("periods")
def test_only_periods_in_the_range_of_the_recalled_object_reopen(engine: Engine, sample_catalogue: Catalogue) -> None:
    task_id = finished(engine, sample_catalogue, published_to=datetime(2024, 2, 1, tzinfo=UTC))
    with engine.begin() as connection:
        for entity in ("post", "comment"):
            land(connection, entity, "2024-02")
    assert reopened(engine, sample_catalogue, task_id) == {("comment", "2024-02", True, False)}


@pytest.mark.usefixtures("periods")
def test_a_task_that_is_not_done_has_no_reopened_cells(engine: Engine, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        task = registry.task(connection, add_task(connection, sample_catalogue))
        assert ledger_of(connection, sample_catalogue, task) is None


@pytest.mark.usefixtures("periods")
def test_following_tasks_are_ready_once_what_reopened_is_built(engine: Engine, sample_catalogue: Catalogue) -> None:
    finished(engine, sample_catalogue)  # does not follow
    followers = [finished(engine, sample_catalogue, follow=True) for _ in range(2)]
    states = []

    def look() -> Following:
        with engine.connect() as connection:
            states.append(following_state(connection))
            return reopened_following(connection, sample_catalogue)

    assert look() == Following({}, 0)
    with engine.begin() as connection:
        land(connection, "post", "2024-02")
    assert look() == Following({}, 2)
    with engine.begin() as connection:
        built(connection, "post", "2024-02")
    ready = look()
    assert set(ready.ready) == set(followers)
    assert ready.waiting == 0
    assert len(set(states)) == 3
    assert look() == ready
    assert states[-1] == states[-2]  # nothing has changed, so nobody needs to look


@pytest.mark.usefixtures("periods")
def test_a_refill_switches_all_of_a_task_at_once_and_only_once(engine: Engine, sample_catalogue: Catalogue) -> None:
    task_id, other = (finished(engine, sample_catalogue) for _ in range(2))
    with engine.begin() as connection:
        land(connection, "post", "2024-02")
        build = built(connection, "post", "2024-02")
        untouched = registry.cells(connection, other)
        before = registry.cells(connection, task_id)
    renewed = Cell(task_id, "post", "aurora", "2024-02", 7, 7, 2, 0, build.build_id, build.through_ingest)
    done = Refill(task_id, 1, "cases/x/refills/1", 1, 0, 2, 2, 1, 3, later(20), later(21), None)
    outcome = registry.Outcome(task_id, 4, complete=True, note=None)
    with engine.begin() as connection:
        record_refill(connection, done, outcome, cases_folder="cases/x/refills/1/cases", cells=[renewed])
    assert reopened(engine, sample_catalogue, task_id) == set()
    with pytest.raises(Conflict, match="refilled meanwhile"), engine.begin() as connection:
        record_refill(connection, done, outcome, cases_folder="cases/y", cells=[])
    with engine.connect() as connection:
        task = registry.task(connection, task_id)
        assert (task.refills, task.refilled_at, task.cases, task.cases_folder) == (1, later(21), 4, "cases/x/refills/1/cases")
        kept = [cell for cell in before if (cell.object, cell.period) != ("post", "2024-02")]
        assert sorted(registry.cells(connection, task_id), key=str) == sorted([*kept, renewed], key=str)
        assert registry.cells(connection, other) == untouched
        assert (refill(connection, task), refills(connection, task_id)) == (done, [done])
        assert refilled_since(connection, later(21)) == {task.batch_id}
        assert refilled_since(connection, later(22)) == set()


def test_a_task_is_asked_for_again_only_after_a_while_or_for_more() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    asked, memory = due_refills({"t-1": "0:a", "t-2": "0:a"}, {}, now, at_most=5)
    assert asked == ["t-1", "t-2"]
    asked, memory = due_refills({"t-1": "0:a", "t-2": "0:b"}, memory, now + timedelta(seconds=30), at_most=5)
    assert asked == ["t-2"]  # another build came
    waits = []
    for _ in range(9):
        again_at = memory["t-1"].again_at
        assert due_refills({"t-1": "0:a"}, memory, again_at - timedelta(seconds=1), at_most=5)[0] == []
        asked, memory = due_refills({"t-1": "0:a"}, memory, again_at, at_most=5)
        assert asked == ["t-1"]
        waits.append((memory["t-1"].again_at - again_at).total_seconds())
    assert waits == [120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert due_refills({}, memory, now, at_most=5) == ([], {})
