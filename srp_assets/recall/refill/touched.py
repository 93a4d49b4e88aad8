"""Which join keys of a finished task are touched by builds that came later, so that only these are evaluated again. No framework.

The *root* of a case is its recalled row's bucket key. Along the pattern, other objects have columns that equal it in whatever a case joins
(the `post_id` of a comment under a recalled post): `root_columns`. A row of such an object that changed touches its root. A row of another
object (the author of a comment) touches the roots of the rows that it joins, which are looked up. Cases of roots that nothing touches are
as they were, since every row that they join is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.refill.reopened import Ledger
from srp_assets.recall.scan.compile import edges_of
from srp_assets.strategy.resolved import AllOf, Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue, Relation

Value = int | str
Values = tuple[Value | None, ...]
"""Some columns of a row."""

Touches = dict[Values, set[int]]
"""Some columns of rows, and the new builds for which these rows count as changed."""

Roots = dict[Value, set[int]]
"""Bucket keys of the recalled object, and the builds that touched them."""


@dataclass(frozen=True)
class BuildPair:
    """Two builds of one period, as ids: what a cell was scanned in (None: nothing) and what is current."""

    old: int | None
    new: int


class Rows(Protocol):
    """Reads rows of builds; `plan_refill.py` does it."""

    def changed(self, entity: str, pairs: Iterable[BuildPair], columns: Sequence[str]) -> Touches:
        """Some columns of the rows that are in only one build of a pair; with the new build of the pair.

        Raises:
            TooMany: if they are more than is worth it, or an old build is gone.
        """
        ...

    def joining(
        self, entity: str, products: Sequence[str], relation: Relation, sent: Iterable[Values], columns: Sequence[str]
    ) -> set[Values]:
        """Of the current rows that may join: the columns of the left side of `relation`, then `columns`.

        Args:
            entity: of the left side.
            products: where to look.
            relation: how the two sides join.
            sent: rows of the right side: its columns in the order of `right_columns`.
            columns: what else is wanted of the left rows.

        Raises:
            TooMany: if they are more than is worth it.
        """
        ...


class TooMany(Exception):
    """What is touched cannot be told, or is so much that the whole task is evaluated again."""


def root_columns(catalogue: Catalogue, strategy: ResolvedStrategy) -> dict[str, str]:
    """The objects that have the recalled object's bucket key in a column, whatever alternative of a relation holds."""
    columns = {strategy.recall: catalogue.entity_of(strategy.recall).bucket_key}
    waiting = [strategy.recall]
    while waiting:
        name = waiting.pop()
        for relation in edges_of(catalogue, strategy.objects, name):
            if relation.right in columns:
                continue
            equal = [{right for left, right in pairs if left == columns[name]} for pairs in relation.any_of]
            shared = sorted(set.intersection(*equal))
            if shared:
                # Of several the bucket key, which says in which files to look.
                own = catalogue.entity_of(relation.right).bucket_key
                columns[relation.right] = own if own in shared else shared[0]
                waiting.append(relation.right)
    return columns


def left_columns(relation: Relation) -> tuple[str, ...]:
    """The columns of the left side by which it joins."""
    return tuple(dict.fromkeys(left for pairs in relation.any_of for left, _ in pairs))


def right_columns(relation: Relation) -> tuple[str, ...]:
    """The columns of the right side by which it joins."""
    return tuple(dict.fromkeys(right for pairs in relation.any_of for _, right in pairs))


def touched_roots(catalogue: Catalogue, ledger: Ledger, rows: Rows) -> Roots:
    """The roots whose cases may have changed, with the builds that may have changed them.

    Raises:
        TooMany: if the whole task is to be evaluated again.
    """
    roots: Roots = {}
    _Walk(catalogue, ledger, rows, roots).touches(ledger.spec.strategy.recall, None)
    return roots


class _Walk:
    """Goes through the pattern from the recalled object outward, and carries what changed back to the roots."""

    def __init__(self, catalogue: Catalogue, ledger: Ledger, rows: Rows, roots: Roots) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._rows = rows
        self._roots = roots
        self._columns = root_columns(catalogue, ledger.spec.strategy)

    def touches(self, name: str, to_parent: Relation | None) -> Touches:
        """What of an object changed or joins what changed: of an object with roots they are noted, of another what its parent joins by."""
        if name in self._columns:
            wanted: tuple[str, ...] = (self._columns[name],)
        elif to_parent is not None:
            wanted = right_columns(to_parent)
        else:
            raise ValueError(f"{name} is neither recalled nor joined")
        entity = self._catalogue.objects[name].entity
        pairs = {
            BuildPair(cell.scanned.build_id if cell.scanned else None, cell.build_id)
            for cell in self._ledger.reopened
            if cell.object == name
        }
        found = self._rows.changed(entity, pairs, wanted) if pairs else {}
        for relation in edges_of(self._catalogue, self._ledger.spec.strategy.objects, name):
            if to_parent is not None and relation.right == to_parent.left:
                continue
            below = self.touches(relation.right, relation)
            if below and relation.right not in self._columns:
                for touched, builds in self._joined(entity, relation, below, wanted).items():
                    found.setdefault(touched, set()).update(builds)
        if name in self._columns:
            for (root,), builds in found.items():
                if root is not None:
                    self._roots.setdefault(root, set()).update(builds)
        return found

    def _joined(self, entity: str, relation: Relation, below: Touches, wanted: Sequence[str]) -> Touches:
        """The rows of the left side that join rows of the right side, which passes their builds on."""
        products = self._ledger.spec.products
        left, right = left_columns(relation), right_columns(relation)
        by_key: dict[tuple[int, Values], set[int]] = {}
        for sent, builds in below.items():
            values = dict(zip(right, sent, strict=True))
            for number, pairs in enumerate(relation.any_of):
                by_key.setdefault((number, tuple(values[column] for _, column in pairs)), set()).update(builds)
        found: Touches = {}
        for row in self._rows.joining(entity, products, relation, below, wanted):
            values = dict(zip(left, row[: len(left)], strict=True))
            for number, pairs in enumerate(relation.any_of):
                key = tuple(values[column] for column, _ in pairs)
                if None not in key and (number, key) in by_key:
                    found.setdefault(row[len(left) :], set()).update(by_key[number, key])
        return found


def limited_to(catalogue: Catalogue, task: TaskSpec, roots: Mapping[Value, object]) -> TaskSpec:
    """The task on some roots alone: with the cases that it has there, and no others."""
    objects = dict(task.strategy.objects)
    for name, column in root_columns(catalogue, task.strategy).items():
        type_ = catalogue.entity_of(name).columns[column].value_type
        feature = Feature(name=column, kind="id", type=type_, parts=(column,))
        rule = Rule(feature=feature, match="in", value=tuple(sorted(roots, key=str)))
        node = objects[name]
        objects[name] = rule if node is None else AllOf(all=(rule, node))
    return task.model_copy(update={"strategy": task.strategy.model_copy(update={"objects": objects})})
