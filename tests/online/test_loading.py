"""A restart in mid-day: the beginning of a day from partial sums, then the day's stream, answers as if nothing had been lost."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.online.answering.twin import Twin, rows_of
from srp_assets.online.consuming.consumer import Consumer, known_time
from srp_assets.online.consuming.loading import load_day
from srp_assets.online.consuming.stream import as_stream, events_of
from srp_assets.online.portrait import portrait_of
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Store, portrait_key
from srp_assets.warehouse.storage import Storage
from support.drawn_features import drawn_definitions
from support.feature_logs import Logs, events_table, logs
from support.feature_values import differences
from support.online_home import built
from support.online_world import as_online, request_of


@settings(max_examples=8)
@given(generated=logs(max_events=30, max_requests=2), seed=st.integers(0, 2**32 - 1))
def test_a_loaded_day_and_its_stream_answer_as_the_reference(
    small: Definitions, store: Store, tmp_path_factory: pytest.TempPathFactory, generated: Logs, seed: int
) -> None:
    random = Random(seed)
    definitions = random.choice((small, drawn_definitions(random, 6)))
    inputs = built(definitions, Storage(str(tmp_path_factory.mktemp("warehouse"))), generated)
    layout = record_layout(layout_of(definitions))
    stream = list(events_of(as_stream(definitions, events_table(definitions, generated.events))))
    for request in generated.requests:
        as_of = microseconds(request["as_of"])
        day = as_of // MICROSECONDS_OF_DAY
        loaded = load_day(store, layout, inputs, day, str(request["as_of"].date()))
        consumer = Consumer(store, layout, loaded.pointer, random.choice((0, 4_096)))
        # Rows of the day, or more of the log than is needed: what the load has counted comes again, then.
        begin = random.choice((day * MICROSECONDS_OF_DAY, 0))
        consumer.consume((event for event in stream if begin <= known_time(event) < as_of), as_of)
        store.make_current(loaded.pointer)
        found = rows_of(Twin(store, layout).answer(request_of(definitions, request)))
        expected = feature_values(definitions, generated.events, request, generated.versions)
        assert differences(found, [as_online(definitions, expected)]) == []
        if request["user_id"] is not None:
            check_portrait(store, generated, request["user_id"], as_of, (day - definitions.lookback_days) * MICROSECONDS_OF_DAY)


def check_portrait(store: Store, generated: Logs, user: str, as_of: int, first: int) -> None:
    """The portrait has what the user did since `first` and was known, the newest first."""
    pointer = store.pointer()
    assert pointer is not None
    (data,) = store.read(pointer, [portrait_key(user)]).values
    portrait = portrait_of(data or b"")
    recent = portrait.event_time >= first
    own = [
        event
        for event in first_arrivals(generated.events)
        if event["user_id"] == user and first <= microseconds(event["event_time"]) < as_of and microseconds(event["arrival_time"]) < as_of
    ]
    assert np.array(portrait.event_ids, object)[recent].tolist() == [event["event_id"] for event in reversed(own)]
    assert portrait.arrival_time[recent].tolist() == [microseconds(event["arrival_time"]) for event in reversed(own)]
