"""Buckets of a metric: where its values are told apart when cases are counted by it.

A column's `bounds` in the catalogue say it. Where it declares none they are the powers of ten, which suit counts that differ by orders of
magnitude (views, likes, prices).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from srp_assets.warehouse.catalogue import Column

WHOLE_BOUNDS: tuple[float, ...] = (0, *(10**power for power in range(10)))
"""Below 0, 0, 1 to 9, 10 to 99 .. up to a thousand million."""

DECIMAL_BOUNDS: tuple[float, ...] = (0, *(10.0**power for power in range(-3, 10)))
"""Below 0, up to a thousandth, up to a hundredth .. up to a thousand million."""


@dataclass(frozen=True)
class Bucket:
    """The values from `lower`, included, to `upper`, excluded; None is open. `label` says it for people."""

    lower: float | None
    upper: float | None
    label: str


def bounds_of(column: Column) -> tuple[float, ...]:
    """The bounds between the buckets of a metric, ascending."""
    if column.bounds:
        return column.bounds
    return WHOLE_BOUNDS if column.value_type == "int64" else DECIMAL_BOUNDS


def buckets_of(column: Column) -> tuple[Bucket, ...]:
    """The buckets of a metric from the lowest to the highest: one more than it has bounds."""
    bounds = bounds_of(column)
    is_whole = column.value_type == "int64" and all(bound == int(bound) for bound in bounds)
    between = [Bucket(lower, upper, _label(lower, upper, is_whole)) for lower, upper in pairwise(bounds)]
    return (
        Bucket(None, bounds[0], f"below {_number(bounds[0])}"),
        *between,
        Bucket(bounds[-1], None, f"{_number(bounds[-1])} and more"),
    )


def places(bounds: Sequence[float], values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The number of the bucket of each value, from 0 for the lowest.

    Args:
        bounds: ascending.
        values: float64, shape (values,), without NaN.
    """
    return np.searchsorted(np.asarray(bounds, dtype=np.float64), values, side="right")


def _label(lower: float, upper: float, is_whole: bool) -> str:
    if is_whole:
        return _number(lower) if upper == lower + 1 else f"{_number(lower)} to {_number(upper - 1)}"
    return f"{_number(lower)} to below {_number(upper)}"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,g}"
