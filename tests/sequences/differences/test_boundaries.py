"""Cases at every edge: the reference, the flow over columns and the online twin make the same of them; one that is off by one is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.store import Store
from srp_assets.sequences.boundaries import Boundaries, boundary_cases, broken_cases
from srp_assets.sequences.building.actions import DROPPED
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.reference import portrait
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.warehouse.schema import TIMESTAMP
from support.feature_logs import events_table
from support.served_sequences import replayed, requests_table

AS_OF = datetime(2024, 3, 12, 10, 30, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

DECLARED: dict[str, Any] = {
    "name": "edges",
    "owner": "tests",
    "portrait": {"length": 40, "days": 30},
    "sequences": [
        {
            "name": "running",
            "description": "x",
            "general": {"length": 20, "session": {"gap_minutes": 30, "keep": "running"}},
            "final": {"search": "hard", "length": 5, "attributes": ["item_id"], "fill": True, "half_life_days": 3},
        },
        {
            "name": "bought",
            "description": "x",
            "general": {"length": 20, "order": [{"column": "kind", "values": ["order"]}]},
            "final": {"search": "hard", "length": 7, "attributes": ["item_id"]},
        },
    ],
}


@pytest.fixture(scope="module")
def document() -> Document:
    return Document.model_validate(DECLARED)


@pytest.fixture(scope="module")
def cases(document: Document) -> Boundaries:
    return boundary_cases(document, AS_OF, ["i1", "i2", "i3", "i4"], ["click", "order"])


@pytest.fixture(scope="module")
def offline(document: Document, cases: Boundaries, small: Definitions) -> pa.Table:
    return flow(document, small, cases, cases.requests)


def flow(document: Document, definitions: Definitions, cases: Boundaries, requests: pa.Table) -> pa.Table:
    actions = events_table(definitions, cases.actions.to_pylist()).append_column(DROPPED, cases.actions[DROPPED])
    inputs = Inputs(document, AttributeIndex(definitions, {}), None)
    return pa.concat_tables(list(computed_stages(inputs, actions, requests)))


def test_the_reference_sees_the_same(document: Document, cases: Boundaries, offline: pa.Table, small: Definitions) -> None:
    actions = cases.actions.to_pylist()
    expected = {}
    for request in cases.requests.to_pylist():
        own = [action for action in actions if action["user_id"] == request["user_id"]]
        expected[request["trace_id"]] = [action["event_id"] for action in portrait(document, small, own, request)]
    found = {row["trace_id"]: row["event_id"] for row in offline.to_pylist() if row["stage"] == "portrait"}
    assert found == expected
    assert len(found["request"]) == len(found["arrival"]) == 1
    assert len(found["empty"]) == 0
    assert len(found["window"]) == 2
    assert len(found["full-39"]) == 39
    assert len(found["full-41"]) == len(found["full-40"]) == 40


def test_the_online_twin_makes_the_same(store: Store, document: Document, cases: Boundaries, small: Definitions) -> None:
    requests = [
        Request(trace, as_of, {"user_id": user}, {"item_id": items})
        for trace, user, as_of, items in zip(
            cases.requests["trace_id"].to_pylist(),
            cases.requests["user_id"].to_pylist(),
            integers(cases.requests["as_of"]).tolist(),
            cases.requests["candidates"].to_pylist(),
            strict=True,
        )
    ]
    served = replayed(store, small, document, {}, events_table(small, cases.actions.to_pylist()), requests)
    assert broken_cases(served, flow(document, small, cases, requests_table(requests))) == {}


def test_a_flow_that_is_off_by_one_is_named(document: Document, cases: Boundaries, offline: pa.Table, small: Definitions) -> None:
    place = cases.requests.column_names.index("as_of")
    later = pa.array(integers(cases.requests["as_of"]) + 1).cast(TIMESTAMP)
    wrong = flow(document, small, cases, cases.requests.set_column(place, "as_of", later))
    broken = broken_cases(wrong.set_column(wrong.column_names.index("as_of"), "as_of", times_without_one(wrong)), offline)
    assert {"request", "arrival", "at-month-end"} <= broken.keys()
    assert "ties" not in broken
    assert broken["request"] == "portrait"
    short = document.model_copy(update={"portrait": document.portrait.model_copy(update={"length": 39})})
    assert {"full-40", "full-41"} <= broken_cases(flow(short, small, cases, cases.requests), offline).keys()


def times_without_one(table: pa.Table) -> pa.Array:
    return pa.array(integers(table["as_of"]) - 1).cast(TIMESTAMP)
