"""Windows: when they close, which tasks they take, and that two claimers share none. On SQLite and on PostgreSQL."""

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, event

from srp_assets.recall import registry
from srp_assets.recall.claims import Claim, claim_window, waiting_tasks
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey
from support.recall import START, add_task, built, land, later, popular


@pytest.fixture
def engine(any_registry: Engine) -> Engine:
    """On SQLite and on PostgreSQL."""
    return any_registry


@pytest.fixture
def window(settings: Settings) -> Settings:
    """Three tasks, or five minutes."""
    return settings.model_copy(update={"recall_window_seconds": 300.0, "recall_window_tasks": 3})


def claim(engine: Engine, window: Settings, seconds: float, *, at_once: bool = False) -> Claim:
    with engine.begin() as connection:
        return claim_window(connection, window, now=later(seconds), at_once=at_once)


def test_the_window_closes_when_the_oldest_task_is_old_enough(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        first = add_task(connection, sample_catalogue, now=later(0))
        second = add_task(connection, sample_catalogue, now=later(200))
    early = claim(engine, window, 299)
    assert early.batches == {}
    assert early.reason == "2 tasks are ready, the window closes in 1 s"
    closed = claim(engine, window, 300)
    (batch_id,) = closed.batches
    assert set(closed.task_ids) == {first, second}
    with engine.connect() as connection:
        assert [task.state for task in registry.tasks(connection, batch_id=batch_id)] == ["batched", "batched"]
        assert registry.batch(connection, batch_id).state == "claimed"
    assert claim(engine, window, 1000) == Claim({}, "no task waits")


def test_the_window_closes_at_once_when_enough_tasks_wait(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        for _ in range(3):
            add_task(connection, sample_catalogue, now=later(0))
    assert len(claim(engine, window, 1).task_ids) == 3


def test_the_window_closes_when_asked_to(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue)
    assert claim(engine, window, 0, at_once=True).task_ids == (task_id,)


def test_a_task_waits_for_the_builds_of_what_landed_before_it(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        waits = add_task(connection, sample_catalogue)
        elsewhere = add_task(connection, sample_catalogue, products=("lotus",))
    with engine.connect() as connection:
        needs = {entry.task.task_id: entry.unbuilt for entry in waiting_tasks(connection)}
    assert needs == {waits: (PeriodKey("post", "aurora", "2024-01"),), elsewhere: ()}
    first = claim(engine, window, 300)
    assert first.task_ids == (elsewhere,)
    assert first.reason == "1 tasks taken; 1 more wait for builds"
    assert claim(engine, window, 10_000, at_once=True) == Claim({}, "1 tasks wait for builds")
    with engine.begin() as connection:
        built(connection, "post", "2024-01")
        land(connection, "post", "2024-02")  # after its submission: not its concern
    assert claim(engine, window, 300).task_ids == (waits,)


def test_a_task_that_waits_for_builds_closes_no_window_for_others(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        add_task(connection, sample_catalogue, now=later(0))
        add_task(connection, sample_catalogue, products=("lotus",), now=later(290))
    assert claim(engine, window, 400).batches == {}


def test_only_periods_in_the_range_of_the_recalled_object_are_needed(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
        land(connection, "comment", "2024-01")
        land(connection, "post", "2024-05")
        upto_march = add_task(connection, sample_catalogue, published_to=START.replace(year=2024, month=3))
        joined = popular("post", "comment", recall="post")
        add_task(connection, sample_catalogue, strategy=joined, published_to=START.replace(year=2024, month=3))
    assert claim(engine, window, 300).task_ids == (upto_march,)


def test_concurrent_claimers_share_no_task(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        submitted = {add_task(connection, sample_catalogue) for _ in range(40)}
    claimers = 4
    start = threading.Barrier(claimers)
    claims: list[Claim] = []

    def run() -> None:
        start.wait()
        claims.append(claim(engine, window, 300))

    threads = [threading.Thread(target=run) for _ in range(claimers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == claimers
    taken = [task_id for found in claims for task_id in found.task_ids]
    assert len(taken) == len(set(taken))
    assert set(taken) == submitted
    with engine.connect() as connection:
        recorded = {batch.batch_id for batch in registry.batches(connection)}
    assert recorded == {batch_id for found in claims for batch_id in found.batches}


def test_an_urgent_task_closes_the_window_for_all_that_are_ready(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        patient = add_task(connection, sample_catalogue)
        assert claim_window(connection, window, now=later(0)).batches == {}
        urgent = add_task(connection, sample_catalogue, urgent=True)
    closed = claim(engine, window, 0)
    assert set(closed.task_ids) == {patient, urgent}
    with engine.connect() as connection:
        (found,) = registry.claimed_tasks(connection, closed.batches).values()
    assert found == registry.ClaimedTasks(2, ("aurora",), True)


def test_tasks_that_share_nothing_become_batches_of_their_own(engine: Engine, window: Settings, sample_catalogue: Catalogue) -> None:
    with engine.begin() as connection:
        for product in ("aurora", "lotus"):
            land(connection, "post", "2024-01", product=product)
            built(connection, "post", "2024-01", product=product)
        aurora = [add_task(connection, sample_catalogue) for _ in range(2)]
        lotus = add_task(connection, sample_catalogue, products=("lotus",), now=later(1))
        realtime = add_task(connection, sample_catalogue, realtime=True, now=later(2))
    closed = claim(engine, window, 300)
    assert closed.reason == "4 tasks taken into 3 batches"
    assert {frozenset(taken) for taken in closed.batches.values()} == {frozenset(aurora), frozenset({lotus}), frozenset({realtime})}


def test_a_look_at_the_window_costs_the_same_few_queries_for_any_number_of_tasks(
    engine: Engine, window: Settings, sample_catalogue: Catalogue
) -> None:
    joined = popular("post", "comment", recall="comment")
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
        for number in range(1000):
            # As it is in use: rows land between submissions, so that hardly two tasks answer as of the same ingest.
            land(connection, "user", f"20{20 + number % 10}-{1 + number % 12:02d}")
            month = START.replace(year=2020 + number % 10, month=1 + number % 12)
            add_task(connection, sample_catalogue, strategy=joined if number % 2 else None, published_to=month)
    statements: list[str] = []

    def count(*call: Any) -> None:
        statements.append(call[2])

    event.listen(engine, "before_cursor_execute", count)
    assert claim(engine, window.model_copy(update={"recall_window_tasks": 10_000}), 0).batches == {}
    looking = len([statement for statement in statements if statement.startswith("SELECT")])
    statements.clear()
    taken = claim(engine, window, 300)
    claiming = len(statements)
    event.remove(engine, "before_cursor_execute", count)
    assert looking == 2
    assert len(taken.task_ids) > 0
    assert claiming <= 5 + 6 * len(taken.batches)
