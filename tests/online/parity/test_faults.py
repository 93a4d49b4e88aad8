"""What each fault of serving breaks: a table. The faulty twin is the naive evaluator with one thing wrong; a sound one breaks nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest

from expectations.parity_rules import Tolerances, problems_of
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.features.reference import feature_values
from srp_assets.online.parity.comparing import compared_values
from srp_assets.online.parity.reference import Pair, statistics_of
from support.feature_logs import Row
from support.served_rows import served_row, with_offline

DAY = datetime(2024, 3, 9, tzinfo=UTC)
USERS, ITEMS, HISTORY_DAYS = 12, 8, 20
COMMON = {"unit": "x", "description": "x"}
OF_USER = {"entity": "user", **COMMON}
CLICKS = {**OF_USER, "aggregation": "count", "event": "click"}
FEATURES: list[dict[str, Any]] = [
    {"name": "clicks", "windows": [1, 30, "session"], **CLICKS},
    {"name": "ctr", "aggregation": "rate", "event": "click", "of": "impression", "windows": [30], **OF_USER},
    {"name": "dwell", "aggregation": "mean", "event": "click", "column": "dwell_seconds", "windows": [30], **OF_USER},
    {"name": "amount", "aggregation": "sum", "event": "order", "column": "amount", "windows": [30], "default": None, **OF_USER},
    {"name": "last_item", "aggregation": "last", "event": "click", "column": "item_id", "windows": [30], **OF_USER},
    {"name": "last_time", "aggregation": "last", "event": "click", "column": "event_time", "windows": [30], **OF_USER},
    {"name": "since", "function": "elapsed", "inputs": ["last_time_30d", "as_of"], "unit_of_time": "hours", "default": -1, **COMMON},
    {"name": "hour_sine", "function": "sine", "inputs": ["hour_of_day"], "period": 24, **COMMON},
    {"name": "shown_price", "function": "value", "inputs": ["price"], **COMMON},
]


def definitions_of(features: Sequence[Mapping[str, Any]]) -> Definitions:
    entities = {"user": {"keys": ["user_id"], "description": "x"}}
    declared = {"name": "faults", "owner": "tests", "events": ["impression", "click", "order"], "entities": entities, "features": features}
    return resolve(FeatureDocument.model_validate(declared))


DEFINITIONS = definitions_of(FEATURES)
NEVER_RECORDED = definitions_of([*FEATURES, {"name": "more", "function": "value", "inputs": ["price"], **COMMON}])
VERSIONS = {DEFINITIONS.digest: {name: feature.version for name, feature in DEFINITIONS.features.items()}}


@cache
def events() -> tuple[Row, ...]:
    """Twenty days of every user's actions, and the morning; one in twenty arrives an hour late."""
    random = Random(3)
    found = []
    for user in range(USERS):
        for day in range(-HISTORY_DAYS, 1):
            for _ in range(12):
                time = DAY + timedelta(days=day, seconds=random.randint(8 * 3600, 20 * 3600))
                delay = timedelta(hours=1) if random.random() < 0.05 else timedelta(seconds=2)
                kind = random.choice(("impression", "impression", "click", "click", "order"))
                row = {"event_id": f"e{len(found)}", "event_time": time, "arrival_time": time + delay, "kind": kind}
                row |= {"user_id": f"u{user}", "item_id": f"i{random.randrange(ITEMS)}", "price": 10.0}
                found.append(row | {"dwell_seconds": random.expovariate(1 / 40), "amount": random.lognormvariate(3, 1)})
    return tuple(found)


@cache
def requests() -> tuple[Row, ...]:
    """Requests over the day, each soon after something that its user did."""
    random = Random(5)
    today = [event for event in events() if event["event_time"] >= DAY]
    asked = random.sample(today, 60)
    return tuple(
        {"as_of": event["event_time"] + timedelta(minutes=10), "user_id": event["user_id"], "price": random.lognormvariate(2, 1)}
        for event in asked
    )


def computed(request: Row, known: Sequence[Row] | None = None) -> dict[str, Any]:
    # Every feature here is of the user: the naive evaluator need not look at the events of others.
    own = [event for event in (events() if known is None else known) if event["user_id"] == request["user_id"]]
    return feature_values(DEFINITIONS, own, request)


@cache
def offline() -> tuple[dict[str, Any], ...]:
    return tuple(computed(request) for request in requests())


def known_before(time: datetime) -> list[Row]:
    return [event for event in events() if event["event_time"] < time and event["arrival_time"] < time]


def time_zone_slip(request: Row) -> dict[str, Any]:
    """Days begin at the midnight of another zone."""
    return computed({**request, "as_of": request["as_of"] + timedelta(hours=8)}, known_before(request["as_of"]))


def stale_partials(request: Row) -> dict[str, Any]:
    """The sums of the day before were never loaded."""
    yesterday = (DAY - timedelta(days=1)).date()
    return computed(request, [event for event in events() if event["event_time"].date() != yesterday])


def late_stream(request: Row) -> dict[str, Any]:
    """The stream is read an hour behind."""
    return computed(request, known_before(request["as_of"] - timedelta(hours=1)))


