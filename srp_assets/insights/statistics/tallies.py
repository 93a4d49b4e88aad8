"""Counts kept cases by everything that statistics tell apart, a batch of rows at a time. `reference.py` says what each count means.

A tally is (task, statistic, key) with the number of cases and of hits that it counts; tallies of parts of a task add up to those of the
whole, so workers count what they read and Spark adds. No framework but numpy and pyarrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from srp_assets.insights.reference import MISSING, MOST_PAIRED_WORDS
from srp_assets.insights.statistics.buckets import bounds_of, places
from srp_assets.warehouse.catalogue import Catalogue, Column
from srp_assets.warehouse.periods import FORMATS, Unit
from srp_assets.warehouse.schema import ARROW_TYPES

TALLY_SCHEMA = pa.schema(
    [
        pa.field("task_id", pa.string()),
        pa.field("statistic", pa.string()),
        pa.field("key", pa.list_(pa.string())),
        pa.field("cases", pa.int64()),
        pa.field("hits", pa.int64()),
    ]
)
"""A key has as many elements as its statistic tells apart; one element fewer where the value is missing."""

COUNTED_COLUMNS = (
    "task_id", "product", "object", "facts",
    "hits.list.element.object", "hits.list.element.feature", "hits.list.element.list", "hits.list.element.word",
)  # fmt: skip
"""The columns of kept cases that are read for this, as Parquet names them: without texts and spans."""

MOST_HELD = 200_000
"""Tallies that are held before they are handed on (arbitrary: tens of megabytes)."""

PAIRS_AT_ONCE = 4_000_000
"""Pairs that are in memory at once: three arrays of so many whole numbers."""

PERIOD_LENGTHS: dict[Unit, int] = {"hour": 13, "day": 10, "month": 7, "year": 4}
"""A period is the beginning of its moments, written as ISO 8601 (`periods.FORMATS`)."""

Ints = npt.NDArray[np.int64]
Key = tuple[str, ...]


class Coded(NamedTuple):
    """Values as numbers: `codes`, int64, shape (values,), are places in `keys`."""

    codes: Ints
    keys: Sequence[Key]


class Tallies:
    """What was counted and not yet handed on.

    Args:
        catalogue: that the cases' objects belong to.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        if set(PERIOD_LENGTHS) != set(FORMATS):
            raise ValueError("a partition unit has no length")
        self._catalogue = catalogue
        self._counts: dict[tuple[str, str, Key], list[int]] = {}

    def add(self, cases: pa.RecordBatch) -> None:
        """Counts a batch of kept cases, with `COUNTED_COLUMNS`."""
        if not cases.num_rows:
            return
        counting = _Counting(cases, self._counts)
        counting.count_cases("all", _constant(cases.num_rows))
        counting.count_cases("product", _coded(cases.column("product")))
        objects = _coded(cases.column("object"))
        for code, (name,) in enumerate(objects.keys):
            self._add_facts(counting, name, np.flatnonzero(objects.codes == code), cases.column("facts"))
        counting.count_hits()

    def _add_facts(self, counting: "_Counting", object_name: str, rows: Ints, facts: pa.Array) -> None:
        entity = self._catalogue.entity_of(object_name)
        columns = {name: entity.columns[name] for name in entity.fact_columns}
        values = parsed_facts(facts.take(pa.array(rows)), columns)
        published = pc.utf8_slice_codeunits(values.column(entity.publish_time), 0, PERIOD_LENGTHS[self._catalogue.partition_unit])
        counting.count_cases("period", _coded(published), rows)
        known = pc.is_valid(facts.take(pa.array(rows))).to_numpy(zero_copy_only=False)
        for name, column in columns.items():
            if column.kind in ("enum", "flag"):
                found = _coded(values.column(name).cast(pa.string()), (name,))
            elif column.kind == "metric":
                found = _coded(_bucket_numbers(column, values.column(name)), (name,))
            else:
                continue
            # Cases from before there were facts say nothing about any column; missing is said of rows that have no value.
            counting.count_cases("metric" if column.kind == "metric" else "enum", Coded(found.codes[known], found.keys), rows[known])

    @property
    def is_full(self) -> bool:
        """Whether it is time to hand on what was counted."""
        return len(self._counts) >= MOST_HELD

    def handed_on(self) -> Iterator[pa.RecordBatch]:
        """What was counted since the last time, as rows of `TALLY_SCHEMA`."""
        if self._counts:
            yield tally_rows(self._counts)
            self._counts.clear()


