"""The statistics of one task as people and machines read them, put together from its tallies. No framework but pyarrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.insights.statistics.buckets import Bucket, buckets_of
from srp_assets.insights.statistics.overlaps import Overlap
from srp_assets.recall.registry import Task
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.catalogue import Catalogue, Entity

Key = tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One line of a statistic: what is counted (a product; a list and a word ..), the cases, and the hits in them.

    The hits of a line by list, word, feature or object are the line's own; those of other lines are all hits of their cases.
    """

    name: Key
    cases: int
    hits: int


@dataclass(frozen=True)
class Distribution:
    """The cases by the buckets of a metric of the recalled object; `missing` have no value."""

    column: str
    unit: str | None
    buckets: tuple[tuple[Bucket, int], ...]
    missing: int


@dataclass(frozen=True)
class Values:
    """The cases by the values of an enum or a flag of the recalled object, the most frequent first; `missing` have none."""

    column: str
    lines: tuple[Line, ...]
    missing: int


@dataclass(frozen=True)
class Pair:
    """Two lists, or two words with their lists, and the cases that both hit."""

    first: Key
    second: Key
    cases: int


@dataclass(frozen=True)
class SharedCases:
    """Another task of the same batch, its cases, and those that both tasks have."""

    task_id: str
    strategy: str
    cases: int
    shared: int


@dataclass(frozen=True)
class SilencedList:
    """What the exemptions of one list silence in one task.

    `cases` would be found in addition if the list had no exemptions; `hit` are the cases that it hits as it is; `exemptions` are the
    silenced cases by exemption, the most frequent first; `samples` are some of them in the JSON shape of cases, where they are kept.
    """

    list_id: str
    cases: int
    hit: int
    exemptions: tuple[tuple[str, int], ...]
    samples: tuple[Mapping[str, Any], ...] = ()

    @property
    def share(self) -> float | None:
        """The silenced share of all that the list's words find; None where they find nothing."""
        found = self.cases + self.hit
        return self.cases / found if found else None


@dataclass(frozen=True)
class TaskStatistics:
    """The statistics of one task.

    `hits` counts each (object, feature, list, word) of a case once. `unpaired` cases have too many different words to be counted by pairs.
    `withdrawn` cases held once. `silenced_unknown` says why nothing is known about exemptions, where that is so.
    """

    task_id: str
    strategy: str
    version: int
    batch_id: str
    finished_at: str | None
    computed_at: str
    recall: str
    cases: int
    hits: int
    withdrawn: int
    products: tuple[Line, ...]
    periods: tuple[Line, ...]
    values: tuple[Values, ...]
    metrics: tuple[Distribution, ...]
    objects: tuple[Line, ...]
    features: tuple[Line, ...]
    lists: tuple[Line, ...]
    words: tuple[Line, ...]
    list_pairs: tuple[Pair, ...]
    word_pairs: tuple[Pair, ...]
    unpaired: int
    shared: tuple[SharedCases, ...]
    silenced: tuple[SilencedList, ...]
    silenced_unknown: str | None

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        plain = asdict(self)
        for written, silenced in zip(plain["silenced"], self.silenced, strict=True):
            written["share"] = silenced.share
        for written in plain["metrics"]:
            written["buckets"] = [{**bucket, "cases": cases} for bucket, cases in written["buckets"]]
        return plain


