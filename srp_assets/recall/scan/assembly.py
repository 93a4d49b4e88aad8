"""Puts cases together, a batch of them at a time: what the scan and the joins carried becomes what people are shown.

Whole columns are worked on; only where words lie in texts is looked for one hit at a time. No framework but numpy and pyarrow.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.recall.cases import CASE_SCHEMA, HIT_TYPE, JOINED_TYPE
from srp_assets.recall.scan.compile import BatchPlan, Group, candidate_columns, probes_of, text_features
from srp_assets.recall.scan.kernel import HIT_WORD_BITS
from srp_assets.strategy.resolved import Feature
from srp_assets.strategy.shown import ShownPlaces, shown_places
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.catalogue import Entity
from srp_assets.warehouse.schema import ARROW_TYPES

HIT_WORD_MASK = (1 << HIT_WORD_BITS) - 1

Integers = npt.NDArray[np.int64]


def case_row_schema(plan: BatchPlan, group: Group) -> pa.Schema:
    """The rows that cases of a group are assembled from.

    `_task` is the task's bit; then `_product`, `_hits` and the columns of the recalled row; and for each other object `_joined_OBJECT`: how
    many of its rows are joined, the first keys in order, and the first row.
    """

    def columns(name: str, names: Iterable[str]) -> list[pa.Field]:
        kinds = plan.catalogue.entity_of(name).columns
        return [pa.field(column, ARROW_TYPES[kinds[column].value_type]) for column in names]

    hits = pa.field("_hits", pa.list_(pa.int64()))
    fields = [pa.field("_task", pa.int32()), pa.field("_product", pa.string()), hits]
    fields += columns(group.recall, candidate_columns(plan, group, group.recall))
    for name in group.objects:
        if name != group.recall:
            first = pa.struct([hits, *columns(name, candidate_columns(plan, group, name))])
            keys = pa.list_(pa.struct(columns(name, plan.catalogue.entity_of(name).key)))
            fields.append(pa.field(f"_joined_{name}", pa.struct({"rows": pa.int64(), "keys": keys, "first": first})))
    return pa.schema(fields)


class CaseAssembler:
    """Puts the cases of one group together.

    Args:
        plan: the batch.
        group: the group whose rows come.
    """

    def __init__(self, plan: BatchPlan, group: Group) -> None:
        self._entity = plan.catalogue.entity_of(group.recall)
        self._recall = group.recall
        self._objects = [ShownObject(plan, group, name) for name in group.objects]
        self._others = [(name, plan.catalogue.entity_of(name)) for name in group.objects if name != group.recall]
        self._tasks = pa.array([plan.tasks[position].task_id for position in group.tasks])

    def assemble(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Turns rows as `case_row_schema` says into cases, in the same order; of objects without rules the first row may be missing."""
        rows, entity = batch.num_rows, self._entity
        task = batch.column("_task").to_numpy(zero_copy_only=False).astype(np.int64)
        hits, texts = HitColumns(), TextColumns()
        for shown in self._objects:
            columns = self._columns_of(batch, shown.name)
            if columns is not None:
                shown.hits(task, columns, hits)
                shown.texts(task, columns, texts)
        extra = []
        for column in entity.case_columns:
            if entity.columns[column].kind == "text":
                texts.add(np.arange(rows), f"{self._recall}.{column}", batch.column(column), over=True)
            else:
                extra.append(column)
        key = [batch.column(column) for column in entity.key]
        cases = {
            "task_id": self._tasks.take(pa.array(task)),
            "product": batch.column("_product"),
            "object": pa.repeat(self._recall, rows),
            "id": key_texts(key),
            "key_order": key_orders(key),
            "root": batch.column(entity.bucket_key).cast(pa.string()),
            "hits": hits.lists(rows),
            "texts": texts.maps(rows),
            "extra": json_objects(batch, entity, extra),
            "joined": self._joined(batch),
            "facts": json_objects(batch, entity, entity.fact_columns),
        }
        return pa.RecordBatch.from_arrays([cases[field.name].cast(field.type) for field in CASE_SCHEMA], schema=CASE_SCHEMA)

    def _columns_of(self, batch: pa.RecordBatch, name: str) -> dict[str, pa.Array] | None:
        """The columns of an object's row: the recalled one, or the first that is joined; None where nothing of it is shown."""
        if name == self._recall:
            return {field.name: batch.column(place) for place, field in enumerate(batch.schema)}
        summary = batch.column(f"_joined_{name}")
        if summary.type.get_field_index("first") < 0:
            return None
        first = pc.struct_field(summary, "first")
        return {field.name: pc.struct_field(first, field.name) for field in first.type}

    def _joined(self, batch: pa.RecordBatch) -> pa.Array:
        rows, parts = batch.num_rows, []
        for name, entity in self._others:
            summary = batch.column(f"_joined_{name}")
            keys = pc.struct_field(summary, "keys")
            flat = keys.flatten()
            names = key_texts([pc.struct_field(flat, column) for column in entity.key])
            lists = pa.ListArray.from_arrays(_offsets(_lengths(keys)), names)
            parts.append(
                pa.StructArray.from_arrays(
                    [pa.repeat(name, rows), pc.struct_field(summary, "rows"), lists], fields=list(JOINED_TYPE.value_type)
                )
            )
        if not parts:
            return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, dtype=np.int32)), pa.array([], JOINED_TYPE.value_type))
        # One after the other they lie object by object; a case has one of each.
        in_cases = (np.arange(rows)[:, None] + np.arange(len(parts))[None, :] * rows).ravel()
        together = pa.concat_arrays(parts).take(pa.array(in_cases))
        return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * len(parts)), together)


