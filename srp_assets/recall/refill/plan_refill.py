"""What a refill reads in Spark: rows in which two builds of a period differ, rows that join some keys, and the ledger of some cells.

Workers read the built files with pyarrow, as the merged scan does, and hand on only the few columns of the few rows that are asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.batch import Cell, TaskSpec
from srp_assets.recall.refill.touched import BuildPair, TooMany, Touches, Values, left_columns, right_columns
from srp_assets.recall.scan.compile import plan_of
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_batch import BatchRun
from srp_assets.warehouse.catalogue import Catalogue, Entity, Relation
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.row_hash import row_hashes
from srp_assets.warehouse.scan_units import ScanUnit, read_unit, spread, unit_of
from srp_assets.warehouse.schema import ARROW_TYPES, TIMESTAMP
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits

BatchMapper = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Comparison:
    """The files of one bucket of a period in its old and its new build; `new` is the build's id."""

    build: int
    before: tuple[ScanUnit, ...]
    after: tuple[ScanUnit, ...]

    @property
    def bytes(self) -> int:
        """How much is read."""
        return sum(unit.bytes for unit in (*self.before, *self.after))


class BuiltRows:
    """Reads rows of builds: what `touched.Rows` asks for.

    Args:
        spark: the session.
        storage: the warehouse.
        catalogue: of the home.
        current: the current builds by entity.
        replaced: builds that were replaced, by id, as far as their files are there.
        limit: so many rows are worth looking at.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: Storage,
        catalogue: Catalogue,
        current: Mapping[str, Sequence[Build]],
        replaced: Mapping[int, Build],
        limit: int,
    ) -> None:
        self._spark = spark
        self._storage = storage
        self._catalogue = catalogue
        self._current = current
        self._replaced = replaced
        self._limit = limit
        self._known: dict[tuple[str, frozenset[BuildPair], tuple[str, ...]], Touches | TooMany] = {}

    def changed(self, entity: str, pairs: Iterable[BuildPair], columns: Sequence[str]) -> Touches:
        """See `touched.Rows`; what was asked once is known."""
        asked = (entity, frozenset(pairs), tuple(columns))
        if asked not in self._known:
            try:
                self._known[asked] = self._changed(*asked)
            except TooMany as too_many:
                self._known[asked] = too_many
        known = self._known[asked]
        if isinstance(known, TooMany):
            raise known
        return {values: set(builds) for values, builds in known.items()}

    def _changed(self, entity: str, pairs: frozenset[BuildPair], columns: tuple[str, ...]) -> Touches:
        by_id = {build.build_id: build for build in self._current.get(entity, ())}
        comparisons: list[Comparison] = []
        for pair in sorted(pairs, key=lambda pair: pair.new):
            if pair.old is not None and pair.old not in self._replaced:
                raise TooMany(f"build {pair.old} is gone")
            comparisons += _comparisons(self._replaced[pair.old] if pair.old is not None else None, by_id[pair.new])
        found: Touches = {}
        if comparisons:
            declared = self._catalogue.entities[entity]
            schema = pa.schema([pa.field("_build", pa.int64()), *(_field(declared, name) for name in columns)])
            slots = spread([comparison.bytes for comparison in comparisons])
            differing = _differing_rows(self._storage, declared, tuple(comparisons), slots, columns, schema)
            for row in self._collect(differing, schema, len(slots)):
                found.setdefault(tuple(row[name] for name in columns), set()).add(int(row["_build"] or 0))
        return found

    def joining(
        self, entity: str, products: Sequence[str], relation: Relation, sent: Iterable[Values], columns: Sequence[str]
    ) -> set[Values]:
        """See `touched.Rows`."""
        declared = self._catalogue.entities[entity]
        right = right_columns(relation)
        names = [*dict.fromkeys((*left_columns(relation), *columns))]
        sent_rows = [dict(zip(right, values, strict=True)) for values in sent]
        alternatives = [
            [(left, sorted({row[column] for row in sent_rows if row[column] is not None}, key=str)) for left, column in pairs]
            for pairs in relation.any_of
        ]
        units = tuple(unit_of(build, file) for build in self._current.get(entity, ()) if build.product in products for file in build.files)
        if not units:
            return set()
        schema = pa.schema([_field(declared, name) for name in names])
        slots = spread([unit.bytes for unit in units])
        rows = self._collect(_joining_rows(self._storage, units, slots, alternatives, schema), schema, len(slots))
        wanted = (*left_columns(relation), *columns)
        return {tuple(row[name] for name in wanted) for row in rows}

    def _collect(self, mapper: BatchMapper, schema: pa.Schema, slots: int) -> list[dict[str, int | str | None]]:
        frame: DataFrame = self._spark.range(0, slots, 1, slots).mapInArrow(mapper, from_arrow_schema(schema))
        rows: list[dict[str, int | str | None]] = frame.distinct().limit(self._limit + 1).toArrow().to_pylist()
        if len(rows) > self._limit:
            raise TooMany(f"more than {self._limit:,} rows changed")
        return rows


def count_cells(
    spark: SparkSession,
    storage: Storage,
    catalogue: Catalogue,
    tasks: Sequence[TaskSpec],
    builds: Mapping[str, Sequence[Build]],
    folder: str,
    hits: Mapping[int, StandingHits],
) -> list[Cell]:
    """The ledger of tasks over some builds: what is present, scanned and matched there, without the joins."""
    attempt = Attempt(spark, storage, plan_of(catalogue, tasks), builds, folder, hits)
    return BatchRun(attempt, broadcast_rows=0, worker_rows=0).count()


def _comparisons(old: Build | None, new: Build) -> Iterator[Comparison]:
    before = [unit_of(old, file) for file in old.files] if old is not None else []
    after = [unit_of(new, file) for file in new.files]
    for bucket in sorted({unit.bucket for unit in (*before, *after)}):
        of_bucket = [tuple(unit for unit in units if unit.bucket == bucket) for units in (before, after)]
        yield Comparison(new.build_id, *of_bucket)


def _field(entity: Entity, name: str) -> pa.Field:
    return pa.field(name, ARROW_TYPES[entity.columns[name].value_type])


def _differing_rows(
    storage: Storage,
    entity: Entity,
    comparisons: Sequence[Comparison],
    slots: Sequence[Sequence[int]],
    columns: Sequence[str],
    schema: pa.Schema,
) -> BatchMapper:
    def compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for slot in batch.column(0).to_pylist():
                for number in slots[slot]:
                    yield from differing_rows(storage, entity, comparisons[number], columns, schema)

    return compare


def differing_rows(
    storage: Storage, entity: Entity, comparison: Comparison, columns: Sequence[str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Some columns of the rows that only one of two builds has in a bucket."""
    before, after = (_identified(storage, entity, units, columns) for units in (comparison.before, comparison.after))
    for own, other in ((before, after), (after, before)):
        identity = [name for name in own.column_names if name.startswith(IDENTITY)]
        only_here = own.join(other.select(identity), keys=identity, join_type="left anti", use_threads=False)
        build = pa.repeat(pa.scalar(comparison.build, pa.int64()), only_here.num_rows)
        differing = pa.table([build, *(only_here.column(name) for name in columns)], schema=schema)
        yield from differing.group_by(schema.names, use_threads=False).aggregate([]).select(schema.names).to_batches()


