"""The features of one family at request time, from the records of its keys: what `aggregation/point_in_time.py` computes offline."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from operator import itemgetter
from typing import Any

import numpy as np

from srp_assets.errors import Unavailable
from srp_assets.features.aggregation.layout import OF_VALUES, Accumulator, Additive, PartialTable, additives_of, table_keys
from srp_assets.features.aggregation.rows import Integers
from srp_assets.features.aggregation.sums import accumulators_of, value_of, weights_of
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.model import Last
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.answering.columns import Columns, Values, taken
from srp_assets.online.answering.sessions import SessionPlan
from srp_assets.online.answering.slots import Slots, entity_slots, value_slots
from srp_assets.online.answering.value_features import Collected, value_feature
from srp_assets.online.records.entries import WORD
from srp_assets.online.records.layout import FORMS, FamilyRecords, newest_of
from srp_assets.online.store import record_key

Digests = np.ndarray
"""Of texts, int64; 0 for null: what stands for a text until the store has said which one it is."""


@dataclass(frozen=True)
class TablePlan:
    """What is computed from one partial table.

    Args:
        table: which.
        accumulators: what is summed over windows.
        summed: features that follow from sums, with the places of their accumulators.
        newest: features that are newest values, with their place among those of the table.
        of_values: features that speak of the values of the last key.
        apart: what the keys of its records begin with, where they lie apart.
    """

    table: PartialTable
    accumulators: tuple[Accumulator, ...]
    summed: tuple[tuple[Feature, tuple[int, ...]], ...]
    newest: tuple[tuple[Feature, int], ...]
    of_values: tuple[Feature, ...]
    apart: str | None

    @property
    def is_of_entity(self) -> bool:
        """Whether a feature is about all keys of the table."""
        return bool(self.summed or self.newest)


@dataclass(frozen=True)
class FamilyPlan:
    """How the features of a family are computed."""

    definitions: Definitions
    records: FamilyRecords
    tables: tuple[TablePlan, ...]
    session: SessionPlan | None

    @property
    def key(self) -> str:
        """The column whose values records are of."""
        return self.records.family.key

    @cached_property
    def reads_first(self) -> bool:
        """Whether anything is computed from the records of the first key alone."""
        return self.session is not None or any(table.apart is None for table in self.tables)

    @cached_property
    def half_lives(self) -> list[int]:
        """Of all decays of the family."""
        found = {own.half_life_days for table in self.tables for own in table.accumulators if own.half_life_days}
        return sorted(found | {half_life for table in self.tables for half_life in map(_half_life, table.of_values) if half_life})

    @cached_property
    def weights(self) -> Any:
        """By half-life and age."""
        return weights_of(self.half_lives, max((code.reach_days for code in self.records.codes), default=0))

    @cached_property
    def codes(self) -> tuple[Integers, ...]:
        """What the walk over entries needs to know of each code; see `kernels.walk_records`."""
        numbers = len(self.records.codes) + 1
        found = np.zeros((6, numbers), np.int64)
        tables = [plan.table.keys for plan in self.tables]
        for code in self.records.codes:
            own = self.ranges.get(code.number, (0, 0))
            place = code.table.newest.index(code.part) if code.form == "newest" else -1
            # Of tables that nothing is computed from there are no slots.
            table = tables.index(code.table.keys) if code.table.keys in tables else len(tables)
            found[:, code.number] = (table, code.key_words, FORMS.index(code.form), *own, place)
        # The code of sessions has no form: it is walked over.
        found[2, 0] = FORMS.index("newest")
        return tuple(found)

    @cached_property
    def _accumulators(self) -> tuple[dict[int, tuple[int, int]], tuple[Integers, Integers, Integers]]:
        ranges: dict[int, tuple[int, int]] = {}
        rows: list[tuple[int, int, int]] = []
        for plan, code in product(self.tables, self.records.codes):
            if code.table == plan.table and isinstance(code.part, Additive):
                own = [(place, found) for place, found in enumerate(plan.accumulators) if found.additive == code.part]
                ranges[code.number] = (len(rows), len(rows) + len(own))
                decays = {None: -1} | {half_life: place for place, half_life in enumerate(self.half_lives)}
                rows += [(place, found.window_days, decays[found.half_life_days]) for place, found in own]
        columns = np.array(rows, np.int64).reshape(len(rows), 3).T
        return ranges, (np.ascontiguousarray(columns[0]), np.ascontiguousarray(columns[1]), np.ascontiguousarray(columns[2]))

    @property
    def ranges(self) -> dict[int, tuple[int, int]]:
        """By code, the range of its accumulators."""
        return self._accumulators[0]

    @property
    def accumulators(self) -> tuple[Integers, Integers, Integers]:
        """Column, window and half-life of all accumulators, by table and code."""
        return self._accumulators[1]


def _half_life(feature: Feature) -> int | None:
    return getattr(feature.declared, "half_life_days", None)


def family_plan(definitions: Definitions, records: FamilyRecords) -> FamilyPlan | None:
    """How those features of a family are computed that the definitions have; None where they have none.

    Args:
        definitions: what is asked for: the definitions that records are of, or some of their features.
        records: of the family.
    """
    plans = []
    features = [feature for feature in records.family.features if feature.name in definitions.features]
    if not features:
        return None
    windowed = [feature for feature in features if not feature.is_of_session]
    for table in records.family.tables:
        own = [feature for feature in windowed if table_keys(definitions, feature) == table.keys]
        of_values = tuple(feature for feature in own if isinstance(feature.declared, OF_VALUES))
        newest = tuple((feature, table.newest.index(newest_of(feature.declared))) for feature in own if isinstance(feature.declared, Last))
        accumulators = tuple(dict.fromkeys(found for feature in own for found in accumulators_of(feature)))
        places = {feature: tuple(map(accumulators.index, accumulators_of(feature))) for feature in own if accumulators_of(feature)}
        summed = tuple(places.items())
        if own:
            plans.append(
                TablePlan(table, accumulators, summed, newest, of_values, records.group(table) if table in records.apart else None)
            )
    of_session = [feature for feature in features if feature.is_of_session]
    return FamilyPlan(definitions, records, tuple(plans), SessionPlan(records, of_session) if of_session else None)


class FamilyRequest:
    """What one request asks of a family: the records that it needs, and with them the features."""

    def __init__(self, plan: FamilyPlan, columns: Columns) -> None:
        self._plan = plan
        self._columns = columns
        self._of_record, self._first = columns.coded(plan.key)
        self._entities = [entity_slots(columns, table.table.keys) if table.is_of_entity else None for table in plan.tables]
        self._values = [value_slots(columns, table.table.keys[:-1]) if table.of_values else None for table in plan.tables]
        asked = [(number, record_key(plan.key, value)) for number, value in enumerate(self._first)] if plan.reads_first else []
        for table, slots in zip(plan.tables, self._entities, strict=True):
            if slots is not None and table.apart is not None:
                asked += _apart(table.apart, slots, self._first, len(table.table.keys))
        # What is of one value of the first key is read as one record, wherever it lies.
        asked.sort(key=itemgetter(0))
        self.keys = [key for _, key in asked]
        self._record_of_key = [number for number, _ in asked]

    def answer(self, data: Sequence[bytes | None]) -> dict[str, Values]:
        """The features by name: float64, digests of texts, or of rankings lists of (digest, score); NaN, 0 or None where nothing counts.

        Args:
            data: what the keys of records hold.

        Raises:
            Unavailable: if a record is unreadable.
        """
        from srp_assets.online.records import kernels  # numba takes a second to import

        plan, today = self._plan, self._columns.request.day
        written = [record or b"" for record in data]
        sizes = np.array([len(record) for record in written], np.int64)
        if (sizes % WORD).any():
            raise _unreadable(plan.key)
        records = len(self._first)
        bounds = np.zeros(records + 1, np.int64)
        np.cumsum(np.bincount(self._record_of_key, sizes // WORD, records), out=bounds[1:], dtype=np.int64)
        words, floats = kernels.words_of(b"".join(written))
        entities, values = _Ranges.of(self._entities, records), _Ranges.of(self._values, records)
        width = max((len(table.accumulators) for table in plan.tables), default=0)
        newest_width = max((len(table.table.newest) for table in plan.tables), default=0)
        high, low = np.zeros((entities.count, width)), np.zeros((entities.count, width))
        newest = np.full((entities.count, newest_width), -1, np.int64)
        collected = _room(len(words) // 3 + 1 if values.count else 0)
        found = kernels.walk_records(
            (words, floats, bounds),
            today,
            plan.codes,
            (entities.first, entities.middle, entities.last, values.first, values.middle),
            plan.accumulators,
            plan.weights,
            (high, low, newest),
            collected,
        )
        if found < 0:
            raise _unreadable(plan.key)
        answers: dict[str, Values] = {}
        for table, slots, start in zip(plan.tables, self._entities, entities.starts, strict=True):
            if slots is not None:
                own = slice(start, start + len(slots))
                answers |= _summed(table, slots, high[own] + low[own])
                answers |= self._newest(table, slots, newest[own], words)
        answers |= self._of_values(values, Collected.sorted(*(column[:found] for column in collected)))
        if plan.session is not None:
            answers |= plan.session.answer(words, bounds, self._of_record, self._columns.request.as_of)
        return answers

    def _newest(self, table: TablePlan, slots: Slots, bodies: Any, words: Integers) -> dict[str, Values]:
        """Newest values, of those that are in the window."""
        answers: dict[str, Values] = {}
        for feature, column in table.newest:
            body = bodies[:, column]
            exists = body >= 0
            assert isinstance(feature.window, int)
            first = (self._columns.request.day - feature.window) * MICROSECONDS_OF_DAY
            exists[exists] = words[body[exists]] >= first
            word = np.zeros(len(body), np.int64)
            word[exists] = words[body[exists] + 1]
            if feature.value_type == "text":
                answers[feature.name] = np.append(word, 0)[slots.places]
                continue
            value = word.view(np.float64) if feature.value_type == "number" else word.astype(np.float64)
            answers[feature.name] = taken(np.where(exists, value, np.nan), slots.places)
        return answers

    def _of_values(self, ranges: "_Ranges", collected: Collected) -> dict[str, Values]:
        answers: dict[str, Values] = {}
        by_part = self._plan.records.by_part
        for table, slots, start in zip(self._plan.tables, self._values, ranges.starts, strict=True):
            for feature in table.of_values:
                assert slots is not None
                declared: Any = feature.declared
                code = by_part[table.table.keys, additives_of(declared)[0]].number
                half_life = _half_life(feature)
                weights = np.zeros(0) if half_life is None else self._plan.weights[self._plan.half_lives.index(half_life)]
                own = collected.of(code, start, len(slots))
                answers[feature.name] = value_feature(feature, own, self._columns.request.day, weights, slots.places)
        return answers


def _apart(group: str, slots: Slots, first: Sequence[str], keys: int) -> list[tuple[int, str]]:
    """The records of slots of a table that lies apart: the number of the first key's value, and the key of the record."""
    if keys == 2:
        found = zip(slots.record.tolist(), slots.last.tolist(), strict=True)
        return [(number, record_key(group, first[number], last)) for number, last in found]
    rows = zip(slots.record.tolist(), slots.middle.tolist(), slots.last.tolist(), strict=True)
    return [(number, record_key(group, first[number], middle, last)) for number, middle, last in rows]


