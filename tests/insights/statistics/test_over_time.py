"""A strategy over time from what batches keep: what each task was the first to find, and what others find too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest
from sqlalchemy import Connection, Engine

from srp_assets.insights.registry_statistics import CountedTask, StatisticsRecord, record_statistics
from srp_assets.insights.statistics.keeping import KEYS, TALLIES
from srp_assets.insights.statistics.over_time import SharedStrategy, strategy_statistics
from srp_assets.insights.statistics.overlaps import mask_names, masks
from srp_assets.insights.statistics.tallies import tally_rows
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.warehouse.storage import Storage
from support.recall import later, popular


def counted(engine: Engine, storage: Storage, number: int, tasks: Mapping[str, tuple[str, Sequence[int]]], *, keys: bool = True) -> None:
    """A batch of done tasks, each with its strategy and the ids of its cases, and what is kept of it."""
    batch_id = f"batch-{number}"
    found: dict[tuple[str, str, str], list[int]] = {}
    for bit, (_, ids) in enumerate(tasks.values()):
        for id_ in ids:
            of_row = found.setdefault(("post", "aurora", str(id_)), [0] * len(mask_names(len(tasks))))
            found["post", "aurora", str(id_)] = [known | own for known, own in zip(of_row, masks(bit, len(tasks)), strict=True)]
    if keys:
        rows = [
            {"entity": entity, "product": product, "id": id_} | dict(zip(mask_names(len(tasks)), words, strict=True))
            for (entity, product, id_), words in found.items()
        ]
        storage.write(f"cases/{batch_id}/insights/1/{KEYS}/part-0.parquet", pa.Table.from_pylist(rows))
    tallies: dict[tuple[str, str, tuple[str, ...]], Sequence[int]] = {}
    for task_id, (_, ids) in tasks.items():
        tallies[task_id, "all", ()] = (len(ids), 2 * len(ids))
        tallies[task_id, "word", ("words", "shark")] = (len(ids), len(ids))
        tallies[task_id, "word", ("words", f"word {number}")] = (1, 1)
    storage.write(f"insights/statistics/{batch_id}/1/{TALLIES}", pa.Table.from_batches([tally_rows(tallies)]))
    record = StatisticsRecord(
        batch_id=batch_id,
        folder=f"insights/statistics/{batch_id}/1",
        details_folder=f"cases/{batch_id}/insights/1",
        tasks={task_id: CountedTask("cases/x", bit, None) for bit, task_id in enumerate(tasks)},
        computed_at=later(number),
        seconds=1.0,
        run_id=None,
    )
    with engine.begin() as connection:
        connection.execute(registry.recall_batch.insert().values(batch_id=batch_id, state="done", created_at=later(number), attempt=1))
        for task_id, (strategy, _) in tasks.items():
            done(connection, task_id, strategy, batch_id, number)
        record_statistics(connection, record)


def done(connection: Connection, task_id: str, strategy: str, batch_id: str, number: int) -> None:
    spec = TaskSpec(task_id=task_id, strategy=popular("post").model_copy(update={"id": strategy}), products=("aurora",))
    registry.add_task(connection, spec, needs=[], as_of_ingest=1, now=later(number))
    connection.execute(
        registry.recall_task.update()
        .where(registry.recall_task.c.task_id == task_id)
        .values(state="done", batch_id=batch_id, cases_folder="cases/x", cases=3, finished_at=later(number))
    )


@pytest.fixture
def three_batches(engine: Engine, storage: Storage) -> None:
    counted(engine, storage, 1, {"a1": ("a", [1, 2, 3]), "b1": ("b", [3, 4])})
    counted(engine, storage, 2, {"a2": ("a", [2, 9])}, keys=False)
    counted(engine, storage, 3, {**{f"c{number}": ("c", [number]) for number in range(70)}, "a3": ("a", [3, 5, 69, 2])})
    with engine.begin() as connection:
        connection.execute(registry.recall_batch.insert().values(batch_id="batch-4", state="done", created_at=later(4), attempt=1))
        done(connection, "a4", "a", "batch-4", 4)


@pytest.mark.usefixtures("three_batches")
def test_each_task_is_told_with_what_it_was_the_first_to_find(engine: Engine, storage: Storage) -> None:
    with engine.connect() as connection:
        found = strategy_statistics(connection, storage, "a")
    assert [(run.task_id, run.cases, run.hits, run.new) for run in found.runs] == [("a1", 3, 6, 3), ("a2", 2, 4, None), ("a3", 4, 8, 2)]
    assert found.distinct == 5
    assert found.uncounted == ("a4",)
    assert found.shared == (SharedStrategy("c", 5), SharedStrategy("b", 1))
    words = {(word.list_id, word.word): word.cases for word in found.words}
    assert words == {
        ("words", "shark"): (3, 2, 4),
        ("words", "word 1"): (1, 0, 0),
        ("words", "word 2"): (0, 1, 0),
        ("words", "word 3"): (0, 0, 1),
    }
    assert next(iter(found.words)).word == "shark"


@pytest.mark.usefixtures("three_batches")
def test_a_strategy_that_was_never_counted_has_no_runs(engine: Engine, storage: Storage) -> None:
    with engine.connect() as connection:
        found = strategy_statistics(connection, storage, "never")
    assert replace(found, strategy="") == replace(found, strategy="", runs=(), distinct=0, words=(), shared=(), uncounted=())
