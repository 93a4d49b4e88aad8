"""Values of the landed log of what was served, as the columns that a model reads (`logs/schema.py` says how the log keeps them)."""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from srp_assets.features.declaration.columns import ValueType
from srp_assets.training.schema import FEATURE_TYPES
from srp_assets.warehouse.schema import TIMESTAMP

MAPS: Mapping[ValueType, str] = {"number": "values", "time": "values", "text": "texts", "texts": "lists"}
"""The map that holds values of each type."""


def served_columns(rows: pa.Table, types: Mapping[str, ValueType]) -> pa.Table:
    """Some columns of served rows, as a training set has them; what a row does not have is null.

    Args:
        rows: of the served log.
        types: of the wanted columns: features, and what the log has a column of its own for (the context, the item, the place).
    """
    maps = {name: _entries(rows[name]) for name in dict.fromkeys(MAPS.values()) if name in rows.column_names}
    columns = {}
    for name, type_ in types.items():
        if name in rows.column_names and name not in maps:
            columns[name] = rows[name].cast(FEATURE_TYPES[type_])
        else:
            columns[name] = _typed(_values(maps[MAPS[type_]], name, rows.num_rows), type_)
    return pa.table(columns)


def _entries(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.DictionaryArray, pa.Array]:
    """The row, the key and the value of every entry of a column of maps."""
    found = column.combine_chunks()
    maps = found if isinstance(found, pa.MapArray) else pa.concat_arrays(found.chunks)
    offsets = maps.offsets.to_numpy()
    inside = slice(int(offsets[0]), int(offsets[-1]))
    return np.repeat(np.arange(len(maps)), np.diff(offsets)), maps.keys[inside].dictionary_encode(), maps.items[inside]


def _values(entries: tuple[np.ndarray, pa.DictionaryArray, pa.Array], name: str, rows: int) -> pa.Array:
    row, key, value = entries
    code = key.dictionary.index(name).as_py()
    own = np.flatnonzero(key.indices.to_numpy() == code) if code >= 0 else np.zeros(0, np.int64)
    place = np.full(rows, -1, np.int64)
    place[row[own]] = own
    return value.take(pa.array(place, mask=place < 0))


def _typed(values: pa.Array, type_: ValueType) -> pa.Array:
    if type_ == "time":
        return values.cast(pa.int64(), safe=False).cast(TIMESTAMP)
    if type_ == "texts":
        return pa.array([None if value is None else json.loads(value) for value in values.to_pylist()], FEATURE_TYPES[type_])
    return values
