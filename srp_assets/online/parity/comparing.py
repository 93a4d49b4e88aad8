"""Lays served values beside those that were computed again: a row for each candidate and feature, in columns.

Numbers agree to contract 8, everything else exactly; a null on one side alone is a difference. So that every feature has a mean and
quantiles, its values are also measured as numbers: a time by the seconds from it to `as_of`, a text by its length, a list by its size.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions, Feature

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Numbers that differ by no more are the same; the absolute part is for sums that should be zero."""

MICROSECONDS_OF_SECOND = 1e6

COMPARED, MISSING, FOREIGN = "compared", "missing", "foreign"
"""What became of a feature of a sampled row; the words are those of `expectations/parity.py`."""

PAIRS = pa.schema(
    [
        pa.field("event_id", pa.string()),
        pa.field("feature", pa.string()),
        pa.field("state", pa.string()),
        pa.field("served", pa.float64()),
        pa.field("offline", pa.float64()),
        pa.field("served_text", pa.string()),
        pa.field("offline_text", pa.string()),
        pa.field("differs", pa.bool_()),
        pa.field("defaulted", pa.bool_()),
    ]
)
"""Of each sampled row and feature: its state, both values as numbers, as texts where they are no numbers, whether they differ, and whether
the row says that the default was served because the store could not be asked."""

SERVED_MAPS: Mapping[ValueType, str] = {"number": "values", "time": "values", "text": "texts", "texts": "lists"}
"""The column of the served log that holds values of a type."""

OFFLINE = "offline_"
"""Stands before the name of a recomputed feature: a feature may be called like a column of the served log."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def compared_values(definitions: Definitions, served_versions: Mapping[str, Mapping[str, str]], rows: pa.Table) -> pa.Table:
    """Both values of every feature of some rows, as `PAIRS` has them, feature by feature.

    Args:
        definitions: as declared now.
        served_versions: the feature versions of each version of the definitions that rows may have been served under.
        rows: of the served log, with `as_of` and the recomputed features, `OFFLINE` before their names.
    """
    maps = {name: _Map(rows[name]) for name in dict.fromkeys(SERVED_MAPS.values())}
    flagged = _Flags(rows["defaulted"])
    as_of = _microseconds(rows["as_of"])
    tables = []
    for feature in definitions.features.values():
        declared = _declared(feature, served_versions, rows["definition_version"])
        place = maps[SERVED_MAPS[feature.value_type]].places(feature.name)
        found = maps[SERVED_MAPS[feature.value_type]].take(place)
        both = COMPARISONS[feature.value_type](found, rows[f"{OFFLINE}{feature.name}"], as_of)
        state = np.where(~declared, FOREIGN, np.where(place < 0, MISSING, COMPARED))
        columns = {
            "event_id": rows["event_id"],
            "feature": pa.repeat(feature.name, rows.num_rows),
            "state": pa.array(state.tolist(), pa.string()),
            **both,
            "defaulted": pa.array(flagged.of(feature.name, rows.num_rows)),
        }
        columns["differs"] = pa.array(np.asarray(both["differs"]) & (state == COMPARED))
        tables.append(pa.table(columns).select(PAIRS.names).cast(PAIRS))
    return pa.concat_tables(tables) if tables else PAIRS.empty_table()


def _declared(feature: Feature, served_versions: Mapping[str, Mapping[str, str]], column: pa.ChunkedArray) -> Flags:
    """Which rows were served under the declared version of a feature."""
    same = {version for version, features in served_versions.items() if features.get(feature.name) == feature.version}
    return np.asarray(pc.is_in(column, pa.array(sorted(same), pa.string())))


class _Map:
    """A column of maps, from which the values of a key are taken for all rows at once."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        whole = _in_one(column)
        offsets = np.asarray(whole.offsets)
        self._rows = len(whole)
        self._items = whole.items
        parents = np.repeat(np.arange(self._rows), np.diff(offsets))
        flat = np.arange(offsets[0], offsets[-1])
        known = np.asarray(pc.is_valid(whole))[parents]
        self._parents, self._flat = parents[known], flat[known]
        keys = whole.keys.take(pa.array(self._flat)).dictionary_encode()
        self._codes = np.asarray(keys.indices)
        self._code_of = {name: code for code, name in enumerate(keys.dictionary.to_pylist())}

    def places(self, key: str) -> npt.NDArray[np.int64]:
        """Where the value of a key lies for each row, -1 where the map has no such key."""
        found = np.full(self._rows, -1, np.int64)
        if key in self._code_of:
            own = np.flatnonzero(self._codes == self._code_of[key])
            found[self._parents[own]] = self._flat[own]
        return found

    def take(self, places: npt.NDArray[np.int64]) -> pa.Array:
        """The values at places, null where there is none."""
        return self._items.take(pa.array(places, mask=places < 0))


