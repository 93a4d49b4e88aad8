"""A strategy over time: what each of its tasks found, what was new, and what other strategies find too. Read from what batches keep.

Nothing is counted again here: counts come from the kept tallies, what is new and what is shared from the kept keys. Keys go with the cases
of their batch, so a case counts as new if no earlier task whose keys are kept has it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from sqlalchemy import Connection

from srp_assets.insights.registry_statistics import StatisticsRecord, statistics_records
from srp_assets.insights.statistics.keeping import KEYS, TALLIES
from srp_assets.insights.statistics.model import Line, TaskTallies
from srp_assets.insights.statistics.overlaps import mask_names, members
from srp_assets.recall import registry
from srp_assets.recall.registry import Task
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class StrategyRun:
    """One task of a strategy. `new` cases had none of its earlier tasks; None where the keys are gone with the cases."""

    task_id: str
    version: int
    batch_id: str
    finished_at: str | None
    products: tuple[str, ...]
    cases: int
    hits: int
    new: int | None
    lists: tuple[Line, ...]


@dataclass(frozen=True)
class WordOverTime:
    """A word of a list, and the cases that it hit in each run."""

    list_id: str
    word: str
    cases: tuple[int, ...]


@dataclass(frozen=True)
class SharedStrategy:
    """Another strategy, and the rows that both have found in tasks whose keys are kept."""

    strategy: str
    cases: int


@dataclass(frozen=True)
class StrategyStatistics:
    """A strategy over time.

    `runs` are in the order in which they ended; `distinct` rows were found in all of those whose keys are kept. `words` are those of all
    runs, the most frequent in the last run first. `uncounted` tasks are done, but their batches were not counted yet.
    """

    strategy: str
    runs: tuple[StrategyRun, ...]
    distinct: int
    words: tuple[WordOverTime, ...]
    shared: tuple[SharedStrategy, ...]
    uncounted: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self)


def strategy_statistics(connection: Connection, storage: Storage, strategy: str) -> StrategyStatistics:
    """The statistics of all tasks of a strategy that were counted."""
    records = statistics_records(connection)
    of_batch = {record.batch_id: record for record in records}
    done = [task for task in registry.tasks(connection, state="done") if task.batch_id]
    own = sorted(
        (task for task in done if task.strategy == strategy), key=lambda task: (task.finished_at or task.submitted_at, task.task_id)
    )
    counted = [task for task in own if task.batch_id in of_batch and task.task_id in of_batch[task.batch_id].tasks]
    tallies = {task.task_id: _tallies(storage, of_batch[task.batch_id or ""], task) for task in counted}
    keys = _OwnKeys(storage, [(of_batch[task.batch_id or ""], task) for task in counted])
    strategies = {task.task_id: task.strategy for task in done}
    return StrategyStatistics(
        strategy=strategy,
        runs=tuple(_run(task, tallies[task.task_id], keys.new.get(task.task_id)) for task in counted),
        distinct=len(keys.rows),
        words=tuple(_words([tallies[task.task_id] for task in counted])),
        shared=tuple(_shared(storage, records, keys, strategies, strategy)),
        uncounted=tuple(task.task_id for task in own if task not in counted and task.cases_folder is not None),
    )


def _run(task: Task, tallies: TaskTallies, new: int | None) -> StrategyRun:
    total = tallies.total()
    return StrategyRun(
        task_id=task.task_id,
        version=task.version,
        batch_id=task.batch_id or "",
        finished_at=None if task.finished_at is None else iso_utc(task.finished_at),
        products=task.products,
        cases=total.cases,
        hits=total.hits,
        new=new,
        lists=tallies.by_frequency("list"),
    )


def _words(runs: Sequence[TaskTallies]) -> Iterator[WordOverTime]:
    counts = [{line.name: line.cases for line in run.by_frequency("word")} for run in runs]
    names = {name for found in counts for name in found}
    newest_first = [tuple(found.get(name, 0) for found in counts) for name in names]
    for cases, name in sorted(zip(newest_first, names, strict=True), key=lambda item: ([-count for count in reversed(item[0])], item[1])):
        yield WordOverTime(name[0], name[1], cases)


class _OwnKeys:
    """The rows that a strategy's tasks have found.

    `rows` are all of them, each once, as texts; `new` is how many of them each task was the first to find.
    """

    def __init__(self, storage: Storage, runs: Iterable[tuple[StatisticsRecord, Task]]) -> None:
        self.rows: pa.Array = pa.array([], pa.string())
        self.new: dict[str, int] = {}
        for record, task in runs:
            found = _keys(storage, record)
            if found is None:
                continue
            own = _as_text(found.filter(pa.array(members(found, len(record.tasks))[:, record.tasks[task.task_id].bit])))
            fresh = own.filter(pc.invert(pc.is_in(own, value_set=self.rows)))
            self.new[task.task_id] = len(fresh)
            self.rows = pa.concat_arrays([self.rows, fresh])


def _shared(
    storage: Storage, records: Iterable[StatisticsRecord], keys: _OwnKeys, strategies: dict[str, str], strategy: str
) -> list[SharedStrategy]:
    seen: dict[str, npt.NDArray[np.bool_]] = {}
    for record in records:
        found = _keys(storage, record)
        if found is None or not len(keys.rows):
            continue
        places = pc.index_in(_as_text(found), value_set=keys.rows)
        is_own = pc.is_valid(places).to_numpy(zero_copy_only=False)
        own_places = places.drop_null().to_numpy()
        held = members(found, len(record.tasks))[is_own]
        for task_id, counted in record.tasks.items():
            other = strategies.get(task_id, strategy)
            if other != strategy:
                seen.setdefault(other, np.zeros(len(keys.rows), dtype=bool))[own_places[held[:, counted.bit]]] = True
    shared = [SharedStrategy(other, int(np.count_nonzero(rows))) for other, rows in seen.items() if rows.any()]
    return sorted(shared, key=lambda found: (-found.cases, found.strategy))


def _tallies(storage: Storage, record: StatisticsRecord, task: Task) -> TaskTallies:
    return TaskTallies(storage.read(f"{record.folder}/{TALLIES}"), task.task_id)


def _keys(storage: Storage, record: StatisticsRecord) -> pa.Table | None:
    """The kept keys of a batch; None where they are gone with its cases."""
    folder = f"{record.details_folder}/{KEYS}"
    if not storage.exists(folder):
        return None
    columns = ["entity", "product", "id", *mask_names(len(record.tasks))]
    return ds.dataset(storage.path(folder), format="parquet", filesystem=storage.filesystem).to_table(columns=columns)


def _as_text(keys: pa.Table) -> pa.Array:
    """Each row's entity, product and id as one text: neither of the first two has a line break."""
    joined = pc.binary_join_element_wise(keys["entity"], keys["product"], keys["id"], "\n")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
