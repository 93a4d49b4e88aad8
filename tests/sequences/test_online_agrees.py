"""Sequences at request time against the reference: whatever comes late or twice, however the stream is cut, with and without an index."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.online.answering.columns import Request
from srp_assets.online.attributes import table_bytes
from srp_assets.online.consuming.consumer import Consumer, known_time
from srp_assets.online.consuming.loading import load_day
from srp_assets.online.consuming.stream import as_stream, events_of
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Pointer, Position, Store
from srp_assets.sequences.answering import SequenceTwin
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.served import served_stages
from srp_assets.sequences.stages import check_stages
from srp_assets.warehouse.storage import Storage
from support.drawn_sequences import CANDIDATE_IDS, asked, drawn_document, drawn_vectors, expected_rows, found_rows
from support.feature_logs import TEXTS, Logs, Row, events_table, logs, random_logs, versions_tables
from support.online_home import built


def begun(store: Store, definitions: Definitions, generated: Logs) -> Pointer:
    layout = record_layout(layout_of(definitions))
    tables = versions_tables(definitions, generated.versions)
    pointer = store.begin(layout.digest, "", Position())
    pointer = store.write_attributes(pointer, {name: table_bytes(table) for name, table in tables.items()})
    store.make_current(pointer)
    return pointer


def request_of(row: Row) -> Request:
    context = {name: row.get(name) for name in TEXTS if name != "item_id"}
    return Request(row["trace_id"], microseconds(row["as_of"]), context, {"item_id": list(CANDIDATE_IDS)})


@given(generated=logs(), seed=st.integers(0, 2**32 - 1))
def test_what_is_served_agrees_with_the_reference(small: Definitions, store: Store, generated: Logs, seed: int) -> None:
    random = Random(seed)
    document, vectors, requests = drawn_document(random), drawn_vectors(random), asked(generated)
    document = document.model_copy(update={"portrait": document.portrait.model_copy(update={"clock": "as_arrived"})})
    pointer = begun(store, small, generated)
    consumer = Consumer(store, record_layout(layout_of(small)), pointer)
    stream = list(events_of(as_stream(small, events_table(small, generated.events))))
    twin = SequenceTwin(store, small, document, SearchVectors(vectors))
    found = {}
    for row in sorted(requests, key=lambda row: row["as_of"]):
        as_of = microseconds(row["as_of"])
        while known := [event for event in stream if consumer.position.consumed_to <= known_time(event) < as_of]:
            size = random.randint(1, len(known))
            consumer.consume(known[:size], known_time(known[size]) if size < len(known) else as_of)
        if random.random() < 0.3:
            twin = SequenceTwin(store, small, document, SearchVectors(vectors))
        stages = served_stages(twin, [twin.answer(request_of(row))])
        check_stages(stages, "test")
        found |= found_rows(stages)
    assert found == expected_rows(document, small, generated, requests, vectors)


@settings(max_examples=5)
@given(generated=logs(max_events=30, max_requests=2), seed=st.integers(0, 2**32 - 1))
def test_portraits_of_a_snapshot_and_the_stream_since_agree_with_the_reference(
    small: Definitions, store: Store, tmp_path_factory: pytest.TempPathFactory, generated: Logs, seed: int
) -> None:
    random = Random(seed)
    document, vectors, layout = drawn_document(random), drawn_vectors(random), record_layout(layout_of(small))
    document = document.model_copy(update={"portrait": document.portrait.model_copy(update={"clock": "as_arrived"})})
    inputs = built(small, Storage(str(tmp_path_factory.mktemp("warehouse"))), generated)
    stream = list(events_of(as_stream(small, events_table(small, generated.events))))
    for row in asked(generated):
        as_of, day = microseconds(row["as_of"]), row["as_of"].date()
        loaded = load_day(store, layout, inputs, as_of // MICROSECONDS_OF_DAY, str(day))
        consumer = Consumer(store, layout, loaded.pointer)
        consumer.consume([event for event in stream if consumer.position.consumed_to <= known_time(event) < as_of], as_of)
        store.make_current(loaded.pointer)
        twin = SequenceTwin(store, small, document, SearchVectors(vectors))
        stages = served_stages(twin, [twin.answer(request_of(row))])
        assert set(stages["snapshot_day"].to_pylist()) == {day}
        assert found_rows(stages) == expected_rows(document, small, generated, [row], vectors)


def test_requests_of_the_past_see_nothing_of_what_came_since(small: Definitions, store: Store) -> None:
    random = Random(3)
    generated = random_logs(random, 80, 30)
    document, vectors, requests = drawn_document(Random(8)), drawn_vectors(random), asked(generated)
    pointer = begun(store, small, generated)
    consumer = Consumer(store, record_layout(layout_of(small)), pointer)
    consumer.consume(events_of(as_stream(small, events_table(small, generated.events))), 2**62)
    twin = SequenceTwin(store, small, document, SearchVectors(vectors))
    found = found_rows(served_stages(twin, map(twin.answer, map(request_of, requests))))
    assert found == expected_rows(document, small, generated, requests, vectors)


def test_the_index_grows_as_if_it_were_built_anew(small: Definitions, store: Store) -> None:
    generated = random_logs(Random(11), 60, 1)
    user = next(row["user_id"] for row in generated.events if row["user_id"])
    request = {**asked(generated)[0], "user_id": user, "as_of": max(row["event_time"] for row in generated.events)}
    document = drawn_document(Random(2))
    pointer = begun(store, small, generated)
    consumer = Consumer(store, record_layout(layout_of(small)), pointer)
    grown = SequenceTwin(store, small, document)
    for event in events_of(as_stream(small, events_table(small, generated.events))):
        consumer.consume([event], known_time(event))
        answers = [twin.answer(request_of(request)) for twin in (grown, SequenceTwin(store, small, document))]
        first, second = (served_stages(grown, [answer]) for answer in answers)
        assert first.equals(second)
        indexes = [answer.index for answer in answers if answer.index is not None]
        assert np.array_equal(*[index.event_time[index.order] for index in indexes])


def test_without_a_store_sequences_are_empty_and_say_why(small: Definitions, store: Store) -> None:
    document = drawn_document(Random(2))
    row = asked(random_logs(Random(11), 5, 1))[0]
    twin = SequenceTwin(store, small, document)
    answer = twin.answer(request_of(row))
    assert "nothing was loaded yet" in (answer.problem or "")
    stages = served_stages(twin, [answer])
    assert all(not any(lists["event_id"]) for lists in found_rows(stages).values())
    assert stages.num_rows == 1 + len(document.sequences) * (1 + len(CANDIDATE_IDS))


def test_a_failed_store_is_left_alone_for_a_moment(small: Definitions, store: Store) -> None:
    now = [0.0]
    twin = SequenceTwin(store, small, drawn_document(Random(2)), clock=lambda: now[0])
    generated = random_logs(Random(11), 5, 1)
    row = request_of(asked(generated)[0])
    assert twin.answer(row).problem is not None
    begun(store, small, generated)
    assert twin.answer(row).problem == "the store failed a moment ago"
    now[0] = 2.0
    assert twin.answer(row).problem is None
