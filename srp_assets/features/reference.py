"""What features mean: the naive evaluator, one request and one feature at a time, over rows as dicts.

Slow and obviously right; the kernels in `aggregation/`, the plans and the online twin are tested against it. Times are aware datetimes in
UTC, missing columns are nulls.

The contracts that are written out here: an event counts once, by its first arrival; nothing at or after `as_of` counts, the scored event
included, and, as arrived, nothing that arrived then; a window of N days is the N whole days before the date of `as_of` and that date up to
`as_of`; order is (event_time, event_id); a null is not a zero, and where nothing counts a feature takes its default; a decayed weight
follows from the whole days between the dates; attributes are those that stood when the day of the event, or of the request, began.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.functions import FUNCTIONS
from srp_assets.features.declaration.model import (
    Aggregated,
    Count,
    DecayedSum,
    Derived,
    Distinct,
    Entropy,
    EventFilter,
    Last,
    Mean,
    Rate,
    Shift,
    Sum,
    Top,
)
from srp_assets.features.times import LONGEST_SESSION, SESSION_GAP, Clock, calendar_of, decay_weight, rank_key

Row = Mapping[str, Any]
Versions = Mapping[str, Sequence[Row]]
"""By the name of an attribute source: the versions of its rows, each with its key, `updated_at` and its own columns."""


def feature_values(
    definitions: Definitions,
    events: Iterable[Row],
    request: Row,
    versions: Versions | None = None,
    *,
    clock: Clock = "as_arrived",
) -> dict[str, Any]:
    """All features of one candidate of a request.

    Args:
        definitions: what to compute.
        events: rows of `logs/actions`, in any order; whatever is not known yet is left out here.
        request: the columns of the candidate, with `as_of`.
        versions: of the rows that attributes are taken from.
        clock: which events count.
    """
    as_of: datetime = request["as_of"]
    known = [described(definitions, event, versions or {}) for event in first_arrivals(events) if is_known(event, as_of, clock)]
    columns = {**request, **calendar_of(as_of), **attributes_of(definitions, request, as_of.date(), versions or {})}
    values: dict[str, Any] = {}
    for name, feature in definitions.features.items():
        if isinstance(feature.declared, Derived):
            inputs = [values[source] if source in values else columns.get(source) for source in feature.inputs]
            found = None if any(value is None for value in inputs) else _derived(feature.declared, inputs)
        else:
            found = aggregated(feature, definitions.entities[feature.declared.entity], known, columns)
        values[name] = feature.declared.default if found is None else found
    return values


def first_arrivals(events: Iterable[Row]) -> list[Row]:
    """Each event once, in order of (event_time, event_id): of several rows with its id the one that arrived, and then landed, first."""
    first: dict[str, Row] = {}
    for event in sorted(events, key=lambda event: (event["arrival_time"], event.get("landed_at") or event["arrival_time"])):
        first.setdefault(event["event_id"], event)
    return sorted(first.values(), key=_order)


def _order(event: Row) -> tuple[datetime, str]:
    return event["event_time"], event["event_id"]


def is_known(event: Row, as_of: datetime, clock: Clock) -> bool:
    """Whether an event counts for what is asked as of a time."""
    return event["event_time"] < as_of and (clock == "as_happened" or event["arrival_time"] < as_of)


def described(definitions: Definitions, event: Row, versions: Versions) -> Row:
    """An event with its hour, its weekday and the attributes of what it names."""
    time: datetime = event["event_time"]
    calendar = calendar_of(time)
    attributes = attributes_of(definitions, event, time.date(), versions)
    return {**event, "hour": calendar["hour"], "weekday": calendar["weekday"], **attributes}


def attributes_of(definitions: Definitions, row: Row, day: date, versions: Versions) -> dict[str, Any]:
    """The attributes of what a row names: of the newest versions from before the day."""
    found: dict[str, Any] = {}
    for name, source in definitions.attributes.items():
        key = row.get(source.key)
        older = [version for version in versions.get(name, ()) if version[source.key] == key and version["updated_at"].date() < day]
        newest: Row = max(older, key=lambda version: version["updated_at"]) if older and key is not None else {}
        found |= {column: newest.get(attribute.column) for column, attribute in source.columns.items()}
    return found


def _derived(declared: Derived, inputs: Sequence[Any]) -> Any:
    return FUNCTIONS[declared.function].evaluate(inputs, declared.parameters)


def aggregated(feature: Feature, keys: Sequence[str], known: Sequence[Row], request: Row) -> Any:
    """The value of an aggregation over the known events; None where nothing counts."""
    declared = feature.declared
    assert isinstance(declared, Aggregated)
    identity = [request.get(key) for key in keys]
    if None in identity:
        return None
    own = [event for event in known if [event.get(key) for key in keys] == identity]
    if feature.is_of_session:
        return AGGREGATES[type(declared)](declared, running_session(own, request["as_of"]), request["as_of"].date())
    assert isinstance(feature.window, int)
    today = request["as_of"].date()
    in_window = _within(own, today, feature.window)
    if isinstance(declared, Shift):
        return _shift(declared, in_window, _within(own, today, declared.compared_days))
    return AGGREGATES[type(declared)](declared, in_window, today)


def _within(events: Iterable[Row], today: date, window_days: int) -> list[Row]:
    return [event for event in events if event["event_time"].date() >= today - timedelta(days=window_days)]


def running_session(events: Sequence[Row], as_of: datetime) -> list[Row]:
    """The events of a user, in order, that lead to `as_of` without a gap of more than 30 minutes, of the 24 hours before it."""
    session: list[Row] = []
    later = as_of
    for event in reversed(events):
        if later - event["event_time"] > SESSION_GAP or as_of - event["event_time"] > LONGEST_SESSION:
            break
        session.insert(0, event)
        later = event["event_time"]
    return session


def _counted(events: Iterable[Row], filter_: EventFilter) -> list[Row]:
    return [event for event in events if filter_.holds(event)]


def _values(events: Iterable[Row], filter_: EventFilter, column: str) -> list[Any]:
    """The values of a column that are not null, in the order of the events."""
    return [event[column] for event in _counted(events, filter_) if event.get(column) is not None]


def _count(declared: Count, events: Sequence[Row], _: date) -> float | None:
    return float(len(_counted(events, declared.event))) or None


def _sum(declared: Sum, events: Sequence[Row], _: date) -> float | None:
    values = _values(events, declared.event, declared.column)
    return math.fsum(values) if values else None


def _mean(declared: Mean, events: Sequence[Row], _: date) -> float | None:
    values = _values(events, declared.event, declared.column)
    return math.fsum(values) / len(values) if values else None


def _rate(declared: Rate, events: Sequence[Row], _: date) -> float | None:
    hits, trials = len(_counted(events, declared.event)), len(_counted(events, declared.of))
    prior, strength = (declared.smoothing.prior, declared.smoothing.strength) if declared.smoothing else (0.0, 0.0)
    return (hits + prior * strength) / (trials + strength) if trials + strength > 0 else None


def _last(declared: Last, events: Sequence[Row], _: date) -> Any:
    values = _values(events, declared.event, declared.column)
    return values[-1] if values else None


def _distinct(declared: Distinct, events: Sequence[Row], _: date) -> float | None:
    return float(len(set(_values(events, declared.event, declared.column)))) or None


def _decayed_sum(declared: DecayedSum, events: Sequence[Row], today: date) -> float | None:
    """Each day's events are summed first and then weighted: within a day all have the same weight."""
    counted = [event for event in _counted(events, declared.event) if declared.column is None or event.get(declared.column) is not None]
    return _by_age(counted, lambda event: event[declared.column] if declared.column else 1.0, declared.half_life_days, today)


