"""The closed set of functions that derived features are made of: what each takes and gives, and what it means, one value at a time.

A function of a null is null, unless it says otherwise; the declared default takes the place of a null at the end. `derivation.py` says the
same of whole columns.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from srp_assets.features.declaration.columns import ValueType

SECONDS_OF_UNIT = {"seconds": 1.0, "hours": 3_600.0, "days": 86_400.0}

CROSS_SEPARATOR = "|"
"""Between the parts of a cross."""


@dataclass(frozen=True)
class Parameters:
    """What a derived feature states beside its inputs; a function uses those that its signature names."""

    period: float = math.nan
    unit_of_time: str = "seconds"
    value: str = ""


@dataclass(frozen=True)
class Function:
    """One function.

    Args:
        inputs: what its inputs are; the last stands for any number of them if `repeats`.
        result: what it gives; None gives what its first input is.
        parameters: the parameters that it needs.
        evaluate: its value for inputs that are not null, and its parameters; None where there is none.
        meaning: one line for people.
    """

    inputs: tuple[ValueType | None, ...]
    result: ValueType | None
    parameters: tuple[str, ...]
    evaluate: Callable[[Sequence[Any], Parameters], Any]
    meaning: str
    repeats: bool = False


def _ratio(inputs: Sequence[float], _: Parameters) -> float | None:
    return inputs[0] / inputs[1] if inputs[1] != 0 else None


def _difference(inputs: Sequence[float], _: Parameters) -> float:
    return inputs[0] - inputs[1]


def _product(inputs: Sequence[float], _: Parameters) -> float:
    return inputs[0] * inputs[1]


def _logarithm(inputs: Sequence[float], _: Parameters) -> float | None:
    return math.log1p(inputs[0]) if inputs[0] > -1 else None


def _sine(inputs: Sequence[float], parameters: Parameters) -> float:
    return math.sin(2 * math.pi * inputs[0] / parameters.period)


def _cosine(inputs: Sequence[float], parameters: Parameters) -> float:
    return math.cos(2 * math.pi * inputs[0] / parameters.period)


def _elapsed(inputs: Sequence[datetime], parameters: Parameters) -> float:
    return (inputs[1] - inputs[0]).total_seconds() / SECONDS_OF_UNIT[parameters.unit_of_time]


def _is_equal(inputs: Sequence[str], _: Parameters) -> float:
    return float(inputs[0] == inputs[1])


def _is_among(inputs: Sequence[Any], _: Parameters) -> float:
    return float(inputs[0] in inputs[1])


def _contains(inputs: Sequence[Sequence[str]], parameters: Parameters) -> float:
    return float(parameters.value in inputs[0])


def _size(inputs: Sequence[Sequence[str]], _: Parameters) -> float:
    return float(len(inputs[0]))


def _length(inputs: Sequence[str], _: Parameters) -> float:
    return float(len(inputs[0]))


def _cross(inputs: Sequence[str], _: Parameters) -> str:
    return CROSS_SEPARATOR.join(inputs)


def _value(inputs: Sequence[Any], _: Parameters) -> Any:
    return inputs[0]


FUNCTIONS: dict[str, Function] = {
    "value": Function((None,), None, (), _value, "the input itself"),
    "ratio": Function(("number", "number"), "number", (), _ratio, "the first divided by the second; null where that is zero"),
    "difference": Function(("number", "number"), "number", (), _difference, "the first minus the second"),
    "product": Function(("number", "number"), "number", (), _product, "the first times the second"),
    "logarithm": Function(("number",), "number", (), _logarithm, "log(1 + x); null where x is not above -1"),
    "sine": Function(("number",), "number", ("period",), _sine, "sin(2 pi x / period): one of two coordinates of a cyclical value"),
    "cosine": Function(("number",), "number", ("period",), _cosine, "cos(2 pi x / period): the other coordinate"),
    "elapsed": Function(("time", "time"), "number", ("unit_of_time",), _elapsed, "time from the first to the second"),
    "is_equal": Function(("text", "text"), "number", (), _is_equal, "1 where both are the same text, 0 where not"),
    "is_among": Function(("text", "texts"), "number", (), _is_among, "1 where the list has the text, 0 where not"),
    "contains": Function(("texts",), "number", ("value",), _contains, "1 where the list has the value, 0 where not"),
    "size": Function(("texts",), "number", (), _size, "how many texts the list has"),
    "length": Function(("text",), "number", (), _length, "code points of the text"),
    "cross": Function(("text",), "text", (), _cross, "the texts with | between them, as one category", repeats=True),
}
"""All functions by name. There is no other way to write an expression: nothing that a person wrote is ever evaluated as code."""