class ShownObject:
    """What a case shows of the row of one object: the hits of its task's lists, and the texts that its task looked at.

    Args:
        plan: the batch.
        group: the group.
        name: the object.
    """

    def __init__(self, plan: BatchPlan, group: Group, name: str) -> None:
        self.name = name
        logic = [plan.logic(plan.tasks[position], name) for position in group.tasks]
        self._probes = plan.probes(plan.catalogue.objects[name].entity)
        self._lists = [plan.lists[probe.list_key] for probe in self._probes]
        numbers = {probe: number for number, probe in enumerate(self._probes)}
        self._of_task = np.zeros((len(logic), len(numbers)), dtype=bool)
        for bit, node in enumerate(logic):
            self._of_task[bit, [numbers[probe] for probe in probes_of(node)]] = True
        names = [(probe.feature.name, words.id) for probe, words in zip(self._probes, self._lists, strict=True)]
        order = {pair: rank for rank, pair in enumerate(sorted(set(names)))}
        self._rank = np.array([order[pair] for pair in names], dtype=np.int64)
        self._features = [text_features(node) for node in logic]

    def hits(self, task: Integers, columns: Mapping[str, pa.Array], into: "HitColumns") -> None:
        """Adds the hits of each row, of its task's lists alone, in the order of feature, list and word."""
        lists = columns.get("_hits")
        if lists is None or not self._probes:
            return
        row = np.repeat(np.arange(len(task)), _lengths(lists))
        packed = lists.flatten().to_numpy(zero_copy_only=False)
        probe = packed >> HIT_WORD_BITS
        kept = self._of_task[task[row], probe]
        row, probe, word = row[kept], probe[kept], packed[kept] & HIT_WORD_MASK
        order = np.lexsort((word, self._rank[probe], row))
        row, probe, word = row[order], probe[order], word[order]
        texts: dict[Feature, list[list[str | None]]] = {}
        for number in np.unique(probe):
            feature = self._probes[number].feature
            if feature not in texts:
                texts[feature] = [columns[part].to_pylist() for part in feature.parts]
        for at, number, place in zip(row.tolist(), probe.tolist(), word.tolist(), strict=True):
            feature, words = self._probes[number].feature, self._lists[number]
            shown = shown_places(words, place, feature, [part[at] for part in texts[feature]])
            into.add(at, (self.name, feature.name, words.id, words.shown(place)), shown)

    def texts(self, task: Integers, columns: Mapping[str, pa.Array], into: "TextColumns") -> None:
        """Adds the texts of each row that its task looked at."""
        shown: dict[Feature, pa.Array] = {}
        for bit in np.unique(task):
            rows = np.flatnonzero(task == bit)
            for feature in self._features[bit]:
                if feature not in shown:
                    shown[feature] = shown_texts([columns[part] for part in feature.parts])
                into.add(rows, f"{self.name}.{feature.name}", shown[feature].take(pa.array(rows)))


class HitColumns:
    """The hits of a batch of cases, column by column.

    What is nested is kept flat: of hundreds of thousands of small lists Python would look for cycles among all that it holds.
    """

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._names: tuple[list[str], ...] = ([], [], [], [])
        self._ends: list[int] = []
        self._span_counts: list[int] = []
        self._parts: list[str] = []
        self._part_counts: list[int | None] = []
        self._crosses: list[bool | None] = []

    def add(self, row: int, names: tuple[str, str, str, str], places: ShownPlaces) -> None:
        """Adds a hit of one row: `names` are its object, feature, list and word."""
        spans, parts, crosses = places
        self._rows.append(row)
        for column, name in zip(self._names, names, strict=True):
            column.append(name)
        for start, end in spans:
            self._ends += (start, end)
        self._span_counts.append(len(spans))
        self._parts += parts or ()
        self._part_counts.append(None if parts is None else len(parts))
        self._crosses.append(crosses)

    def lists(self, rows: int) -> pa.Array:
        """One list of hits a row, each in the order in which they were added."""
        row = np.array(self._rows, dtype=np.int64)
        ends = np.array(self._ends, dtype=np.int32)
        pairs = pa.ListArray.from_arrays(pa.array(np.arange(0, len(ends) + 1, 2, dtype=np.int32)), pa.array(ends))
        spans = pa.ListArray.from_arrays(_offsets(np.array(self._span_counts, dtype=np.int64)), pairs)
        without = np.array([count is None for count in self._part_counts], dtype=bool)
        counts = np.array([count or 0 for count in self._part_counts], dtype=np.int64)
        parts = pa.ListArray.from_arrays(_offsets(counts), pa.array(self._parts, pa.string()), mask=pa.array(without))
        names = [pa.array(column, pa.string()) for column in self._names]
        columns = [*names, spans, parts, pa.array(self._crosses, pa.bool_())]
        hits = pa.StructArray.from_arrays(columns, fields=list(HIT_TYPE.value_type)).take(pa.array(np.argsort(row, kind="stable")))
        return pa.ListArray.from_arrays(_offsets(np.bincount(row, minlength=rows)), hits)


