"""The online twin driven through generated logs: events in the order in which they were known, with restarts, and requests in between."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import EPOCH, microseconds
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.twin import Twin, rows_of
from srp_assets.online.attributes import table_bytes
from srp_assets.online.consuming.consumer import Consumer, known_time
from srp_assets.online.consuming.stream import as_stream, events_of
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Position, Store
from support.feature_logs import Logs, Row, events_table, versions_tables

CANDIDATE_COLUMNS = ("item_id", "position", "price")


def answers(definitions: Definitions, store: Store, logs: Logs, random: Random) -> list[dict[str, Any]]:
    """The features of the requests of generated logs, as the online side answers them; in their order."""
    layout = record_layout(layout_of(definitions))
    pointer = store.begin(layout.digest, "", Position())
    tables = versions_tables(definitions, logs.versions)
    pointer = store.write_attributes(pointer, {name: table_bytes(table) for name, table in tables.items()})
    store.make_current(pointer)
    stream = list(events_of(as_stream(definitions, events_table(definitions, logs.events))))
    smallest = random.choice((0, 200, 4_096))
    consumer, twin = Consumer(store, layout, pointer, smallest), Twin(store, layout)
    found: dict[int, dict[str, Any]] = {}
    order = sorted(range(len(logs.requests)), key=lambda place: logs.requests[place]["as_of"])
    for place in order:
        as_of = microseconds(logs.requests[place]["as_of"])
        known = [event for event in stream if known_time(event) < as_of]
        if random.random() < 0.3:
            # A restart: another process goes on, and reads some of the stream once more.
            consumer, twin = Consumer(store, layout, pointer, smallest), Twin(store, layout)
        else:
            known = [event for event in known if known_time(event) >= consumer.position.consumed_to]
        while known:
            size = random.randint(1, len(known))
            consumer.consume(known[:size], max(consumer.position.consumed_to, known_time(known[size - 1])))
            known = known[size:]
        consumer.consume([], as_of)
        found[place] = rows_of(twin.answer(request_of(definitions, logs.requests[place])))[0]
    return [found[place] for place in range(len(logs.requests))]


def request_of(definitions: Definitions, row: Row, others: Sequence[Row] = ()) -> Request:
    """A generated candidate as a request, with others' candidates after it."""
    context = {name: row.get(name) for name in given_columns(definitions) if name not in CANDIDATE_COLUMNS}
    candidates = {name: [own.get(name) for own in (row, *others)] for name in CANDIDATE_COLUMNS}
    return Request("t", microseconds(row["as_of"]), context, candidates)


def given_columns(definitions: Definitions) -> list[str]:
    attributes = {name for source in definitions.attributes.values() for name in source.columns}
    return [name for name in definitions.request_columns if name not in (*COMPUTED_COLUMNS, *attributes, "as_of")]


def as_online(definitions: Definitions, row: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the reference as the online side writes them: times in microseconds."""
    return {name: float((value - EPOCH) // RESOLUTION) if hasattr(value, "tzinfo") else value for name, value in row.items()}


RESOLUTION = EPOCH.resolution