def _summed(table: TablePlan, slots: Slots, sums: Any) -> dict[str, Values]:
    # A last slot without sums stands for candidates that have none.
    by_place = np.zeros((sums.shape[1], len(slots) + 1))
    by_place[:, :-1] = sums.T
    has_key = np.arange(len(slots) + 1) < len(slots)
    return {
        feature.name: value_of(feature.declared, [by_place[place] for place in places], has_key)[slots.places]
        for feature, places in table.summed
    }


@dataclass(frozen=True)
class _Ranges:
    """The slots of all tables after each other.

    Args:
        starts: where those of each table begin.
        first: by table and record the first slot, shape (tables + 1, records + 1): the last one is a table without slots.
        middle: of all slots.
        last: of all slots.
    """

    starts: list[int]
    first: Integers
    middle: Integers
    last: Integers

    @property
    def count(self) -> int:
        """How many slots there are."""
        return len(self.middle)

    @classmethod
    def of(cls, tables: Sequence[Slots | None], records: int) -> "_Ranges":
        """The slots of tables; of one without slots none."""
        starts = [0]
        first = np.zeros((len(tables) + 1, records + 1), np.int64)
        none = np.zeros(0, np.int64)
        if not any(tables):
            return cls([0] * len(tables), first, none, none)
        numbers = np.arange(records + 1)
        for table, slots in enumerate(tables):
            if slots is not None:
                first[table] = starts[-1] + np.searchsorted(slots.record, numbers)
            starts.append(starts[-1] + (0 if slots is None else len(slots)))
        kept = [slots for slots in tables if slots is not None]
        middle, last = (np.concatenate([none, *(getattr(slots, name) for slots in kept)]) for name in ("middle", "last"))
        return cls(starts[:-1], first, middle, last)


def _room(size: int) -> tuple[Any, ...]:
    return (*(np.empty(size, np.int64) for _ in range(4)), np.empty(size))


def _unreadable(family: str) -> Unavailable:
    return Unavailable(f"a record of {family} is unreadable", where="the online store", remedy="srp online rebuild")
