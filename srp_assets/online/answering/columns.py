"""A request with its candidates, and its columns: given ones, those that follow from its time, and attributes.

A column has a value for each candidate, or one for all of them: most of what a request says is the same for all its candidates, and is
computed once. Numbers and times are float64 arrays, NaN for null (microseconds of any date are exact in them); texts and lists of texts are
lists, None for null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from types import NoneType
from typing import Any

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR
from srp_assets.online.attributes import Attributes
from srp_assets.online.consuming.batch import EPOCH_IS_A, HOURS, WEEKDAYS
from srp_assets.online.records.digests import digest_of

TYPES_OF: Mapping[ValueType, tuple[type, ...]] = {"text": (str,), "number": (float, int), "time": (float, int), "texts": (list, tuple)}
"""What a caller may give as a value of each type; times in microseconds since 1970."""

Values = Any
"""A float64 array or a list, of length 1 for all candidates or of one value each."""


@dataclass(frozen=True)
class Request:
    """What is asked.

    Args:
        trace_id: of the request.
        as_of: its time in microseconds since 1970: nothing at or after it counts.
        context: columns that hold for all candidates; texts, and numbers as float.
        candidates: columns that each candidate has its own of, `item_id` among them, all of one length.
    """

    trace_id: str
    as_of: int
    context: Mapping[str, Any]
    candidates: Mapping[str, Sequence[Any]]

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return len(self.candidates["item_id"])

    @property
    def day(self) -> int:
        """Its day, since 1970."""
        return self.as_of // MICROSECONDS_OF_DAY


def check_request(definitions: Definitions, request: Request) -> None:
    """Refuses a request that is wrong.

    Raises:
        InvalidInput: if the candidates' columns are of different lengths, or a column is none of requests or holds something else.
    """
    where = f"request {request.trace_id}"
    if "item_id" not in request.candidates or len({len(column) for column in request.candidates.values()}) > 1:
        raise InvalidInput("candidates need item_id, and columns of one length", where=where, remedy="name them")
    unknown = sorted({*request.candidates, *request.context} - definitions.request_columns.keys())
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is no column of requests", where=where, remedy="leave it out")
    given = [*request.candidates.items(), *((name, (value,)) for name, value in request.context.items())]
    for name, values in given:
        what = definitions.request_columns[name]
        allowed = (NoneType, *TYPES_OF[what])
        if not all(issubclass(found, allowed) for found in set(map(type, values))):
            raise InvalidInput(f"{name!r} is a {what}", where=where, remedy=f"give a {what}, or None")


@dataclass
class Columns:
    """The columns of a request.

    Args:
        definitions: which columns there are, and what they hold.
        request: what is asked.
        attributes: by which it is described.
    """

    definitions: Definitions
    request: Request
    attributes: Attributes
    _texts: dict[str, list[Any]] = field(default_factory=dict, init=False)
    _coded: dict[str, tuple[Integers, list[str]]] = field(default_factory=dict, init=False)
    _digests: dict[str, Integers] = field(default_factory=dict, init=False)
    _rows: dict[str, list[int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        request = self.request
        day, of_day = divmod(request.as_of, MICROSECONDS_OF_DAY)
        weekday = (day + EPOCH_IS_A) % 7
        hours = of_day / MICROSECONDS_OF_HOUR
        self._calendar = {
            "as_of": float(request.as_of),
            "hour": HOURS[of_day // MICROSECONDS_OF_HOUR],
            "weekday": WEEKDAYS[weekday],
            "hour_of_day": hours,
            "day_of_week": weekday + hours / 24,
        }

    def values(self, name: str) -> Values:
        """A column, as its type has it."""
        found = self.listed(name)
        if self.definitions.request_columns[name] in ("number", "time"):
            return np.array([np.nan if value is None else value for value in found], np.float64)
        return found

    def listed(self, name: str) -> list[Any]:
        """A column as a list, None for null, times in microseconds."""
        if name not in self._texts:
            self._texts[name] = self._listed(name)
        return self._texts[name]

    def _listed(self, name: str) -> list[Any]:
        if name in self._calendar:
            return [self._calendar[name]]
        if name in self.request.candidates:
            return list(self.request.candidates[name])
        source = self.attributes.source_of(name)
        if source is not None:
            if source.name not in self._rows:
                self._rows[source.name] = source.rows_of(self.listed(source.key), repeat(self.request.day))
            return source.column(name, self._rows[source.name])
        return [self.request.context.get(name)]

    def coded(self, name: str) -> tuple[Integers, list[str]]:
        """The values of a text column by number (-1 for null), one for all candidates or one each, and the different values."""
        if name not in self._coded:
            numbers: dict[str, int] = {}
            places = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in self.listed(name)]
            self._coded[name] = (np.array(places, np.int64), list(numbers))
        return self._coded[name]

    def digests(self, name: str) -> Integers:
        """The digests of the different values of a text column, by number."""
        if name not in self._digests:
            self._digests[name] = np.array([digest_of(value) for value in self.coded(name)[1]], np.int64)
        return self._digests[name]


def widened(values: Values, size: int) -> Values:
    """A column with a value for each candidate."""
    if len(values) == size:
        return values
    return np.full(size, values[0]) if isinstance(values, np.ndarray) else list(values) * size


def taken(values: Floats, places: Integers) -> Floats:
    """Values at places; NaN at -1."""
    return np.append(values, np.nan)[places]
