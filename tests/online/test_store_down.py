"""A store that is down: requests go on with defaults, the log says so, and all is well again when it is back."""

from pathlib import Path

import pytest

from resources import redis as redis_server
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.served_log import served_rows
from srp_assets.online.answering.twin import REST_SECONDS, Twin, rows_of
from srp_assets.online.consuming.consumer import Consumer
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Position, Store
from srp_assets.settings import Settings
from support.online_events import MINUTE, START, click

REQUEST = Request(
    "t1",
    START + MINUTE,
    {"user_id": "u", "market": "de", "query": "tea", "device": "phone"},
    {"item_id": ["i1", "i2"], "price": [2.0, 3.0]},
)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests_go_on_while_the_store_is_down(small: Definitions, tmp_path: Path) -> None:
    settings, clock = Settings(home=tmp_path), Clock()
    layout = record_layout(layout_of(small))
    with redis_server.writing_client(settings) as writer, redis_server.serving_client(settings) as reader:
        store = Store(writer)
        consumer = Consumer(store, layout, store.begin(layout.digest, "", Position()))
        consumer.consume([click(1), click(2)], START + MINUTE)
        twin = Twin(Store(reader), layout, clock=clock)
        nothing_yet = twin.answer(REQUEST)
        assert "nothing was loaded" in str(nothing_yet.problem)
        pointer = consumer._pointer
        store.make_current(pointer)
        clock.now += REST_SECONDS
        whole = twin.answer(REQUEST)
        assert whole.problem is None
        assert not whole.defaulted
        assert redis_server.stop(settings)

        down = twin.answer(REQUEST)
        assert "does not answer" in str(down.problem)
        check_defaults(small, rows_of(down), rows_of(whole), down.defaulted)
        check_log(small, twin, down.defaulted)
        # For a moment nobody asks it; whoever did would have met the failure again.
        assert "a moment ago" in str(twin.answer(REQUEST).problem)

        redis_server.start(settings)
        clock.now += REST_SECONDS
        back = twin.answer(REQUEST)
        assert back.problem is None
        assert rows_of(back) == rows_of(whole)
        assert redis_server.stop(settings)


def check_defaults(definitions: Definitions, found: list[dict], whole: list[dict], defaulted: frozenset[str]) -> None:
    """What was counted has its default and is named; what the request says itself is as ever."""
    assert defaulted >= {feature.name for feature in definitions.aggregated}
    computed = definitions.features.keys() - defaulted
    assert {"query_length"} <= computed
    for row, right in zip(found, whole, strict=True):
        assert {name: row[name] for name in computed} == {name: right[name] for name in computed}
        for name in defaulted:
            default = definitions.features[name].declared.default
            assert row[name] == default, name


def check_log(definitions: Definitions, twin: Twin, defaulted: frozenset[str]) -> None:
    rows = served_rows(definitions, twin.answer(REQUEST)).to_pylist()
    assert [row["event_id"] for row in rows] == ["t1/i1", "t1/i2"]
    assert {row["consumed_to"] for row in rows} == {None}
    assert all(set(row["defaulted"]) == defaulted for row in rows)


@pytest.mark.parametrize("spoiled", [b"\x01\x00\x09\x00" + bytes(12), bytes(16), b"\x01\x00\x02\x00"])
def test_an_unreadable_record_costs_no_exception(small: Definitions, store: Store, spoiled: bytes) -> None:
    layout = record_layout(layout_of(small))
    consumer = Consumer(store, layout, store.begin(layout.digest, "", Position()))
    consumer.consume([click(1)], START + MINUTE)
    pointer = consumer._pointer
    store.make_current(pointer)
    store._client.append(f"{pointer.prefix}record:user_id:u", spoiled)
    found = Twin(store, layout).answer(REQUEST)
    assert "user_clicks_7d" in found.defaulted
    assert "unreadable" in str(found.problem)
