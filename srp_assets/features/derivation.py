"""Derived features of whole columns: what `declaration/functions.py` says of one value at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.point_in_time import with_defaults
from srp_assets.features.aggregation.rows import Floats, integers, numbers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.functions import CROSS_SEPARATOR, SECONDS_OF_UNIT, Parameters
from srp_assets.features.declaration.model import Derived

MICROSECONDS_OF_SECOND = 1e6


def derived_features(definitions: Definitions, requests: pa.Table, aggregated: pa.Table) -> pa.Table:
    """All features of requests, in the order of the definitions.

    Args:
        definitions: of the features.
        requests: with their computed columns and attributes.
        aggregated: the features that are no derived ones, null where nothing counts.
    """
    found = with_defaults(definitions, aggregated)
    values = {name: found[name] for name in found.column_names}
    for feature in definitions.derived:
        declared = feature.declared
        assert isinstance(declared, Derived)
        inputs = [values[name] if name in values else requests[name] for name in feature.inputs]
        own = pa.table({feature.name: VECTORISED[declared.function](inputs, declared.parameters)})
        values[feature.name] = with_defaults(definitions, own)[feature.name]
    return pa.table({name: values[name] for name in definitions.features})


def _numeric(function: Callable[[Sequence[Floats], Parameters], Any]) -> Callable[[Sequence[Any], Parameters], Any]:
    """A function of columns of numbers; NaN is null on both sides."""

    def evaluate(inputs: Sequence[Any], parameters: Parameters) -> Any:
        columns = [numbers(column) for column in inputs]
        with np.errstate(all="ignore"):
            found = np.asarray(function(columns, parameters), dtype=np.float64)
        return pa.array(found, mask=np.logical_or.reduce([np.isnan(found), *(np.isnan(column) for column in columns)]))

    return evaluate


def _elapsed(inputs: Sequence[Any], parameters: Parameters) -> Any:
    known = np.asarray(pc.and_(pc.is_valid(inputs[0]), pc.is_valid(inputs[1])))
    first, second = (integers(pc.fill_null(column, pa.scalar(0, column.type))) for column in inputs)
    return pa.array((second - first) / MICROSECONDS_OF_SECOND / SECONDS_OF_UNIT[parameters.unit_of_time], mask=~known)


def _is_equal(inputs: Sequence[Any], _: Parameters) -> Any:
    return pc.cast(pc.equal(inputs[0], inputs[1]), pa.float64())


def _is_among(inputs: Sequence[Any], _: Parameters) -> Any:
    texts, lists = (_in_one(column) for column in inputs)
    known = pc.and_(pc.is_valid(texts), pc.is_valid(lists))
    return _any_of_list(lists, lambda parents, values: pc.equal(values, texts.take(parents)), known)


def _contains(inputs: Sequence[Any], parameters: Parameters) -> Any:
    lists = _in_one(inputs[0])
    return _any_of_list(lists, lambda _, values: pc.equal(values, parameters.value), pc.is_valid(lists))


def _in_one(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _any_of_list(lists: Any, holds: Callable[[Any, Any], Any], known: Any) -> Any:
    """1 where something holds for an element of the list, 0 where not; null where it is not known."""
    parents = pc.list_parent_indices(lists)
    hits = np.asarray(parents.filter(pc.fill_null(holds(parents, pc.list_flatten(lists)), False)))
    found = np.zeros(len(lists))
    found[hits] = 1.0
    return pa.array(found, mask=~np.asarray(known))


def _size(inputs: Sequence[Any], _: Parameters) -> Any:
    return pc.cast(pc.list_value_length(inputs[0]), pa.float64())


def _length(inputs: Sequence[Any], _: Parameters) -> Any:
    return pc.cast(pc.utf8_length(inputs[0]), pa.float64())


def _cross(inputs: Sequence[Any], _: Parameters) -> Any:
    return pc.binary_join_element_wise(*inputs, CROSS_SEPARATOR, null_handling="emit_null")


NUMERIC: dict[str, Callable[[Sequence[Floats], Parameters], Any]] = {
    "ratio": lambda inputs, _: np.where(inputs[1] != 0, inputs[0] / inputs[1], np.nan),
    "difference": lambda inputs, _: inputs[0] - inputs[1],
    "product": lambda inputs, _: inputs[0] * inputs[1],
    "logarithm": lambda inputs, _: np.where(inputs[0] > -1, np.log1p(inputs[0]), np.nan),
    "sine": lambda inputs, parameters: np.sin(2 * np.pi * inputs[0] / parameters.period),
    "cosine": lambda inputs, parameters: np.cos(2 * np.pi * inputs[0] / parameters.period),
}
"""Functions of numbers, NaN for null on both sides; they may divide by zero on the way."""

VECTORISED: dict[str, Callable[[Sequence[Any], Parameters], Any]] = {
    "value": lambda inputs, _: inputs[0],
    **{name: _numeric(function) for name, function in NUMERIC.items()},
    "elapsed": _elapsed,
    "is_equal": _is_equal,
    "is_among": _is_among,
    "contains": _contains,
    "size": _size,
    "length": _length,
    "cross": _cross,
}