def double_counting(request: Row) -> dict[str, Any]:
    """After a restart the day is counted once more, under other ids."""
    again = [{**event, "event_id": f"again-{event['event_id']}"} for event in events() if event["event_time"] >= DAY]
    return computed(request, [*events(), *again])


def default_instead_of_value(request: Row) -> dict[str, Any]:
    """The mean cannot be read, and its default is served."""
    return {**computed(request), "dwell_30d": None}


def unit_slip(request: Row) -> dict[str, Any]:
    """Amounts are summed in cents."""
    found = computed(request)
    return {**found, "amount_30d": None if found["amount_30d"] is None else found["amount_30d"] * 100}


def leaked_future_event(request: Row) -> dict[str, Any]:
    """The click that the request leads to is there already."""
    future = {**events()[0], "event_id": "future", "kind": "click", "user_id": request["user_id"], "item_id": "i99"}
    just = request["as_of"] - timedelta(microseconds=1)
    return computed(request, [*events(), {**future, "event_time": just, "arrival_time": just, "dwell_seconds": None}])


def truncated_history(request: Row) -> dict[str, Any]:
    """Only a week is kept of everyone."""
    return computed(request, [event for event in events() if event["event_time"] >= DAY - timedelta(days=7)])


def dropped_events(request: Row) -> dict[str, Any]:
    """A tenth of the clicks is lost on the way."""
    return computed(request, [event for event in events() if event["kind"] != "click" or int(event["event_id"][1:]) % 10])


def null_against_default(request: Row) -> dict[str, Any]:
    """Where nothing counts, null is served in the place of the default."""
    found = computed(request)
    return {**found, "clicks_session": found["clicks_session"] or None}


FAULTS: dict[Callable[[Row], dict[str, Any]], set[str]] = {
    computed: set(),
    time_zone_slip: {"clicks_1d", "clicks_session", "since", "hour_sine"},
    stale_partials: {"clicks_1d", "clicks_30d", "ctr_30d", "dwell_30d", "amount_30d", "last_item_30d", "last_time_30d", "since"},
    late_stream: {
        "clicks_1d", "clicks_30d", "clicks_session", "ctr_30d", "dwell_30d", "amount_30d", "last_item_30d", "last_time_30d", "since",
    },
    double_counting: {"clicks_1d", "clicks_30d", "clicks_session", "ctr_30d", "dwell_30d", "amount_30d"},
    default_instead_of_value: {"dwell_30d"},
    unit_slip: {"amount_30d"},
    leaked_future_event: {"clicks_1d", "clicks_30d", "clicks_session", "ctr_30d", "last_item_30d", "last_time_30d", "since"},
    truncated_history: {"clicks_30d", "ctr_30d", "dwell_30d", "amount_30d"},
    dropped_events: {"clicks_1d", "clicks_30d", "clicks_session", "ctr_30d", "dwell_30d", "last_item_30d", "last_time_30d", "since"},
    null_against_default: {"clicks_session"},
}  # fmt: skip
"""Which features each fault breaks, and no others."""

TELLING: dict[Callable[[Row], dict[str, Any]], tuple[str, set[str]]] = {
    default_instead_of_value: ("dwell_30d", {"mean", "variance", "nulls", "quantiles", "values"}),
    unit_slip: ("amount_30d", {"mean", "variance", "quantiles", "values"}),
    null_against_default: ("clicks_session", {"mean", "variance", "nulls", "quantiles", "values"}),
    double_counting: ("last_item_30d", set()),
}
"""By which rules some faults are known."""


def problems(twin: Callable[[Row], dict[str, Any]], definitions: Definitions = DEFINITIONS) -> dict[str, set[str]]:
    """What is wrong with each feature, where something is."""
    rows = [served_row(DEFINITIONS, number, request, twin(request)) for number, request in enumerate(requests())]
    for row in rows:
        row["definition_version"] = definitions.digest
    pairs = compared_values(DEFINITIONS, VERSIONS, with_offline(DEFINITIONS, rows, offline())).to_pylist()
    found = {}
    for name in DEFINITIONS.features:
        own = [pair for pair in pairs if pair["feature"] == name]
        compared = [Pair(*(pair[part] for part in ("state", "served", "offline", "differs", "defaulted"))) for pair in own]
        found[name] = set(problems_of(statistics_of(compared), Tolerances(rows=50)))
    return {name: rules for name, rules in found.items() if rules}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_breaks_what_it_should(fault: Callable[[Row], dict[str, Any]]) -> None:
    assert set(problems(fault)) == FAULTS[fault]


@pytest.mark.parametrize("fault", TELLING, ids=lambda fault: fault.__name__)
def test_faults_are_known_by_their_rules(fault: Callable[[Row], dict[str, Any]]) -> None:
    feature, rules = TELLING[fault]
    assert problems(fault).get(feature, set()) == rules


def test_version_skew_leaves_no_evidence_at_all() -> None:
    found = problems(computed, NEVER_RECORDED)
    assert found == {name: {"evidence"} for name in DEFINITIONS.features}