class TextColumns:
    """The texts of a batch of cases by where they come from."""

    def __init__(self) -> None:
        self._rows: list[Integers] = []
        self._names: list[str] = []
        self._texts: list[pa.Array] = []

    def add(self, rows: Integers, name: str, texts: pa.Array, *, over: bool = False) -> None:
        """Adds a text to each of some rows, where there is one; `over`: but for rows that have one of that name."""
        known = [had for had, place in zip(self._rows, self._names, strict=True) if place == name] if over else []
        wanted = texts.is_valid().to_numpy(zero_copy_only=False) & ~np.isin(rows, np.concatenate([*known, np.empty(0, dtype=np.int64)]))
        if wanted.any():
            self._rows.append(rows[wanted])
            self._names.append(name)
            self._texts.append(texts.filter(pa.array(wanted)))

    def maps(self, rows: int) -> pa.Array:
        """One map a row, each in the order in which texts were added."""
        row = np.concatenate([*self._rows, np.empty(0, dtype=np.int64)])
        order = pa.array(np.argsort(row, kind="stable"))
        of_each = [pa.repeat(name, len(texts)) for name, texts in zip(self._names, self._texts, strict=True)]
        names = pa.concat_arrays([pa.array([], pa.string()), *of_each])
        texts = pa.concat_arrays([pa.array([], pa.string()), *self._texts])
        return pa.MapArray.from_arrays(_offsets(np.bincount(row, minlength=rows)), names.take(order), texts.take(order))


def shown_texts(parts: Sequence[pa.Array]) -> pa.Array:
    """`strategy.shown.shown_text` of many rows."""
    # Joined at once, with nulls skipped, Arrow loses rows that have nulls alone.
    return reduce(lambda above, part: pc.coalesce(pc.binary_join_element_wise(above, part, "\n"), above, part), parts)


def key_texts(key: Sequence[pa.Array]) -> pa.Array:
    """`strategy.reference.key_text` of many keys, given column by column."""
    parts = [part.cast(pa.string()) for part in key]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "/")


def key_orders(key: Sequence[pa.Array]) -> pa.Array:
    """`cases.key_order` of many keys, given column by column."""
    parts = [_shifted(part) if pa.types.is_integer(part.type) else part for part in key]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\0")


def _shifted(numbers: pa.Array) -> pa.Array:
    """Whole numbers plus 2^63, in 20 digits."""
    unsigned = numbers.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64) ^ np.uint64(1 << 63)
    return pc.utf8_lpad(pa.array(unsigned).cast(pa.string()), 20, "0")


def json_objects(batch: pa.RecordBatch, entity: Entity, names: Sequence[str]) -> pa.Array:
    """A JSON object a row with some columns, as `json.dumps` writes it."""
    if not names:
        return pa.repeat("{}", batch.num_rows)
    parts: list[Any] = []
    for place, name in enumerate(names):
        parts += [("{" if place == 0 else ", ") + json.dumps(name) + ": ", json_values(batch.column(name), entity.columns[name].kind)]
    return pc.binary_join_element_wise(*parts, "}", "")


def json_values(column: pa.Array, kind: str) -> pa.Array:
    """Each value of a column as JSON; a value that comes often is written once."""
    if pa.types.is_nested(column.type):
        return pa.array([_json(value, kind) for value in column.to_pylist()], pa.string())
    encoded = column.dictionary_encode("encode")
    return pa.array([_json(value, kind) for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _json(value: Any, kind: str) -> str:
    if isinstance(value, datetime):
        value = iso_utc(value)
    elif kind == "map" and value is not None:
        value = dict(value)
    return json.dumps(value, ensure_ascii=False)


def _lengths(lists: pa.Array) -> Integers:
    lengths: Integers = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _offsets(lengths: npt.NDArray[np.integer[Any]]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
