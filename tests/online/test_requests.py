"""What a request may be: some features of some candidates, one or none of them; what it may not be is said."""

from typing import Any

import pytest

from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.served_log import served_rows
from srp_assets.online.answering.twin import Twin, rows_of
from srp_assets.online.consuming.consumer import open_consumer
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Store
from support.online_events import MINUTE, START, click


def request(candidates: dict[str, Any], **context: Any) -> Request:
    return Request("t", START + MINUTE, {"user_id": "u", **context}, candidates)


def twin_of(definitions: Definitions, store: Store, selected: Definitions | None = None) -> Twin:
    layout = record_layout(layout_of(definitions))
    open_consumer(store, layout).consume([click(number) for number in range(5)], START + MINUTE)
    return Twin(store, layout, selected)


def test_no_candidates_have_no_rows(small: Definitions, store: Store) -> None:
    answer = twin_of(small, store).answer(request({"item_id": []}))
    assert rows_of(answer) == []
    assert served_rows(small, answer).num_rows == 0


def test_candidates_are_answered_alike_alone_and_together(small: Definitions, store: Store) -> None:
    twin, items = twin_of(small, store), ["i0", "i1", "i2", "i1", "never seen", None]
    together = rows_of(twin.answer(request({"item_id": items, "price": [1.0, 2.0, None, 2.0, 5.0, 1.0]}, market="de")))
    alone = [
        rows_of(twin.answer(request({"item_id": [item], "price": [price]}, market="de")))[0]
        for item, price in zip(items, [1.0, 2.0, None, 2.0, 5.0, 1.0], strict=True)
    ]
    assert together == alone
    assert together[1] == together[3]
    assert together[0] != together[5]


def test_some_features_are_the_same_as_among_all(sample_features: Definitions, store: Store) -> None:
    chosen = sample_features.selected(["item_log_impressions", "user_favourite_hours_60d", "session_ctr_session", "category_share_7d"])
    asked = request({"item_id": ["i0", "i1"]}, market="de")
    whole = rows_of(twin_of(sample_features, store).answer(asked))
    some = rows_of(twin_of(sample_features, store, chosen).answer(asked))
    assert some == [{name: row[name] for name in chosen.features} for row in whole]
    assert some[0]["user_favourite_hours_60d"] == ("00",)


@pytest.mark.parametrize(
    ("candidates", "context", "said"),
    [
        ({"item": ["i0"]}, {}, "candidates need item_id"),
        ({"item_id": ["i0"], "price": [1.0, 2.0]}, {}, "of one length"),
        ({"item_id": ["i0"], "colour": ["red"]}, {}, "'colour' is no column of requests"),
        ({"item_id": [7]}, {}, "'item_id' is a text"),
        ({"item_id": ["i0"], "price": ["cheap"]}, {}, "'price' is a number"),
        ({"item_id": ["i0"]}, {"market": 49}, "'market' is a text"),
    ],
)
def test_what_is_no_request_is_refused(
    small: Definitions, store: Store, candidates: dict[str, Any], context: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        Twin(store, record_layout(layout_of(small))).answer(request(candidates, **context))