class TaskTallies:
    """The tallies of one task by statistic and key."""

    def __init__(self, tallies: pa.Table, task_id: str) -> None:
        self._lines: dict[str, list[Line]] = {}
        for row in tallies.filter(pc.equal(tallies["task_id"], task_id)).to_pylist():
            self._lines.setdefault(row["statistic"], []).append(Line(tuple(row["key"]), row["cases"], row["hits"]))

    def by_frequency(self, statistic: str) -> tuple[Line, ...]:
        """The lines of a statistic, the most cases first."""
        return _by_frequency(self._lines.get(statistic, ()))

    def by_name(self, statistic: str) -> tuple[Line, ...]:
        """The lines of a statistic in the order of their names."""
        return tuple(sorted(self._lines.get(statistic, ()), key=lambda line: line.name))

    def of_column(self, statistic: str, column: str) -> dict[Key, Line]:
        """The lines of one column of a statistic, by what follows its name."""
        return {line.name[1:]: line for line in self._lines.get(statistic, ()) if line.name[0] == column}

    def total(self, statistic: str = "all") -> Line:
        """The one line of a statistic that counts everything."""
        return next(iter(self._lines.get(statistic, ())), Line((), 0, 0))

    def pairs(self, statistic: str) -> tuple[Pair, ...]:
        """The lines of a statistic that counts pairs, the most cases first."""
        return tuple(
            Pair(line.name[: len(line.name) // 2], line.name[len(line.name) // 2 :], line.cases) for line in self.by_frequency(statistic)
        )


def task_statistics(
    catalogue: Catalogue,
    task: Task,
    recall: str,
    tallies: pa.Table,
    *,
    computed_at: str,
    withdrawn: int,
    shared: Iterable[SharedCases],
    silenced: Iterable[SilencedList],
    silenced_unknown: str | None,
) -> TaskStatistics:
    """The statistics of a task.

    Args:
        catalogue: that it was resolved against.
        task: the task.
        recall: its recalled object.
        tallies: rows of `TALLY_SCHEMA`, also of other tasks.
        computed_at: when they were counted.
        withdrawn: its cases that no longer hold.
        shared: what it shares with the other tasks of its batch.
        silenced: what exemptions silence.
        silenced_unknown: why that is not known.
    """
    own = TaskTallies(tallies, task.task_id)
    entity = catalogue.entity_of(recall)
    total = own.total()
    return TaskStatistics(
        task_id=task.task_id,
        strategy=task.strategy,
        version=task.version,
        batch_id=task.batch_id or "",
        finished_at=None if task.finished_at is None else iso_utc(task.finished_at),
        computed_at=computed_at,
        recall=recall,
        cases=total.cases,
        hits=total.hits,
        withdrawn=withdrawn,
        products=own.by_frequency("product"),
        periods=own.by_name("period"),
        values=tuple(_values(own, entity)),
        metrics=tuple(_distributions(own, entity)),
        objects=own.by_frequency("object"),
        features=own.by_frequency("feature"),
        lists=own.by_frequency("list"),
        words=own.by_frequency("word"),
        list_pairs=own.pairs("list_pair"),
        word_pairs=own.pairs("word_pair"),
        unpaired=own.total("unpaired").cases,
        shared=tuple(sorted(shared, key=lambda other: (-other.shared, other.task_id))),
        silenced=tuple(silenced),
        silenced_unknown=silenced_unknown,
    )


def shared_cases(task_id: str, overlaps: Iterable[Overlap], tasks: Mapping[str, Task]) -> Iterator[SharedCases]:
    """What a task shares with others of its batch."""
    for overlap in overlaps:
        if task_id in (overlap.first, overlap.second):
            other = tasks[overlap.second if overlap.first == task_id else overlap.first]
            yield SharedCases(other.task_id, other.strategy, other.cases or 0, overlap.cases)


def _values(own: TaskTallies, entity: Entity) -> Iterator[Values]:
    for name in entity.fact_columns:
        found = own.of_column("enum", name)
        if found:
            missing = found.pop((), Line((), 0, 0))
            yield Values(name, _by_frequency([Line(key, line.cases, line.hits) for key, line in found.items()]), missing.cases)


def _distributions(own: TaskTallies, entity: Entity) -> Iterator[Distribution]:
    for name in entity.fact_columns:
        found = own.of_column("metric", name)
        if found:
            column = entity.columns[name]
            counted = [
                (bucket, found[key].cases if (key := (str(number),)) in found else 0) for number, bucket in enumerate(buckets_of(column))
            ]
            yield Distribution(name, column.unit, tuple(counted), found[()].cases if () in found else 0)


def _by_frequency(lines: Sequence[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (-line.cases, line.name)))
