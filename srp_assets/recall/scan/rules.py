"""Evaluates one rule over a whole Arrow batch: one boolean a row, false where the feature is null. No framework but pyarrow."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.strategy.resolved import Rule
from srp_assets.strategy.sampling import is_sampled
from srp_assets.warehouse.catalogue import Condition
from srp_assets.warehouse.schema import ARROW_TYPES, TIMESTAMP

Booleans = np.ndarray
"""dtype bool, shape (rows,)."""

COMPARISONS: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "is": pc.equal,
}


def evaluate_rule(rule: Rule, batch: pa.RecordBatch) -> Booleans:
    """Which rows of a batch satisfy a rule that is no word-list match.

    Args:
        rule: any rule but one with match `matches` (a scanner answers those).
        batch: rows with the columns that the rule's feature reads, typed as the catalogue says.
    """
    columns = [batch.column(part) for part in rule.feature.parts]
    if rule.feature.kind == "array":
        return _array_contains(rule, columns[0])
    if rule.match == "sampled":
        return _sampled(rule, columns[0])
    if rule.feature.kind == "map":
        values = pc.map_lookup(columns[0], pa.scalar(rule.key, pa.string()), "last")
        return _settled(_compare(rule, values, values.type))
    held = np.zeros(batch.num_rows, dtype=bool)
    for column in columns:
        held |= _settled(_compare(rule, column, ARROW_TYPES[rule.feature.type]))
    return held


def role_holds(conditions: Sequence[Condition], batch: pa.RecordBatch) -> Booleans:
    """Which rows of a batch have the role of a filtered object: all of its conditions hold."""
    held = np.ones(batch.num_rows, dtype=bool)
    for condition in conditions:
        column = batch.column(condition.column)
        if condition.test in ("is_null", "is_not_null"):
            passed = column.is_null().to_numpy(zero_copy_only=False)
            held &= passed if condition.test == "is_null" else ~passed
        else:
            passed = _settled(pc.equal(column, pa.scalar(condition.value, column.type)))
            held &= passed if condition.test == "equals" else ~passed
    return held


def _compare(rule: Rule, column: pa.Array, type_: pa.DataType) -> pa.Array:
    value = rule.value
    if rule.match == "contains":
        return pc.match_substring(column, pattern=str(value))
    if rule.match == "in":
        allowed = pa.array([_typed(item, type_) for item in _several(value)], type_)
        return pc.is_in(column, value_set=allowed, skip_nulls=True)
    if rule.match == "between":
        low, high = (pa.scalar(_typed(item, type_), type_) for item in _several(value))
        return pc.and_kleene(pc.greater_equal(column, low), pc.less_equal(column, high))
    return COMPARISONS[rule.match](column, pa.scalar(_typed(value, type_), type_))


def _array_contains(rule: Rule, column: pa.ListArray) -> Booleans:
    parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    elements = pc.list_flatten(column)
    rows = len(column)
    held = np.ones(rows, dtype=bool) if rule.match == "contains_all" else np.zeros(rows, dtype=bool)
    for value in _several(rule.value):
        has_value = np.zeros(rows, dtype=bool)
        has_value[parents[_settled(pc.equal(elements, pa.scalar(value, pa.string())))]] = True
        held = held & has_value if rule.match == "contains_all" else held | has_value
    return held


def _sampled(rule: Rule, column: pa.Array) -> Booleans:
    """Tables are sorted by what they are sampled by: a key that many rows share is hashed once."""
    encoded = column.dictionary_encode()
    held = np.array([key is not None and is_sampled(rule, key) for key in encoded.dictionary.to_pylist()] + [False])
    return held[pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)]


def _settled(answers: pa.Array) -> Booleans:
    """Two-valued: what is unknown is false (contract 4 of the design)."""
    return pc.fill_null(answers, False).to_numpy(zero_copy_only=False)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _typed(value: Any, type_: pa.DataType) -> Any:
    return datetime.fromisoformat(value) if type_ == TIMESTAMP else value
