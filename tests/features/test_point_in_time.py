"""The kernels against the reference, in one process."""

import math
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.times import Clock
from support.drawn_features import drawn_definitions
from support.feature_join import point_in_time
from support.feature_logs import KINDS, NUMBERS, Logs, Row, events_table, logs, requests_table, versions_tables
from support.feature_values import differences


@pytest.mark.parametrize("clock", ["as_arrived", "as_happened"])
@given(generated=logs())
def test_kernels_agree_with_the_reference(small: Definitions, clock: Clock, generated: Logs) -> None:
    expected = [feature_values(small, generated.events, request, generated.versions, clock=clock) for request in generated.requests]
    events = events_table(small, first_arrivals(generated.events))
    found = point_in_time(small, requests_table(generated.requests), events, versions_tables(small, generated.versions), clock)
    assert differences(found.to_pylist(), expected) == []


@given(generated=logs(), seed=st.integers(0, 2**32 - 1))
def test_nothing_at_or_after_a_request_changes_its_features(small: Definitions, generated: Logs, seed: int) -> None:
    random = Random(seed)
    request = generated.requests[0]
    events = first_arrivals(generated.events)
    changed = [_changed(random, event, request) for event in events]
    versions = versions_tables(small, generated.versions)
    found, after = (
        point_in_time(small, requests_table([request]), events_table(small, [event for event in rows if event]), versions).to_pylist()
        for rows in (events, changed)
    )
    # Exactly: what is not known yet must not even change the order in which something is summed.
    assert found == after


def _changed(random: Random, event: Row, request: Row) -> Row | None:
    """The event itself where the request knows it, anything else where not; None takes it away."""
    if event["event_time"] < request["as_of"] and event["arrival_time"] < request["as_of"]:
        return event
    if random.random() < 0.3:
        return None
    later = request["as_of"] + timedelta(seconds=random.choice((0, 1, 90_000)))
    event_time = event["event_time"] if random.random() < 0.5 else later
    other = {"kind": random.choice(KINDS), "amount": random.choice(NUMBERS), "device": "tablet", "user_id": request["user_id"]}
    return {**event, **other, "event_time": event_time, "arrival_time": max(later, event_time)}


def test_an_event_just_before_a_request_counts_and_one_at_it_does_not(small: Definitions) -> None:
    as_of = datetime(2024, 2, 1, tzinfo=UTC)
    request = {"as_of": as_of, "user_id": "u"}
    before, at = as_of - timedelta(microseconds=1), as_of
    for event_time, arrival_time, expected in ((before, before, 1.0), (at, at, 0.0), (before, at, 0.0)):
        event = {"event_id": "e", "event_time": event_time, "arrival_time": arrival_time, "kind": "click", "user_id": "u"}
        found = point_in_time(small, requests_table([request]), events_table(small, [event]), {}).to_pylist()[0]
        assert found["user_clicks_1d"] == expected
        assert found["user_clicks_session"] == expected


def test_a_session_ends_after_thirty_minutes_and_goes_on_over_midnight(small: Definitions) -> None:
    midnight = datetime(2024, 2, 1, tzinfo=UTC)
    minutes = (-91, -61, -31, -1, 29)
    events = [_click(f"e{minute}", midnight + timedelta(minutes=minute)) for minute in minutes]
    requests = [{"as_of": midnight + timedelta(minutes=59, microseconds=late), "user_id": "u"} for late in (0, 1)]
    found = point_in_time(small, requests_table(requests), events_table(small, events), {}).to_pylist()
    assert [row["user_clicks_session"] for row in found] == [5.0, 0.0]


def test_sums_do_not_depend_on_the_order_of_what_cancels(small: Definitions) -> None:
    day = datetime(2024, 2, 1, tzinfo=UTC)
    amounts = [1e16, 0.1, -1e16, 1e9, 0.2, -1e9]
    request = requests_table([{"as_of": day + timedelta(days=3), "user_id": "u"}])
    for turn in range(len(amounts)):
        rotated = amounts[turn:] + amounts[:turn]
        events = [
            {**_click(f"e{place}", day + timedelta(hours=20 * place)), "kind": "order", "amount": amount}
            for place, amount in enumerate(rotated)
        ]
        found = point_in_time(small, request, events_table(small, events[:3]), {}).to_pylist()[0]["user_amount_7d"]
        assert found == pytest.approx(math.fsum(event["amount"] for event in events[:3]), rel=1e-9)


def _click(event_id: str, time: datetime) -> Row:
    return {"event_id": event_id, "event_time": time, "arrival_time": time, "kind": "click", "user_id": "u"}


def test_no_requests_and_no_events_give_no_rows_and_defaults(small: Definitions) -> None:
    nothing = events_table(small, [])
    assert point_in_time(small, requests_table([]), nothing, {}).num_rows == 0
    found = point_in_time(small, requests_table([{"as_of": datetime(2024, 2, 1, tzinfo=UTC)}]), nothing, {}).to_pylist()[0]
    defaults = {feature.name: feature.declared.default for feature in small.aggregated}
    assert {name: found[name] for name in defaults} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()
    }


@given(generated=logs(max_events=40, max_requests=4), seed=st.integers(0, 2**32 - 1))
def test_drawn_declarations_agree_with_the_reference(generated: Logs, seed: int) -> None:
    definitions = drawn_definitions(Random(seed))
    expected = [feature_values(definitions, generated.events, request, generated.versions) for request in generated.requests]
    events = events_table(definitions, first_arrivals(generated.events))
    found = point_in_time(definitions, requests_table(generated.requests), events, versions_tables(definitions, generated.versions))
    assert differences(found.to_pylist(), expected) == []