def _by_age(events: Sequence[Row], value: Callable[[Row], float], half_life_days: int, today: date) -> float | None:
    days = groupby(events, key=lambda event: event["event_time"].date())
    sums = [(day, math.fsum(value(event) for event in of_day)) for day, of_day in days]
    return math.fsum(sum_ * decay_weight((today - day).days, half_life_days) for day, sum_ in sums) if sums else None


def _top(declared: Top, events: Sequence[Row], today: date) -> tuple[str, ...] | None:
    scores: dict[str, float] = {}
    for value in set(_values(events, declared.event, declared.column)):
        own = [event for event in _counted(events, declared.event) if event.get(declared.column) == value]
        half_life = declared.half_life_days
        scores[value] = len(own) if half_life is None else _by_age(own, lambda _: 1.0, half_life, today) or 0.0
    ranked = sorted(scores, key=lambda value: (-rank_key(scores[value]), value))
    return tuple(ranked[: declared.size]) or None


def _shares(events: Sequence[Row], filter_: EventFilter, column: str) -> dict[str, float]:
    values = _values(events, filter_, column)
    return {value: values.count(value) / len(values) for value in set(values)}


def _entropy(declared: Entropy, events: Sequence[Row], _: date) -> float | None:
    shares = _shares(events, declared.event, declared.column)
    return math.fsum(share * math.log(1 / share) for share in shares.values()) if shares else None


def _shift(declared: Shift, events: Sequence[Row], compared: Sequence[Row]) -> float | None:
    shares, others = (_shares(found, declared.event, declared.column) for found in (events, compared))
    if not shares or not others:
        return None
    return math.fsum(abs(shares.get(value, 0.0) - others.get(value, 0.0)) for value in shares.keys() | others.keys()) / 2


AGGREGATES: dict[type[Aggregated], Callable[..., Any]] = {
    Count: _count,
    Sum: _sum,
    Mean: _mean,
    Rate: _rate,
    Last: _last,
    Distinct: _distinct,
    Top: _top,
    DecayedSum: _decayed_sum,
    Entropy: _entropy,
}
