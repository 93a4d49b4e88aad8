"""What parity means: the naive evaluator, one feature and one row at a time, over plain Python values.

Slow and obviously right; the columns of `comparing.py` and the aggregation in Spark are tested against it. A served row has `values`,
`texts` and `lists` (each a dict or None), `defaulted` (a list or None) and `definition_version`.

The contracts that are written out here: a feature that was served under another version is not compared, and one that the row has not is
missing (null is a value); numbers agree to 1e-9 relative, everything else exactly; null on one side alone is a difference; statistics are
over the compared rows, and leave nulls out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from expectations.parity_rules import LEVELS, FeatureStatistics, Side
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.times import microseconds

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """One feature of one served row: what became of it, both values as numbers, and whether they differ."""

    state: str
    served: float | None
    offline: float | None
    differs: bool
    defaulted: bool


def pair_of(feature: Feature, served_versions: Mapping[str, Mapping[str, str]], row: Row, offline: Any) -> Pair:
    """Compares one feature of one row.

    Args:
        feature: as declared.
        served_versions: the feature versions of each version of the definitions.
        row: as served, with `as_of`.
        offline: the recomputed value.
    """
    values = {"number": "values", "time": "values", "text": "texts", "texts": "lists"}[feature.value_type]
    held: Mapping[str, Any] = row.get(values) or {}
    served = held.get(feature.name)
    state = "compared" if feature.name in held else "missing"
    if served_versions.get(row["definition_version"], {}).get(feature.name) != feature.version:
        state = "foreign"
    differs = not _same(feature.value_type, served, offline)
    return Pair(
        state,
        _measure(feature.value_type, served, row["as_of"]),
        _measure(feature.value_type, offline, row["as_of"]),
        differs and state == "compared",
        feature.name in (row.get("defaulted") or []),
    )


def _same(value_type: str, served: Any, offline: Any) -> bool:
    if served is None or offline is None:
        return served is None and offline is None
    if value_type == "number":
        return math.isclose(served, offline, rel_tol=1e-9, abs_tol=1e-12)
    if value_type == "time":
        return bool(served == microseconds(offline))
    if value_type == "texts":
        return _list_in(served) == list(offline)
    return bool(served == offline)


def _list_in(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _measure(value_type: str, value: Any, as_of: datetime) -> float | None:
    """A value as a number: a time by the seconds from it to `as_of`, a text by its length, a list by its size."""
    if value is None:
        return None
    if value_type == "number":
        return float(value)
    if value_type == "time":
        time = microseconds(value) if isinstance(value, datetime) else value
        return (microseconds(as_of) - time) / 1e6
    found = _list_in(value) if value_type == "texts" and isinstance(value, str) else value
    return None if found is None else float(len(found))


def statistics_of(pairs: Sequence[Pair]) -> FeatureStatistics:
    """The figures of one feature."""
    compared = [pair for pair in pairs if pair.state == "compared"]
    return FeatureStatistics(
        rows=len(compared),
        mismatches=sum(pair.differs for pair in compared),
        missing=sum(pair.state == "missing" for pair in pairs),
        foreign=sum(pair.state == "foreign" for pair in pairs),
        defaulted=sum(pair.defaulted for pair in compared),
        served=_side([pair.served for pair in compared]),
        offline=_side([pair.offline for pair in compared]),
    )


def _side(values: Sequence[float | None]) -> Side:
    known = sorted(value for value in values if value is not None)
    if not known:
        return Side(len(values), None, None, ())
    mean = math.fsum(known) / len(known)
    variance = math.fsum((value - mean) ** 2 for value in known) / len(known)
    return Side(len(values) - len(known), mean, variance, tuple(_quantile(known, level) for level in LEVELS))


def _quantile(ordered: Sequence[float], level: float) -> float:
    """The value at a level, drawn straight between the two values around it."""
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
