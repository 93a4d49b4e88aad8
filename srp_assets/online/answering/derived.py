"""Derived features at request time: the closed functions of `features/declaration/functions.py`, once where all inputs are the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.functions import FUNCTIONS, SECONDS_OF_UNIT, Parameters
from srp_assets.features.declaration.model import Derived
from srp_assets.features.derivation import MICROSECONDS_OF_SECOND, NUMERIC
from srp_assets.online.answering.columns import Values


def derived_feature(feature: Feature, inputs: Sequence[Values]) -> Values:
    """A derived feature before its default; inputs are columns with their defaults."""
    declared = feature.declared
    assert isinstance(declared, Derived)
    name, parameters = declared.function, declared.parameters
    if name == "value":
        return inputs[0]
    if name in NUMERIC:
        with np.errstate(all="ignore"):
            return np.asarray(NUMERIC[name](inputs, parameters), np.float64)
    if name == "elapsed":
        first, second = inputs
        return (second - first) / MICROSECONDS_OF_SECOND / SECONDS_OF_UNIT[parameters.unit_of_time]
    found = _one_by_one(name, parameters, [_listed(column) for column in inputs])
    return np.array([np.nan if value is None else value for value in found], np.float64) if feature.value_type == "number" else found


def _one_by_one(name: str, parameters: Parameters, inputs: Sequence[list[Any]]) -> list[Any]:
    """A function of texts and lists; null where an input is null."""
    size = max(map(len, inputs))
    evaluate = FUNCTIONS[name].evaluate
    rows = zip(*(column if len(column) == size else column * size for column in inputs), strict=True)
    return [None if None in row else evaluate(row, parameters) for row in rows]


def _listed(column: Values) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column


def with_default(feature: Feature, values: Values) -> Values:
    """A feature with its declared default in the place of null."""
    default = feature.declared.default
    if default is None:
        return values
    if isinstance(values, np.ndarray):
        return np.where(np.isnan(values), default, values)
    return [default if value is None else value for value in values]


def default_column(feature: Feature) -> Values:
    """A feature's default, the same for all candidates."""
    default: Any = feature.declared.default
    if feature.value_type in ("number", "time"):
        return np.array([np.nan if default is None else default], np.float64)
    return [default]


def derived_features(
    features: Sequence[Feature], known: Mapping[str, Values], columns: Any, unknown: frozenset[str]
) -> tuple[dict[str, Values], frozenset[str]]:
    """All derived features with their defaults, and what could not be computed: all that is derived from what is not known.

    Args:
        features: in an order in which inputs come first.
        known: the other features, with their defaults.
        columns: of the request.
        unknown: features that were not computed.
    """
    values, missing = dict(known), set(unknown)
    for feature in features:
        if missing.intersection(feature.inputs):
            missing.add(feature.name)
            values[feature.name] = default_column(feature)
            continue
        inputs = [values[name] if name in values else columns.values(name) for name in feature.inputs]
        values[feature.name] = with_default(feature, derived_feature(feature, inputs))
    return values, frozenset(missing)
