"""Counting exactly once: two writers, answers that are lost, events that come late, and how long the store remembers."""

import pytest

from srp_assets.errors import Conflict, Unavailable
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.twin import Twin, rows_of
from srp_assets.online.consuming.consumer import Consumer, open_consumer
from srp_assets.online.portrait import LONGEST, cut, is_too_long, portrait_entry, portrait_of
from srp_assets.online.records.digests import digest_of
from srp_assets.online.records.layout import RecordLayout, record_layout
from srp_assets.online.store import Addition, Pointer, Position, Store
from support.online_events import MINUTE, START, click


@pytest.fixture(scope="module")
def layout(small: Definitions) -> RecordLayout:
    return record_layout(layout_of(small))


def clicks_of(store: Store, layout: RecordLayout, as_of: int) -> float:
    found = Twin(store, layout).answer(Request("t", as_of, {"user_id": "u"}, {"item_id": ["i0"]}))
    assert found.defaulted == frozenset()
    value: float = rows_of(found)[0]["user_clicks_60d"]
    return value


def test_of_two_writers_one_is_told_and_counts_nothing(store: Store, layout: RecordLayout) -> None:
    first, second = open_consumer(store, layout), open_consumer(store, layout)
    first.consume([click(1)], START + MINUTE)
    with pytest.raises(Conflict, match="somebody else"):
        second.consume([click(2)], START + MINUTE)
    assert clicks_of(store, layout, START + MINUTE) == 1
    open_consumer(store, layout).consume([click(1), click(2)], START + MINUTE)
    assert clicks_of(store, layout, START + MINUTE) == 2


class ForgetfulStore(Store):
    """A store whose answer gets lost after it has counted."""

    def count(self, pointer: Pointer, before: Position, after: Position, addition: Addition, seconds: int) -> list[int]:
        super().count(pointer, before, after, addition, seconds)
        raise Unavailable("the answer was lost")


def test_a_batch_whose_answer_was_lost_counts_once(store: Store, layout: RecordLayout) -> None:
    open_consumer(store, layout).consume([click(0, START - MINUTE)], START)
    with pytest.raises(Unavailable):
        open_consumer(ForgetfulStore(store._client), layout).consume([click(1), click(2)], START + MINUTE)
    consumer = open_consumer(store, layout)
    counted = consumer.consume([click(1), click(2), click(3)], START + MINUTE)
    assert (counted.events, counted.duplicates) == (1, 2)
    assert (consumer.position.events, consumer.position.duplicates) == (4, 2)
    assert clicks_of(store, layout, START + MINUTE) == 4


def test_an_event_that_comes_after_the_stream_was_read_beyond_it_counts_as_late(store: Store, layout: RecordLayout) -> None:
    consumer = open_consumer(store, layout)
    consumer.consume([click(1, START + 5 * MINUTE)], START + 10 * MINUTE)
    consumer.consume([click(2, START)], START + 11 * MINUTE)
    assert consumer.position.late == 1
    assert clicks_of(store, layout, START + 12 * MINUTE) == 2


def test_a_duplicate_is_known_after_weeks_and_a_restart(store: Store, layout: RecordLayout) -> None:
    open_consumer(store, layout).consume([click(1)], START + MINUTE)
    later = START + 50 * MICROSECONDS_OF_DAY
    # In another epoch of what the store remembers.
    counted = open_consumer(store, layout).consume([click(1, START, arrival=later)], later + MINUTE)
    assert (counted.events, counted.duplicates) == (0, 1)


def test_everything_but_what_a_generation_needs_to_be_read_expires(store: Store, layout: RecordLayout) -> None:
    consumer = Consumer(store, layout, store.begin(layout.digest, "", Position()), smallest_compacted=0)
    consumer.consume([click(number) for number in range(9)], START + MINUTE)
    lasting = {key.decode().split(":")[2] for key in store._client.scan_iter(match="srp:*") if store._client.ttl(key) == -1}
    assert lasting == {"position", "texts"}


def test_records_of_other_definitions_are_refused(store: Store, layout: RecordLayout, sample_features: Definitions) -> None:
    open_consumer(store, layout).consume([click(1)], START + MINUTE)
    other = record_layout(layout_of(sample_features))
    with pytest.raises(Conflict, match="other definitions"):
        open_consumer(store, other)
    found = Twin(store, other).answer(Request("t", START + MINUTE, {"user_id": "u"}, {"item_id": ["i0"]}))
    assert "other definitions" in str(found.problem)
    assert "user_clicks_7d" in found.defaulted


def test_a_replaced_generation_is_deleted_and_readers_follow(store: Store, layout: RecordLayout) -> None:
    open_consumer(store, layout).consume([click(1)], START + MINUTE)
    twin, request = Twin(store, layout), Request("t", START + 2 * MINUTE, {"user_id": "u"}, {"item_id": ["i0"]})
    assert rows_of(twin.answer(request))[0]["user_clicks_60d"] == 1
    old, new = store.pointer(), store.begin(layout.digest, "", Position())
    Consumer(store, layout, new).consume([click(2), click(3)], START + MINUTE)
    store.make_current(new)
    assert rows_of(twin.answer(request))[0]["user_clicks_60d"] == 2
    assert old is not None
    assert list(store._client.scan_iter(match=f"{old.prefix}*")) == []


def test_a_portrait_keeps_the_newest_ten_thousand() -> None:
    texts: dict[int, str] = {}
    entries = [portrait_entry(click(number, START + number % 7 * MINUTE + number), texts) for number in range(13_000)]
    data = b"".join(entries)
    assert is_too_long(len(data))
    kept = portrait_of(cut(data))
    assert len(kept) == LONGEST
    order = sorted(range(13_000), key=lambda number: (START + number % 7 * MINUTE + number, f"e{number}"), reverse=True)
    assert kept.event_ids == [f"e{number}" for number in order[:LONGEST]]
    assert texts[int(kept.text("item_id")[0])] == f"i{order[0] % 3}"
    assert set(kept.kind.tolist()) == {digest_of("click")}
    assert kept.text("query").any() == 0
    assert len(portrait_of(data, before=START + MINUTE)) == sum(order_time(number) < START + MINUTE for number in range(13_000))


def order_time(number: int) -> int:
    return START + number % 7 * MINUTE + number


def test_what_is_no_portrait_is_refused() -> None:
    with pytest.raises(ValueError, match="no portrait"):
        portrait_of(bytes(24))