class _Counting:
    """One batch of cases while it is counted into `counts`."""

    def __init__(self, cases: pa.RecordBatch, counts: dict[tuple[str, str, Key], list[int]]) -> None:
        self._counts = counts
        self._tasks = _coded(cases.column("task_id"))
        lists = cases.column("hits")
        self._hits_of_case: Ints = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        self._case_of_hit: Ints = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        self._hits: pa.StructArray = pc.list_flatten(lists)

    def count_cases(self, statistic: str, coded: Coded, rows: Ints | None = None) -> None:
        """Counts each case once: `coded` has a value for each of `rows`, or for each case."""
        tasks = self._tasks.codes if rows is None else self._tasks.codes[rows]
        hits = self._hits_of_case if rows is None else self._hits_of_case[rows]
        self._add(statistic, tasks, coded.codes, coded.keys, np.ones(len(tasks), dtype=np.int64), hits)

    def count_hits(self) -> None:
        """Counts each case once for every object, feature, list and word that hit it, and for every two lists and words that did."""
        if not len(self._hits):
            return
        places_, features = _coded(self._hits.field("object")), _coded(self._hits.field("feature"))
        lists, words = _coded(self._hits.field("list")), _coded(self._hits.field("word"))
        self._count_distinct("object", places_)
        self._count_distinct("feature", _both(places_, features))
        self._pair("list_pair", *self._count_distinct("list", lists))
        cases, distinct = self._count_distinct("word", _both(lists, words))
        first, sizes = _runs(cases)
        crowded = sizes > MOST_PAIRED_WORDS
        if crowded.any():
            self.count_cases("unpaired", _constant(int(crowded.sum())), cases[first[crowded]])
        self._pair("word_pair", cases, distinct, most=MOST_PAIRED_WORDS)

    def _count_distinct(self, statistic: str, coded: Coded) -> tuple[Ints, Coded]:
        """Counts the distinct (case, value) pairs among the hits; returns their cases, ascending, and their values."""
        size = len(coded.keys)
        pairs, hits = np.unique(self._case_of_hit * size + coded.codes, return_counts=True)
        cases, codes = pairs // size, pairs % size
        self._add(statistic, self._tasks.codes[cases], codes, coded.keys, np.ones(len(cases), dtype=np.int64), hits)
        return cases, Coded(codes, coded.keys)

    def _pair(self, statistic: str, cases: Ints, coded: Coded, most: int | None = None) -> None:
        """Counts every two different values of a case; cases of more than `most` values are left out."""
        first, sizes = _runs(cases)
        for size in np.unique(sizes[sizes > 1]).tolist():
            if most is not None and size > most:
                continue
            lower, upper = np.triu_indices(size, 1)
            starts = first[sizes == size]
            step = max(1, PAIRS_AT_ONCE // len(lower))
            for begin in range(0, len(starts), step):
                some = starts[begin : begin + step]
                values = coded.codes[some[:, None] + np.arange(size)]
                tasks = np.repeat(self._tasks.codes[cases[some]], len(lower))
                self._add_pairs(statistic, tasks, values[:, lower].ravel(), values[:, upper].ravel(), coded.keys)

    def _add_pairs(self, statistic: str, tasks: Ints, left: Ints, right: Ints, keys: Sequence[Key]) -> None:
        size = len(keys)
        found, cases = np.unique((tasks * size + left) * size + right, return_counts=True)
        for code, count in zip(found.tolist(), cases.tolist(), strict=True):
            rest, second = divmod(code, size)
            task, first = divmod(rest, size)
            low, high = sorted((keys[first], keys[second]))
            self._increase(self._tasks.keys[task][0], statistic, low + high, count, 0)

    def _add(self, statistic: str, tasks: Ints, codes: Ints, keys: Sequence[Key], cases: Ints, hits: Ints) -> None:
        size = len(keys)
        found, group = np.unique(tasks * size + codes, return_inverse=True)
        case_sums = np.bincount(group, weights=cases, minlength=len(found)).astype(np.int64).tolist()
        hit_sums = np.bincount(group, weights=hits, minlength=len(found)).astype(np.int64).tolist()
        for code, case_sum, hit_sum in zip(found.tolist(), case_sums, hit_sums, strict=True):
            task, key = divmod(code, size)
            self._increase(self._tasks.keys[task][0], statistic, keys[key], case_sum, hit_sum)

    def _increase(self, task_id: str, statistic: str, key: Key, cases: int, hits: int) -> None:
        known = self._counts.setdefault((task_id, statistic, key), [0, 0])
        known[0] += cases
        known[1] += hits


def parsed_facts(facts: pa.Array, columns: Mapping[str, Column]) -> pa.RecordBatch:
    """The facts of cases, which are JSON, as columns; a time is text, and of a null everything is null."""
    fields = [pa.field(name, pa.string() if column.kind == "time" else ARROW_TYPES[column.value_type]) for name, column in columns.items()]
    if not len(facts):
        return pa.RecordBatch.from_pylist([], schema=pa.schema(fields))
    objects = pc.coalesce(facts, pa.scalar("{}"))
    lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(objects)], pa.int32()), objects), "\n")[0].as_buffer()
    whole_at_once = pj.ReadOptions(use_threads=False, block_size=lines.size + 1)
    as_declared = pj.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    table = pj.read_json(pa.BufferReader(lines), read_options=whole_at_once, parse_options=as_declared)
    return table.combine_chunks().to_batches()[0]


