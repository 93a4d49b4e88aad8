"""Rows of the served log that agree with the naive evaluator of features, to be spoilt by tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from srp_assets.features.aggregation.rows import ARROW_TYPES
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import microseconds
from srp_assets.online.parity.comparing import OFFLINE

Row = dict[str, Any]

CONTEXT = ("user_id", "market", "query", "device", "page", "location", "position", "price")


def served_row(definitions: Definitions, number: int, request: Mapping[str, Any], values: Mapping[str, Any]) -> Row:
    """A row for one candidate, which was served with these values; four candidates a request."""
    row: Row = {
        "event_id": f"served-{number}",
        "event_time": request["as_of"],
        "arrival_time": request["as_of"],
        "trace_id": f"trace-{number // 4}",
        "item_id": request.get("item_id") or "nothing",
        **{name: request.get(name) for name in CONTEXT},
        "definition_version": definitions.digest,
        "values": {},
        "texts": {},
        "lists": {},
        "defaulted": [],
        "consumed_to": request["as_of"],
    }
    for name, value in values.items():
        maps = {"number": "values", "time": "values", "text": "texts", "texts": "lists"}
        row[maps[definitions.features[name].value_type]][name] = _as_served(value)
    return row


def _as_served(value: Any) -> Any:
    if isinstance(value, datetime):
        return float(microseconds(value))
    return json.dumps(list(value), ensure_ascii=False) if isinstance(value, list | tuple) else value


SERVED_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string()),
        pa.field("as_of", pa.timestamp("us", "UTC")),
        pa.field("definition_version", pa.string()),
        pa.field("values", pa.map_(pa.string(), pa.float64())),
        pa.field("texts", pa.map_(pa.string(), pa.string())),
        pa.field("lists", pa.map_(pa.string(), pa.string())),
        pa.field("defaulted", pa.list_(pa.string())),
    ]
)


def with_offline(definitions: Definitions, rows: Sequence[Row], offline: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Served rows beside the recomputed features, as they come to be compared."""
    columns = {field.name: pa.array([_cell(row, field.name) for row in rows], field.type) for field in SERVED_SCHEMA}
    for name, feature in definitions.features.items():
        columns[f"{OFFLINE}{name}"] = pa.array([values[name] for values in offline], ARROW_TYPES[feature.value_type])
    return pa.table(columns)


def _cell(row: Row, name: str) -> Any:
    found = row["event_time" if name == "as_of" else name]
    return list(found.items()) if isinstance(found, dict) else found
