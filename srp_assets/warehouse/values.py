"""One raw value and its declared type: what is accepted, and as what. Slow and obvious; `validation.py` is the fast way for whole columns.

Accepted beside the type's own values: numbers written as text, whole floats as integers, numbers as text columns (`12346.0` is "12346"),
`true`, `false`, 1 and 0 as flags, ISO 8601 and the column's formats as times (naive ones are UTC), JSON text as arrays and maps. NaN is
null.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from srp_assets.warehouse.catalogue import Column

INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
FLAGS = {"true": True, "false": False, "1": True, "0": False}
LARGEST = 2**63 - 1
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

TOLERATED_FUTURE = timedelta(days=1)
"""How far ahead of landing a row's publish time and update time may lie: clocks differ, but a row of next year is wrong and would never
be beaten."""


def typed_value(column: Column, value: Any) -> Any:
    """The value as the column's type; null stays null and NaN becomes it.

    Raises:
        ValueError: if the value does not fit the type.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        return _typed(column, value)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _typed(column: Column, value: Any) -> Any:
    match column.value_type:
        case "int64":
            return _integer(value)
        case "float64":
            return _decimal(value)
        case "string":
            return _text(value)
        case "timestamp":
            return _time(value, column.formats)
        case "bool":
            return _flag(value)
        case "list<string>":
            return _texts(value)
        case "map<string,string>":
            return {key: None if item is None else _text(item) for key, item in _map(value).items()}
        case "map<string,float64>":
            return {key: typed_value(NUMBER, item) for key, item in _map(value).items()}


NUMBER = Column(kind="metric", type="float64", description="an entry of a map of numbers")
TEXT = Column(kind="text", description="an entry of a map of texts")


def _integer(value: Any) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value.strip()) or isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -LARGEST - 1 <= value <= LARGEST:
        raise ValueError("no 64-bit integer")
    return value


def _decimal(value: Any) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if text.lower() == "nan":
            return None
        if not DECIMAL.fullmatch(text):
            raise ValueError("no number")
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")
    number = float(value)
    if math.isinf(number):
        raise ValueError("no finite number")
    return number + 0.0  # turns -0.0 into 0.0, its equal


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    elif isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, float) and value.is_integer():
        value = str(int(value))
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("no text")
    value.encode()  # a lone surrogate, which JSON can write, is a UnicodeEncodeError: a ValueError
    return value


def _time(value: Any, formats: tuple[str, ...]) -> datetime:
    if isinstance(value, str):
        value = _parsed_time(value.strip(), formats)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError("no time")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _parsed_time(text: str, formats: tuple[str, ...]) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        for format_ in formats:
            try:
                return datetime.strptime(text, format_)
            except ValueError:
                continue
        raise


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    flag = FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    if isinstance(value, int | float) and value in (0, 1):
        flag = bool(value)
    if flag is None:
        raise ValueError("no flag")
    return flag


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, list | tuple) or any(item is None or isinstance(item, list | dict) for item in value):
        raise ValueError("no list of texts")
    return [_text(item) for item in value]


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = json.loads(value)
    entries = dict(value) if isinstance(value, Mapping | list) else None
    if entries is None or any(not isinstance(key, str) for key in entries):
        raise ValueError("no map")
    return {_text(key): entries[key] for key in sorted(entries)}