def tally_rows(counts: Mapping[tuple[str, str, Key], Sequence[int]]) -> pa.RecordBatch:
    """Tallies as rows of `TALLY_SCHEMA`."""
    columns: list[list[Any]] = [
        [task_id for task_id, _, _ in counts],
        [statistic for _, statistic, _ in counts],
        [list(key) for _, _, key in counts],
        [cases for cases, _ in counts.values()],
        [hits for _, hits in counts.values()],
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, TALLY_SCHEMA, strict=True)], schema=TALLY_SCHEMA
    )


def _coded(values: pa.Array, before: Key = ()) -> Coded:
    """Texts as numbers; each key begins with `before`, and ends there where the text is null."""
    encoded = values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    keys = [(*before, name) for name in names]
    codes = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(codes, [*keys, (*before, *MISSING)] if encoded.null_count else keys)


def _constant(rows: int) -> Coded:
    return Coded(np.zeros(rows, dtype=np.int64), [()])


def _both(first: Coded, second: Coded) -> Coded:
    """The pairs of two values that occur together."""
    size = len(second.keys)
    found, codes = np.unique(first.codes * size + second.codes, return_inverse=True)
    return Coded(codes.astype(np.int64), [first.keys[code // size] + second.keys[code % size] for code in found.tolist()])


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """Where each run of equal values begins, and how long it is."""
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.empty(0, dtype=np.int64)
    return first, np.diff(np.append(first, len(values)))


def _bucket_numbers(column: Column, values: pa.Array) -> pa.Array:
    """The number of the bucket of each value as text; null where there is none."""
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    numbers = pc.fill_null(values.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
    return pa.array(places(bounds_of(column), numbers), mask=~known).cast(pa.string())
