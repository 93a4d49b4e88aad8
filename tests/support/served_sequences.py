"""Sequences served request by request: a stream that is read up to each request, and the twin that answers it."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.attributes import table_bytes
from srp_assets.online.consuming.consumer import Consumer
from srp_assets.online.consuming.stream import as_stream, events_of, known_between
from srp_assets.online.records.layout import record_layout
from srp_assets.online.store import Pointer, Position, Store
from srp_assets.sequences.answering import SequenceTwin
from srp_assets.sequences.building.computing import CANDIDATES
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.served import served_stages
from srp_assets.warehouse.schema import TIMESTAMP


def begun(store: Store, definitions: Definitions, versions: Mapping[str, pa.Table]) -> Pointer:
    """A generation with attributes and no events, which counts."""
    pointer = store.begin(record_layout(layout_of(definitions)).digest, "", Position())
    pointer = store.write_attributes(pointer, {name: table_bytes(table) for name, table in versions.items()})
    store.make_current(pointer)
    return pointer


def replayed(
    store: Store,
    definitions: Definitions,
    document: Document,
    versions: Mapping[str, pa.Table],
    actions: pa.Table,
    requests: Iterable[Request],
    vectors: SearchVectors | None = None,
) -> pa.Table:
    """What is served of requests in the order of their times, each after all that was known before it."""
    consumer = Consumer(store, record_layout(layout_of(definitions)), begun(store, definitions, versions))
    stream, twin, answers = as_stream(definitions, actions), SequenceTwin(store, definitions, document, vectors), []
    for request in sorted(requests, key=lambda request: request.as_of):
        consumer.consume(events_of(known_between(stream, consumer.position.consumed_to, request.as_of)), request.as_of)
        answers.append(twin.answer(request))
        assert answers[-1].problem is None
    return served_stages(twin, answers)


def requests_table(requests: Iterable[Request]) -> pa.Table:
    """The same requests as they are computed again."""
    asked = list(requests)
    names = sorted({name for request in asked for name in request.context})
    columns = {name: pa.array([request.context.get(name) for request in asked], pa.string()) for name in names}
    columns["trace_id"] = pa.array([request.trace_id for request in asked])
    columns["as_of"] = pa.array([request.as_of for request in asked], pa.int64()).cast(TIMESTAMP)
    columns[CANDIDATES] = pa.array([list(request.candidates["item_id"]) for request in asked], pa.list_(pa.string()))
    return pa.table(columns)


def sorted_stages(table: pa.Table) -> pa.Table:
    """Rows in one order, without what only one side knows: the snapshot that a portrait began from."""
    keys = [(name, "ascending") for name in ("trace_id", "stage", "sequence", "candidate_id")]
    return table.drop_columns(["snapshot_day"]).sort_by(keys).combine_chunks()
