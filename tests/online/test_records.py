"""Where the entries of records lie, and what a batch writes: tables apart, actions of portraits, stores of another format."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import Conflict
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.twin import Twin, rows_of
from srp_assets.online.attributes import Attributes
from srp_assets.online.consuming.batch import EventBatch
from srp_assets.online.consuming.consumer import open_consumer
from srp_assets.online.consuming.portraits import portrait_entries, portrait_texts
from srp_assets.online.portrait import portrait_entry
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Found, Pointer, Position, Store, portrait_key
from support.online_events import MINUTE, START, click

ODD_TEXTS = st.text(max_size=20)
"""Empty ones, ones of several words, other scripts."""


class ReadingStore(Store):
    """A store that remembers which keys were read."""

    read_keys: tuple[str, ...] = ()

    def read(self, pointer: Pointer, keys: list[str]) -> Found:  # type: ignore[override]
        self.read_keys = tuple(keys)
        return super().read(pointer, keys)


def test_a_request_reads_the_pairs_that_it_asks_for(small: Definitions, store: Store) -> None:
    layout = record_layout(layout_of(small))
    hour = 60 * MINUTE
    clicks = [{**click(number, START + number * hour), "device": f"d{number % 2}", "kind": "order"} for number in range(20)]
    orders = [{**event, "event_id": f"c{number}", "kind": "click"} for number, event in enumerate(clicks)]
    open_consumer(store, layout).consume([*clicks, *orders], START + 20 * hour)
    reading = ReadingStore(store._client)
    asked = Request("t", START + 20 * hour, {"user_id": "u", "device": "d0"}, {"item_id": ["i0"]})
    found = rows_of(Twin(reading, layout).answer(asked))[0]
    pairs = [key for key in reading.read_keys if key.startswith("record:device-weekday:")]
    assert len(pairs) == 1
    # START is a Monday at midnight: ten of the clicks were on this device on that weekday, the day of the request.
    assert found["device_clicks_60d"] == 10
    assert not any(key.startswith(("record:device:", "record:hour:")) for key in reading.read_keys)


def test_only_first_keys_of_few_values_have_tables_apart(small: Definitions) -> None:
    apart = {table.keys for records in record_layout(layout_of(small)).families for table in records.apart}
    assert apart == {("hour", "category"), ("device", "weekday")}


def test_a_store_of_another_format_is_told_from_one_of_other_definitions(small: Definitions, store: Store) -> None:
    layout = record_layout(layout_of(small))
    store.make_current(store.begin("0123456789abcdef", "", Position()))
    with pytest.raises(Conflict, match="records of format 1, not 2.*srp online rebuild"):
        open_consumer(store, layout)
    answer = Twin(store, layout).answer(Request("t", START, {"user_id": "u"}, {"item_id": ["i0"]}))
    assert "records of format 1, not 2" in str(answer.problem)
    assert "user_clicks_7d" in answer.defaulted
    assert layout.difference("2-0123456789abcdef") == "records of other definitions"
    assert layout.difference(layout.digest) is None


@st.composite
def events(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 8))):
        event = click(number, START + draw(st.integers(0, 5)), START + draw(st.integers(0, 9)))
        event["event_id"] = f"{number}{draw(ODD_TEXTS)}"
        event["user_id"] = draw(st.sampled_from(["u", "v", "", None]))
        for name in ("item_id", "query", "market", "device", "page", "location"):
            event[name] = draw(st.none() | ODD_TEXTS)
        for name in ("position", "price", "amount", "quantity", "dwell_seconds"):
            event[name] = draw(st.none() | st.floats(allow_nan=False) | st.integers(0, 20))
        found.append(event)
    return found


@given(drawn=events())
def test_a_batch_writes_portraits_action_by_action(small: Definitions, drawn: list[dict[str, Any]]) -> None:
    expected: dict[str, bytes] = {}
    texts: dict[int, str] = {}
    for event in drawn:
        entry = portrait_entry(event, texts)
        if event["user_id"] is not None:
            key = portrait_key(event["user_id"])
            expected[key] = expected.get(key, b"") + entry
    batch = EventBatch.of_events(drawn, Attributes(small, {}))
    assert dict(portrait_entries(batch)) == expected
    assert portrait_texts(batch) == texts