IDENTITY = "_identity"


def _identified(storage: Storage, entity: Entity, units: Sequence[ScanUnit], columns: Sequence[str]) -> pa.Table:
    """Some columns of all rows of some files, and what tells whether a row of another build is the same.

    That is its key and when it landed: rows of a key that land together are settled together, so every build after them has the same one.
    Where rows may wait for their root, one that landed with another may be settled later: there it is the hash of all columns.
    """
    keys = [pa.field(f"{IDENTITY}_{name}", ARROW_TYPES[entity.columns[name].value_type]) for name in entity.key]
    of_version = [*keys, pa.field(f"{IDENTITY}_landed_at", TIMESTAMP)] if entity.root is None else [pa.field(IDENTITY, pa.binary(16))]
    schema = pa.schema([*of_version, *(_field(entity, name) for name in columns)])
    read = [*entity.key, "landed_at", *columns] if entity.root is None else list(entity.columns)
    kept = []
    for unit in units:
        for batch in read_unit(storage, unit, list(dict.fromkeys(read))):
            if entity.root is None:
                identity = [batch.column(name) for name in (*entity.key, "landed_at")]
            else:
                halves = np.ascontiguousarray(row_hashes(entity, {name: batch.column(name) for name in entity.columns}))
                identity = [pa.Array.from_buffers(pa.binary(16), batch.num_rows, [None, pa.py_buffer(halves)])]
            kept.append(pa.RecordBatch.from_arrays([*identity, *(batch.column(name) for name in columns)], schema=schema))
    return pa.Table.from_batches(kept, schema=schema)


def _joining_rows(
    storage: Storage,
    units: Sequence[ScanUnit],
    slots: Sequence[Sequence[int]],
    alternatives: Sequence[Sequence[tuple[str, Sequence[int | str | None]]]],
    schema: pa.Schema,
) -> BatchMapper:
    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for slot in batch.column(0).to_pylist():
                for number in slots[slot]:
                    for rows in read_unit(storage, units[number], schema.names):
                        held = rows.filter(pa.array(may_join(rows, alternatives)))
                        if held.num_rows:
                            yield pa.RecordBatch.from_arrays(held.columns, schema=schema)

    return look


def may_join(rows: pa.RecordBatch, alternatives: Sequence[Sequence[tuple[str, Sequence[int | str | None]]]]) -> np.ndarray:
    """Rows of which, for some alternative, every column has a value that was sent (bool, shape (rows,)): all that join are among them."""
    held = np.zeros(rows.num_rows, dtype=bool)
    for pairs in alternatives:
        fits = np.ones(rows.num_rows, dtype=bool)
        for column, values in pairs:
            values_of_type = pa.array(values, rows.schema.field(column).type)
            fits &= pc.is_in(rows.column(column), value_set=values_of_type, skip_nulls=True).to_numpy(zero_copy_only=False)
        held |= fits
    return held
