"""Finds the rows of objects without rules that join candidates: one pass over a table's files for all groups that are joined in memory.

The candidates of their neighbours are few, so the neighbours' join keys fit into memory. A file's join columns are read first, its other
columns only where some row has such a key. What is found is a superset of what takes part: `join.py` settles it. No framework but pyarrow.
"""

from collections.abc import Iterator, Mapping
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.recall.scan.candidates import CandidateSource, read_candidates
from srp_assets.recall.scan.compile import BatchPlan, native_columns
from srp_assets.recall.scan.kernel import UnitCount
from srp_assets.recall.scan.place_files import PLACE
from srp_assets.recall.scan.rules import Booleans, role_holds
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.catalogue import Relation
from srp_assets.warehouse.scan_units import ScanUnit
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage


class Neighbour(Frozen):
    """An object whose candidates are known; `relation` has it on the right side."""

    relation: Relation
    source: CandidateSource


class NativePlace(Frozen):
    """Where the rows of one object without rules go for one group (a position among the plan's groups)."""

    group: int
    object: str
    neighbours: tuple[Neighbour, ...]


class NativeOrder(Frozen):
    """One pass over one entity's table: the places that it fills, the units that it reads, and the units of each slot (one Spark task)."""

    entity: str
    places: tuple[NativePlace, ...]
    units: tuple[ScanUnit, ...]
    slots: tuple[tuple[int, ...], ...]


NATIVE_FIELDS: tuple[pa.Field, ...] = (pa.field(PLACE, pa.int32()), pa.field("_product", pa.string()))

JoinKeys = Mapping[str, pa.Array]
"""By product, the distinct values of one join column."""


def native_schema(plan: BatchPlan, order_entity: str, places: tuple[NativePlace, ...]) -> pa.Schema:
    """What a pass yields: a place, the row's product and columns."""
    entity = plan.catalogue.entities[order_entity]
    shown = {name for place in places for name in native_columns(plan, plan.groups[place.group], place.object)}
    return pa.schema(
        [*NATIVE_FIELDS, *(pa.field(name, ARROW_TYPES[column.value_type]) for name, column in entity.columns.items() if name in shown)]
    )


class NativeKernel:
    """The pass of one entity, with the join keys of all neighbours in memory.

    Args:
        storage: the warehouse.
        plan: the batch.
        order: the pass.
    """

    def __init__(self, storage: Storage, plan: BatchPlan, order: NativeOrder) -> None:
        self._storage = storage
        self.order = order
        self._objects = [plan.catalogue.objects[place.object] for place in order.places]
        self._keys = [[self._join_keys(plan, neighbour) for neighbour in place.neighbours] for place in order.places]
        groups = [plan.groups[place.group] for place in order.places]
        self._products = [{product for task in group.tasks for product in plan.tasks[task].products} for group in groups]
        self.schema = native_schema(plan, order.entity, order.places)
        self._columns = self.schema.names[len(NATIVE_FIELDS) :]
        tested = {left for place in order.places for near in place.neighbours for pairs in near.relation.any_of for left, _ in pairs}
        tested |= {condition.column for object_ in self._objects for condition in object_.where}
        self._tested = [name for name in plan.catalogue.entities[order.entity].columns if name in tested]

    def _join_keys(self, plan: BatchPlan, neighbour: Neighbour) -> list[list[JoinKeys]]:
        """The neighbour's values for each column of each alternative of the relation."""
        columns = sorted({right for pairs in neighbour.relation.any_of for _, right in pairs})
        entity = plan.catalogue.entity_of(neighbour.relation.right)
        rows = read_candidates(self._storage, neighbour.source, entity, columns)
        by_product = {product: rows.filter(pc.equal(rows["_product"], product)) for product in pc.unique(rows["_product"]).to_pylist()}
        return [
            [{product: pc.unique(mine[right]).drop_null() for product, mine in by_product.items()} for _, right in pairs]
            for pairs in neighbour.relation.any_of
        ]

    def scan(self, index: int, count: UnitCount) -> Iterator[pa.RecordBatch]:
        """The rows of one unit that join some candidate of a neighbour, batches of bounded size for each place; counts into `count`."""
        unit = self.order.units[index]
        places = [number for number, object_ in enumerate(self._objects) if self._looks_into(number, object_.visibility == "all", unit)]
        with self._storage.filesystem.open_input_file(self._storage.path(unit.path)) as stream:
            file = pq.ParquetFile(stream)
            for group in range(file.num_row_groups):
                tested = file.read_row_group(group, columns=self._tested, use_threads=False)
                count.scanned += tested.num_rows
                held = {place: self._joining(place, unit.product, tested) for place in places}
                held = {place: rows for place, rows in held.items() if rows.any()}
                for place, rows in held.items():
                    count.matched[place, 0] = count.matched.get((place, 0), 0) + int(np.count_nonzero(rows))
                if held:
                    yield from self._rows(file, group, unit, held)

    def _looks_into(self, place: int, sees_hidden: bool, unit: ScanUnit) -> bool:
        return unit.product in self._products[place] and (unit.visible or sees_hidden)

    def _joining(self, place: int, product: str, rows: pa.Table) -> Booleans:
        """Which rows have the object's role, and for each neighbour a join key."""
        batch = rows.combine_chunks().to_batches()[0] if rows.num_rows else pa.RecordBatch.from_pylist([], schema=rows.schema)
        held = role_holds(self._objects[place].where, batch)
        for neighbour, alternatives in zip(self.order.places[place].neighbours, self._keys[place], strict=True):
            if held.any():
                answers = [
                    reduce(
                        np.logical_and,
                        [_is_among(batch.column(left), keys.get(product)) for (left, _), keys in zip(pairs, values, strict=True)],
                    )
                    for pairs, values in zip(neighbour.relation.any_of, alternatives, strict=True)
                ]
                held &= reduce(np.logical_or, answers)
        return held

    def _rows(self, file: pq.ParquetFile, group: int, unit: ScanUnit, held: Mapping[int, Booleans]) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in file.iter_batches(unit.batch_rows, row_groups=[group], columns=self._columns, use_threads=False):
            for place, rows in held.items():
                chosen = batch.filter(pa.array(rows[start : start + batch.num_rows]))
                if chosen.num_rows:
                    constants = [pa.repeat(pa.scalar(place, pa.int32()), len(chosen)), pa.repeat(pa.scalar(unit.product), len(chosen))]
                    columns = [chosen.column(name) for name in self._columns]
                    yield pa.RecordBatch.from_arrays([*constants, *columns], schema=self.schema)
            start += batch.num_rows


def _is_among(column: pa.Array, values: pa.Array | None) -> Booleans:
    if values is None or not len(values):
        return np.zeros(len(column), dtype=bool)
    return pc.is_in(column, value_set=values, skip_nulls=True).to_numpy(zero_copy_only=False)
