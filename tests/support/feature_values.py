"""Comparison of feature values: numbers to contract 8, everything else exactly."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def agree(found: Any, expected: Any) -> bool:
    """Whether two values are the same; numbers to 1e-9 relative."""
    if isinstance(found, float) and isinstance(expected, float | int):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(found, datetime) and isinstance(expected, datetime):
        return found == expected
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return list(found) == list(expected)
    return type(found) is type(expected) and bool(found == expected)


def differences(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs, one line for each value."""
    assert len(found) == len(expected)
    lines = []
    for number, (own, other) in enumerate(zip(found, expected, strict=True)):
        assert own.keys() == other.keys()
        lines += [f"row {number}, {name}: {own[name]!r}, not {other[name]!r}" for name in own if not agree(own[name], other[name])]
    return lines