class _Flags:
    """A column of lists of names."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        whole = _in_one(column)
        self._parents = np.asarray(pc.list_parent_indices(whole))
        self._names = pc.list_flatten(whole)

    def of(self, name: str, rows: int) -> Flags:
        """Which rows name a feature."""
        found = np.zeros(rows, np.bool_)
        found[self._parents[np.asarray(pc.fill_null(pc.equal(self._names, name), False), np.bool_)]] = True
        return found


def _in_one(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _microseconds(column: pa.ChunkedArray) -> Floats:
    """Times since 1970, NaN for null; a float64 holds them exactly."""
    return _floats(_in_one(column).cast(pa.timestamp("us", "UTC")).cast(pa.int64()))


def _floats(column: Any) -> Floats:
    """Numbers, NaN for null."""
    return np.asarray(pc.fill_null(_in_one(column).cast(pa.float64()), np.nan))


def _numbers(values: Floats) -> pa.Array:
    """NaN is no value: a mean would be none either."""
    return pa.array(values, mask=np.isnan(values))


def same_numbers(served: Floats, offline: Floats) -> Flags:
    """Which numbers agree to contract 8; NaN stands for null and agrees with NaN alone."""
    with np.errstate(invalid="ignore"):
        near = np.abs(served - offline) <= np.maximum(RELATIVE * np.maximum(np.abs(served), np.abs(offline)), ABSOLUTE)
    finite = np.isfinite(served) & np.isfinite(offline)
    return (finite & near) | (served == offline) | (np.isnan(served) & np.isnan(offline))


def _of_numbers(served: pa.Array, offline: Any, _: Floats) -> dict[str, Any]:
    found, expected = _floats(served), _floats(offline)
    return _measured(found, expected) | {"differs": ~same_numbers(found, expected)}


def _of_times(served: pa.Array, offline: Any, as_of: Floats) -> dict[str, Any]:
    found, expected = _floats(served), _microseconds(offline)
    differs = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    return _measured((as_of - found) / MICROSECONDS_OF_SECOND, (as_of - expected) / MICROSECONDS_OF_SECOND) | {"differs": differs}


def _of_texts(served: pa.Array, offline: Any, _: Floats) -> dict[str, Any]:
    found, expected = served.cast(pa.string()), _in_one(offline).cast(pa.string())
    known = pc.and_(pc.is_valid(found), pc.is_valid(expected))
    same = pc.if_else(known, pc.fill_null(pc.equal(found, expected), False), pc.equal(pc.is_valid(found), pc.is_valid(expected)))
    lengths = (_floats(pc.utf8_length(column)) for column in (found, expected))
    return _measured(*lengths) | {"differs": ~np.asarray(same), "served_text": found, "offline_text": expected}


def _of_lists(served: pa.Array, offline: Any, _: Floats) -> dict[str, Any]:
    texts = served.to_pylist()
    found = [_parsed(text) for text in texts]
    expected = offline.to_pylist()
    sizes = (np.array([np.nan if one is None else len(one) for one in column], np.float64) for column in (found, expected))
    # A text that is no list has no size, and is never the same.
    differs = [one != other or (one is None and text is not None) for one, other, text in zip(found, expected, texts, strict=True)]
    written = [None if one is None else json.dumps(one, ensure_ascii=False) for one in expected]
    shown = {"served_text": pa.array(texts, pa.string()), "offline_text": pa.array(written, pa.string())}
    return _measured(*sizes) | {"differs": np.array(differs, np.bool_), **shown}


def _parsed(text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _measured(served: Floats, offline: Floats) -> dict[str, Any]:
    none = pa.nulls(len(served), pa.string())
    return {"served": _numbers(served), "offline": _numbers(offline), "served_text": none, "offline_text": none}


COMPARISONS: Mapping[ValueType, Any] = {"number": _of_numbers, "time": _of_times, "text": _of_texts, "texts": _of_lists}


def differing_rows(pairs: pa.Table, features: Sequence[str], most: int) -> list[dict[str, Any]]:
    """The first rows of each of some features whose values differ, to be shown to people."""
    shown = []
    for feature in features:
        own = pairs.filter(pc.and_(pc.equal(pairs["feature"], feature), pairs["differs"]))
        shown += own.slice(0, most).to_pylist()
    return shown
