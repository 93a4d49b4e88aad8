"""Joins the candidates of one group in memory: what `plan_join.py` does in Spark, for groups whose candidates one worker can hold.

The same messages travel along the pattern's edges (see there), here as Python integers whose bits are the group's tasks. Planning the
joins of a group costs Spark more than a second; most groups have so few candidates that joining them here takes milliseconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from srp_assets.recall.cases import AT_ONCE, key_order
from srp_assets.recall.scan.assembly import CaseAssembler, case_row_schema
from srp_assets.recall.scan.compile import BatchPlan, Group, edges_of
from srp_assets.strategy.reference import SHOWN_KEYS
from srp_assets.warehouse.catalogue import ColumnPair, Relation

Row = Mapping[str, Any]
"""A candidate: `_product`, the object's carried columns, and `_hits` where the object has rules."""

Rows = tuple[int, ...]
"""Candidates of one object, by their places in the order of (product, key)."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Held:
    """The candidates of one object and, for each, the bitmap of the tasks that it may take part in."""

    rows: Sequence[Row]
    tasks: Sequence[int]


class GroupJoin:
    """The cases of one group.

    Args:
        plan: the batch.
        group: the group.
        candidates: for each object of the group its candidates, in any order.
        tasks: the bits of the tasks whose cases are wanted; all where none is named.
    """

    def __init__(self, plan: BatchPlan, group: Group, candidates: Mapping[str, Held], tasks: Sequence[int] = ()) -> None:
        self._plan = plan
        self._group = group
        self._keys = {name: plan.catalogue.entity_of(name).key for name in group.objects}
        self._held = {name: self._ordered(name, candidates[name]) for name in group.objects}
        self._bits = [bit for bit in plan.bits_in_order(group) if not tasks or bit in tasks]
        self._outwards: dict[str, list[Relation]] = {}
        self._reduce(group.recall, None)
        self._partners: dict[tuple[str, str], list[dict[Key, list[int]]]] = {}
        self._joined: dict[tuple[str, str, Rows, int], Rows] = {}

    def cases(self) -> Iterator[pa.RecordBatch]:
        """The cases as they are kept, ordered by task id, product and key."""
        assembler, schema = CaseAssembler(self._plan, self._group), case_row_schema(self._plan, self._group)
        rows = self._case_rows()
        while some := list(islice(rows, AT_ONCE)):
            yield assembler.assemble(pa.RecordBatch.from_pylist(some, schema=schema))

    def _case_rows(self) -> Iterator[dict[str, Any]]:
        """What each case is assembled from, in their order."""
        recalled = self._held[self._group.recall]
        places: list[list[int]] = [[] for _ in self._group.tasks]
        for place, tasks in enumerate(recalled.tasks):
            for bit in _bits_of(tasks):
                places[bit].append(place)
        for bit in self._bits:
            for place in places[bit]:
                yield {**recalled.rows[place], "_task": bit, **self._summaries(place, bit)}

    def _ordered(self, name: str, held: Held) -> Held:
        key = self._keys[name]
        products = [row["_product"] for row in held.rows]
        orders = [key_order([row[column] for column in key]) for row in held.rows]
        order = sorted(range(len(held.rows)), key=lambda place: (products[place], orders[place]))
        return Held([held.rows[place] for place in order], [held.tasks[place] for place in order])

    def _edges(self, name: str, parent: str | None) -> list[Relation]:
        """The relations of an object that lead away from the recalled object."""
        if name not in self._outwards:
            edges = edges_of(self._plan.catalogue, self._group.objects, name)
            self._outwards[name] = [relation for relation in edges if relation.right != parent]
        return self._outwards[name]

    def _reduce(self, name: str, parent: str | None) -> None:
        """Takes from the rows of an object the tasks that its neighbours further out do not share."""
        held = self._held[name]
        tasks = list(held.tasks)
        for relation in self._edges(name, parent):
            self._reduce(relation.right, name)
            received = self._received(held.rows, relation, self._held[relation.right])
            tasks = [own & other for own, other in zip(tasks, received, strict=True)]
        self._held[name] = Held(held.rows, tasks)

    @staticmethod
    def _received(rows: Sequence[Row], relation: Relation, sender: Held) -> list[int]:
        """For each row the tasks of the sender's rows that it joins."""
        received = [0] * len(rows)
        for pairs in relation.any_of:
            message: dict[Key, int] = {}
            for key, tasks in zip(_join_keys(sender.rows, [right for _, right in pairs]), sender.tasks, strict=True):
                if key is not None and tasks:
                    message[key] = message.get(key, 0) | tasks
            for place, key in enumerate(_join_keys(rows, [left for left, _ in pairs])):
                if key is not None:
                    received[place] |= message.get(key, 0)
        return received

    def _summaries(self, recalled: int, bit: int) -> dict[str, Any]:
        """What a case says of each other object: how many of its rows it joins, the first keys, and the first row."""
        found: dict[str, Rows] = {}
        self._walk(self._group.recall, None, (recalled,), bit, found)
        summaries = {}
        for name, places in found.items():
            rows = self._held[name].rows
            keys = [{column: rows[place][column] for column in self._keys[name]} for place in places[:SHOWN_KEYS]]
            summaries[f"_joined_{name}"] = {"rows": len(places), "keys": keys, "first": rows[places[0]]}
        return summaries

    def _walk(self, name: str, parent: str | None, near: Rows, bit: int, found: dict[str, Rows]) -> None:
        for relation in self._edges(name, parent):
            child = relation.right
            # Cases that meet in one row (the comments of a post) go on from there alike.
            known = (name, child, near, bit)
            if known not in self._joined:
                self._joined[known] = self._joined_to(relation, near, bit)
            found[child] = self._joined[known]
            self._walk(child, name, found[child], bit, found)

    def _joined_to(self, relation: Relation, near: Rows, bit: int) -> Rows:
        left, right = self._held[relation.left], self._held[relation.right]
        edge = (relation.left, relation.right)
        if edge not in self._partners:
            self._partners[edge] = [_places_by_key(right.rows, pairs) for pairs in relation.any_of]
        places: set[int] = set()
        near_rows = [left.rows[place] for place in near]
        for pairs, partners in zip(relation.any_of, self._partners[edge], strict=True):
            for key in _join_keys(near_rows, [column for column, _ in pairs]):
                if key is not None:
                    places.update(place for place in partners.get(key, ()) if right.tasks[place] >> bit & 1)
        return tuple(sorted(places))


def _bits_of(tasks: int) -> Iterator[int]:
    while tasks:
        lowest = tasks & -tasks
        yield lowest.bit_length() - 1
        tasks ^= lowest


def _join_keys(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Key | None]:
    """Product and values by which rows join; None where a value is null, which equals nothing."""
    for row in rows:
        values = tuple(row[column] for column in columns)
        yield None if None in values else (row["_product"], *values)


def _places_by_key(rows: Sequence[Row], pairs: Sequence[ColumnPair]) -> dict[Key, list[int]]:
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(_join_keys(rows, [right for _, right in pairs])):
        if key is not None:
            places.setdefault(key, []).append(place)
    return places
