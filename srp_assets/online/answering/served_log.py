"""What was served, as rows of the log of role `served_features` (`logs/schema.py`): one for each candidate of a request."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.schema import CONTEXT_COLUMNS
from srp_assets.online.answering.columns import widened
from srp_assets.online.answering.twin import Answer
from srp_assets.warehouse.schema import TIMESTAMP

CANDIDATE_NUMBERS = ("position", "price")


def served_rows(
    definitions: Definitions,
    answer: Answer,
    served_at: int | None = None,
    propensities: Sequence[Mapping[int, float]] | None = None,
) -> pa.RecordBatch:
    """The rows of an answer.

    Args:
        definitions: that were served.
        answer: to a request.
        served_at: when, in microseconds since 1970; the time of the request if it is not known.
        propensities: for each candidate the probability with which the policy that chose shows it at a place, by place; what other
            policies would have been worth can be told from nothing else.
    """
    request, size = answer.request, answer.request.size
    items = list(request.candidates["item_id"])
    columns: dict[str, Any] = {
        "event_id": [f"{request.trace_id}/{item}" for item in items],
        "event_time": _times(request.as_of, size),
        "arrival_time": _times(request.as_of if served_at is None else served_at, size),
        "trace_id": [request.trace_id] * size,
        "item_id": items,
    }
    own = {**{name: [value] for name, value in request.context.items()}, **request.candidates}
    for name in dict.fromkeys([*CONTEXT_COLUMNS, *CANDIDATE_NUMBERS, *own]):
        if name not in columns:
            columns[name] = _column(definitions, name, list(own.get(name, [None])), size)
    columns["definition_version"] = [definitions.digest] * size
    by_type = {kind: sorted(name for name, found in definitions.features.items() if found.value_type in kind) for kind in KINDS}
    columns["values"] = _numbers(by_type[NUMBERS], answer.values, size)
    columns["texts"] = _texts(by_type[TEXTS], [widened(answer.values[name], size) for name in by_type[TEXTS]], size)
    lists = [[None if own is None else json.dumps(own, ensure_ascii=False) for own in answer.values[name]] for name in by_type[LISTS]]
    columns["lists"] = _texts(by_type[LISTS], [widened(column, size) for column in lists], size)
    columns["defaulted"] = pa.array([sorted(answer.defaulted)] * size, pa.list_(pa.string()))
    consumed_to = None if answer.position is None else answer.position.consumed_to
    columns["consumed_to"] = pa.array([consumed_to] * size, pa.int64()).cast(TIMESTAMP)
    chosen: Sequence[Mapping[int, float] | None] = propensities or [None] * size
    places = [None if own is None else [(str(place), value) for place, value in own.items()] for own in chosen]
    columns["propensities"] = pa.array(places, pa.map_(pa.string(), pa.float64()))
    return pa.RecordBatch.from_pydict(columns)


NUMBERS, TEXTS, LISTS = ("number", "time"), ("text",), ("texts",)
KINDS = (NUMBERS, TEXTS, LISTS)
"""The types of values that each of the three maps holds."""


def _times(time: int, size: int) -> pa.Array:
    return pa.array(np.full(size, time)).cast(TIMESTAMP)


def _column(definitions: Definitions, name: str, values: list[Any], size: int) -> pa.Array:
    type_ = pa.float64() if definitions.request_columns.get(name) == "number" else pa.string()
    return pa.array(widened(values, size), type_)


def _numbers(names: Sequence[str], values: Mapping[str, Any], size: int) -> pa.MapArray:
    """A map of numbers a row, NaN as null."""
    matrix = np.stack([widened(values[name], size) for name in names], axis=1) if names else np.zeros((size, 0))
    items = pa.array(matrix.ravel(), mask=np.isnan(matrix.ravel()))
    return _maps(names, items, size)


def _texts(names: Sequence[str], columns: Sequence[Sequence[str | None]], size: int) -> pa.MapArray:
    """A map of texts a row."""
    return _maps(names, pa.array([value for row in zip(*columns, strict=True) for value in row], pa.string()), size)


def _maps(names: Sequence[str], items: pa.Array, size: int) -> pa.MapArray:
    offsets = pa.array(np.arange(size + 1, dtype=np.int32) * len(names))
    return pa.MapArray.from_arrays(offsets, pa.array([*names] * size, pa.string()), items)
