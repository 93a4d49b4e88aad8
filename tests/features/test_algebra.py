"""States against the reference: in whatever order and grouping events are added, and whatever was forgotten in between."""

from datetime import datetime
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.algebra import State, empty_state, reach_days
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.reference import described, feature_values, first_arrivals, is_known
from srp_assets.features.times import EPOCH
from support.feature_logs import Logs, Row, logs
from support.feature_values import agree


def day_of(time: datetime) -> int:
    return (time - EPOCH).days


def grouped_state(feature: Feature, events: list[Row], random: Random) -> State:
    """A state of events that were added in any order to several states, which were merged in any order."""
    states = [empty_state(feature) for _ in range(random.randint(1, 4))]
    for event in random.sample(events, len(events)):
        random.choice(states).add(event, day_of(event["event_time"]))
    while len(states) > 1:
        other = states.pop(random.randrange(len(states)))
        random.choice(states).merge(other)
    return states[0]


def value_of(definitions: Definitions, feature: Feature, events: list[Row], request: Row, random: Random) -> Any:
    today = day_of(request["as_of"])
    state = grouped_state(feature, events, random)
    if random.random() < 0.5:
        state.expire(today - reach_days(feature))
    found = state.value(today)
    return feature.declared.default if found is None else found


@given(generated=logs(max_events=40, max_requests=3), seed=st.integers(0, 2**32 - 1))
def test_states_agree_with_the_reference_however_they_were_put_together(small: Definitions, generated: Logs, seed: int) -> None:
    random = Random(seed)
    for request in generated.requests:
        expected = feature_values(small, generated.events, request, generated.versions)
        known = [
            described(small, event, generated.versions)
            for event in first_arrivals(generated.events)
            if is_known(event, request["as_of"], "as_arrived")
        ]
        columns = described(small, {**request, "event_time": request["as_of"]}, generated.versions)
        for feature in small.aggregated:
            keys = small.entities[feature.entity]
            identity = [columns.get(key) for key in keys]
            if feature.is_of_session or None in identity:
                continue
            own = [event for event in known if [event.get(key) for key in keys] == identity]
            found = value_of(small, feature, own, request, random)
            assert agree(found, expected[feature.name]), (feature.name, found, expected[feature.name])


def test_a_state_forgets_what_no_window_reaches(small: Definitions) -> None:
    feature = small.features["user_favourites_60d"]
    state = empty_state(feature)
    for day, category in ((10, "a"), (80, "b")):
        state.add({"kind": "click", "category": category, "event_time": day, "event_id": "e"}, day)
    state.expire(81 - reach_days(feature))
    assert vars(state)["counts"].keys() == {"b"}
    assert state.value(81) == ("b",)
