"""The merged scan's kernel: what one worker does with the rows of one table.

Each word list is looked for once, each distinct rule becomes one bit a row, each distinct sub-expression of the tasks' logic is evaluated
once over these bits (packed, eight rows a byte), and only rows that fit some task leave, with the bitmap of the tasks that they fit.
`reference.py` says the same one row at a time. No framework but numpy and pyarrow.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from srp_assets.recall.scan.bit_kernels import fill_bitmaps, pack_hits
from srp_assets.recall.scan.bitmaps import lists_of
from srp_assets.recall.scan.compile import BatchPlan, Place, Probe, carried_columns, columns_of, probe_of
from srp_assets.recall.scan.kept_hits import NO_ROWS, NOTHING_KEPT, KeptRows, ProbeBits, ProbeHits
from srp_assets.recall.scan.logic_table import Limits, LogicTable, PackedBits
from srp_assets.recall.scan.place_files import PLACE
from srp_assets.recall.scan.rules import evaluate_rule, role_holds
from srp_assets.strategy.resolved import Feature, Rule, rules_of
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.wordlists.scanner import Scanner
from srp_assets.wordlists.shared_scanner import shared

HIT_WORD_BITS = 32
"""A hit is one integer: its probe's number, shifted by this, plus its word's number in the list."""

MATCHED_TYPE = pa.list_(pa.struct([pa.field("place", pa.int32()), pa.field("bit", pa.int32()), pa.field("rows", pa.int64())]))

COUNT_SCHEMA = pa.schema([pa.field("unit", pa.int32()), pa.field("scanned", pa.int64()), pa.field("matched", MATCHED_TYPE)])
"""What was counted in a unit."""

SCAN_FIELDS: tuple[pa.Field, ...] = (
    pa.field(PLACE, pa.int32()),
    pa.field("_product", pa.string()),
    pa.field("_bits", pa.list_(pa.int64())),
    pa.field("_hits", pa.list_(pa.int64())),
)
"""What the scan adds to the carried columns; entity columns never start with an underscore."""

LATE_KINDS = frozenset({"text", "metric", "enum", "flag"})
"""Columns of these kinds that no rule asks are read only where a row fits: cases show them, or are counted by them."""


@dataclass
class BatchRows:
    """One batch of rows and what is known about it; scans each text feature at most once, and for no more lists than it must.

    `kept` are hits that need no scan; `late` gives the columns that only rows that fit are asked for, of all rows of the batch,
    and `late_rows` holds them once they were asked for.
    """

    batch: pa.RecordBatch
    scanners: "ProbeScanners"
    kept: KeptRows
    late: Callable[[], pa.RecordBatch] | None
    late_rows: pa.RecordBatch | None = None
    hits: dict[Feature, ProbeHits] = field(default_factory=dict)
    bits_of: dict[Feature | None, ProbeBits] = field(default_factory=dict)

    def rule_bits(self, rule: Rule) -> PackedBits:
        """One bit a row for a rule."""
        if rule.match != "matches":
            return np.packbits(evaluate_rule(rule, self.batch), bitorder="little")
        number = self.scanners.number(probe_of(rule))
        kept = number in self.kept.probes
        source = None if kept else rule.feature
        if source not in self.bits_of:
            hits = self.kept.hits if kept else self.feature_hits(rule.feature)
            self.bits_of[source] = hits.by_probe(self.batch.num_rows)
        return self.bits_of[source].of(number)

    def feature_hits(self, feature: Feature) -> ProbeHits:
        """The hits of all lists that any task looks for in a feature, but for those that are kept."""
        if feature not in self.hits:
            self.hits[feature] = self.scanners.scan(feature, self.batch, self.kept.probes)
        return self.hits[feature]

    def chosen(self, name: str, rows: pa.Array) -> pa.Array:
        """A column of chosen rows."""
        if name in self.batch.schema.names or self.late is None:
            return self.batch.column(name).take(rows)
        if self.late_rows is None:
            self.late_rows = self.late()
        return self.late_rows.column(name).take(rows)

    def packed_hits(self, chosen: np.ndarray) -> pa.ListArray:
        """The hits of chosen rows, each as one integer, sorted by (probe, word) within a row.

        Args:
            chosen: int64, shape (chosen rows,), ascending.
        """
        places = places_of(chosen, self.batch.num_rows)
        row_parts, hit_parts = [NO_ROWS], [NO_ROWS]
        for hits in (self.kept.hits, *self.hits.values()):
            if len(hits.row):
                row, packed = np.empty(len(hits.row), dtype=np.int64), np.empty(len(hits.row), dtype=np.int64)
                count = pack_hits(hits.row, hits.probe, hits.word, places, row, packed, HIT_WORD_BITS)
                row_parts.append(row[:count])
                hit_parts.append(packed[:count])
        row_of, packed = np.concatenate(row_parts), np.concatenate(hit_parts)
        if len(row_parts) > 2:
            # Those of one scan are in this order already, since the numbers of its probes ascend; several are merged.
            order = np.lexsort((packed, row_of))
            row_of, packed = row_of[order], packed[order]
        offsets = np.append(0, np.cumsum(np.bincount(row_of, minlength=len(chosen)))).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(packed))


class ProbeScanners:
    """One scanner for each text feature, with the lists of all tasks; where hits of some lists are kept, one more with the others."""

    def __init__(self, plan: BatchPlan, probes: Sequence[Probe]) -> None:
        self._lists = plan.lists
        self._probes = tuple(probes)
        self._numbers = {probe: number for number, probe in enumerate(self._probes)}
        self._scanners: dict[tuple[int, ...], Scanner] = {}

    def number(self, probe: Probe) -> int:
        """The number of a probe."""
        return self._numbers[probe]

    def scan(self, feature: Feature, batch: pa.RecordBatch, without: frozenset[int]) -> ProbeHits:
        """All hits in one feature of a batch, but for those of some probes."""
        numbers = tuple(number for number, probe in enumerate(self._probes) if probe.feature == feature and number not in without)
        if numbers not in self._scanners:
            self._scanners[numbers] = shared([self._lists[self._probes[number].list_key] for number in numbers])
        parts = [batch.column(part) for part in feature.parts]
        compiled = self._scanners[numbers]
        found = compiled.scan(parts[0]) if len(parts) == 1 else compiled.scan_parts(parts)
        return ProbeHits(found.row.astype(np.int64), np.array(numbers, dtype=np.int64)[found.list], found.word.astype(np.int64))


@dataclass
class UnitCount:
    """What was counted in one file: rows read, and rows that fit by (place, bit)."""

    scanned: int = 0
    matched: dict[tuple[int, int], int] = field(default_factory=dict)


def count_row(unit: int, count: UnitCount) -> pa.RecordBatch:
    """One row that says what was counted in a unit."""
    matched = [{"place": place, "bit": bit, "rows": rows} for (place, bit), rows in sorted(count.matched.items())]
    return pa.RecordBatch.from_pylist([{"unit": unit, "scanned": count.scanned, "matched": matched}], schema=COUNT_SCHEMA)


def scan_schema(plan: BatchPlan, entity_name: str) -> pa.Schema:
    """What the scan of an entity yields; asking for it compiles no word list."""
    entity = plan.catalogue.entities[entity_name]
    carried = [pa.field(name, ARROW_TYPES[entity.columns[name].value_type]) for name in carried_columns(plan, entity_name)]
    return pa.schema([*SCAN_FIELDS, *carried])


class EntityKernel:
    """The compiled scan of one entity for a whole batch of tasks.

    Args:
        plan: the batch.
        entity_name: the entity whose table is scanned.
    """

    def __init__(self, plan: BatchPlan, entity_name: str) -> None:
        self._plan = plan
        self._entity_name = entity_name
        self._early: dict[frozenset[int], tuple[str, ...]] = {}
        self._places = plan.places_of(entity_name)
        self._table = LogicTable()
        self._logic = {place.index: [self._table.add(node) for node in place.logic] for place in self._places}
        self._scanners = ProbeScanners(plan, plan.probes(entity_name))
        self._limited: dict[tuple[tuple[int, tuple[int, ...]], ...], bool] = {}
        self._active: dict[tuple[str, str, bool], list[tuple[Place, tuple[int, ...]]]] = {}
        self.columns = columns_of(plan, entity_name)
        self.carried = carried_columns(plan, entity_name)
        self.schema = scan_schema(plan, entity_name)

    def early_columns(self, kept: frozenset[int]) -> tuple[str, ...]:
        """The columns that tell which rows fit where some probes are kept: what else is shown or counted can be read afterwards."""
        if kept not in self._early:
            rules = [rule for place in self._places for node in place.logic for rule in rules_of(node)]
            asked = [rule for rule in rules if rule.match != "matches" or self._scanners.number(probe_of(rule)) not in kept]
            needed = {part for rule in asked for part in rule.feature.parts}
            needed |= {condition.column for place in self._places for condition in self._plan.catalogue.objects[place.object].where}
            columns = self._plan.catalogue.entities[self._entity_name].columns
            self._early[kept] = tuple(name for name in self.columns if name in needed or columns[name].kind not in LATE_KINDS)
        return self._early[kept]

    @cached_property
    def limiting_columns(self) -> tuple[str, ...]:
        """The columns without texts that rules and roles ask: they limit which rows can fit at all."""
        rules = [rule for place in self._places for node in place.logic for rule in rules_of(node)]
        needed = {part for rule in rules if rule.feature.kind != "text" for part in rule.feature.parts}
        needed |= {condition.column for place in self._places for condition in self._plan.catalogue.objects[place.object].where}
        return tuple(name for name in self.columns if name in needed)

    def is_limited(self, active: Sequence[tuple[Place, tuple[int, ...]]]) -> bool:
        """Whether columns without texts can tell that a row fits no task: it follows from the tasks, not from the rows."""
        key = tuple((place.index, bits) for place, bits in active)
        if key not in self._limited:
            columns = self._plan.catalogue.entities[self._entity_name].columns
            schema = pa.schema([pa.field(name, ARROW_TYPES[columns[name].value_type]) for name in self.limiting_columns])
            self._limited[key] = self.possible(pa.RecordBatch.from_pylist([], schema=schema), active) is not None
        return self._limited[key]

    def possible(self, batch: pa.RecordBatch, active: Sequence[tuple[Place, tuple[int, ...]]]) -> np.ndarray | None:
        """The rows that can fit some task, seen from their columns without texts; None where all can, whatever these columns hold.

        Args:
            batch: rows with `limiting_columns`.
            active: what `active` says of the partition.

        Returns:
            dtype bool, shape (rows,).
        """
        answered: dict[Rule, PackedBits] = {}
        known: dict[int, Limits] = {}

        def rule_bits(rule: Rule) -> PackedBits | None:
            if rule.feature.kind == "text":
                return None
            if rule not in answered:
                answered[rule] = np.packbits(evaluate_rule(rule, batch), bitorder="little")
            return answered[rule]

        some = np.zeros(-(-batch.num_rows // 8), dtype=np.uint8)
        for place, bits in active:
            where = self._plan.catalogue.objects[place.object].where
            role = np.packbits(role_holds(where, batch), bitorder="little") if where else None
            for bit in bits:
                limit = self._table.limits(self._logic[place.index][bit], rule_bits, known).possibly
                if limit is None and role is None:
                    return None
                if limit is None or role is None:
                    some |= limit if role is None else role
                else:
                    some |= limit & role
        return _unpack(some, batch.num_rows)

    def active(self, product: str, period: str, visible: bool) -> list[tuple[Place, tuple[int, ...]]]:
        """The places, each with the bits of its tasks, that look at a partition."""
        key = (product, period, visible)
        if key not in self._active:
            found = [(place, self._plan.active(place, product, period, visible)) for place in self._places]
            self._active[key] = [(place, bits) for place, bits in found if bits]
        return self._active[key]

    def scan(
        self,
        batch: pa.RecordBatch,
        product: str,
        active: Sequence[tuple[Place, tuple[int, ...]]],
        count: UnitCount,
        kept: KeptRows = NOTHING_KEPT,
        late: Callable[[], pa.RecordBatch] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Scans one batch of rows of one partition: counts into `count`, yields the rows that fit, a batch for each place.

        Args:
            batch: rows with `columns`, or with `early_columns` of what is kept.
            product: the partition's product.
            active: what `active` says of the partition.
            count: where the batch's rows are counted.
            kept: the hits in these rows that need no scan.
            late: called for the columns that the batch has not, if any of its rows fits.
        """
        count.scanned += batch.num_rows
        rows = BatchRows(batch, self._scanners, kept, late)
        known: dict[int, PackedBits] = {}
        roles: dict[str, PackedBits] = {}
        for place, bits in active:
            if place.object not in roles:
                roles[place.object] = np.packbits(role_holds(self._plan.catalogue.objects[place.object].where, batch), bitorder="little")
            fits = [(bit, roles[place.object] & self._table.evaluate(self._logic[place.index][bit], rows.rule_bits, known)) for bit in bits]
            fitting = [(bit, held) for bit, held in fits if held.any()]
            if not fitting:
                continue
            tasks, held = np.array([bit for bit, _ in fitting], dtype=np.int64), np.stack([held for _, held in fitting])
            for bit, matched in zip(tasks.tolist(), np.bitwise_count(held).sum(axis=1, dtype=np.int64).tolist(), strict=True):
                key = (place.index, bit)
                count.matched[key] = count.matched.get(key, 0) + matched
            yield self._found(place, rows, tasks, held, product)

    def _found(self, place: Place, rows: BatchRows, tasks: np.ndarray, held: np.ndarray, product: str) -> pa.RecordBatch:
        """The rows that fit some task of a place.

        Args:
            place: the place.
            rows: the batch's rows.
            tasks: their bits, int64, shape (tasks,).
            held: the rows that fit each, packed, shape (tasks, ceil(rows / 8)).
            product: the partition's product.
        """
        chosen = np.flatnonzero(_unpack(np.bitwise_or.reduce(held), rows.batch.num_rows))
        words = np.zeros((len(chosen), place.group.words), dtype=np.uint64)
        fill_bitmaps(held, tasks, places_of(chosen, rows.batch.num_rows), words)
        carried = [rows.chosen(name, pa.array(chosen)) for name in self.carried]
        constants = [pa.repeat(pa.scalar(place.index, pa.int32()), len(chosen)), pa.repeat(pa.scalar(product, pa.string()), len(chosen))]
        return pa.RecordBatch.from_arrays([*constants, lists_of(words), rows.packed_hits(chosen), *carried], schema=self.schema)


def places_of(chosen: np.ndarray, rows: int) -> np.ndarray:
    """The place of each row among chosen ones, -1 for others.

    Args:
        chosen: int64, ascending.
        rows: all of them.
    """
    places = np.full(rows, -1, dtype=np.int64)
    places[chosen] = np.arange(len(chosen))
    return places


def _unpack(bits: PackedBits, rows: int) -> np.ndarray:
    return np.unpackbits(bits, count=rows, bitorder="little").view(bool)
