"""Spans of time as people write them: `30 minutes`, `7 days`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

MICROSECOND = timedelta(microseconds=1)
"""What times and windows are counted in."""

WRITTEN = re.compile(r"(\d{1,6}) ?(second|minute|hour|day)s?", re.ASCII)


def parsed_duration(value: Any) -> Any:
    """A written span as a timedelta; anything else, and ISO 8601 (`P7D`) as the registry keeps it, is left to pydantic.

    Raises:
        ValueError: if a text is no span.
    """
    if not isinstance(value, str) or value.startswith("P"):
        return value
    found = WRITTEN.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no span of time; write `30 minutes`, `12 hours` or `7 days`")
    return timedelta(**{f"{found[2]}s": int(found[1])})


Duration = Annotated[timedelta, BeforeValidator(parsed_duration)]
"""A field that takes a written span."""


def whole_days(span: timedelta) -> int:
    """How many whole days hold a span: 1 for anything up to a day, 2 for a day and a minute."""
    return -(-span // timedelta(days=1))
