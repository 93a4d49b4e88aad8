"""The shop's online side: the real twin, fed with the shop's actions in the order in which they were known, answers some of its requests.

Candidates of a request are all items that the policy chose among, shown or not. What the twin served is a log of the world like any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import LogIngestSummary, land_log_batches
from srp_assets.online.answering.columns import Request
from srp_assets.online.answering.served_log import served_rows
from srp_assets.online.answering.twin import Twin
from srp_assets.online.attributes import table_bytes
from srp_assets.online.consuming.consumer import Consumer
from srp_assets.online.consuming.stream import as_stream, events_of, known_between
from srp_assets.online.records.layout import RecordLayout, record_layout
from srp_assets.online.store import Pointer, Position, Store
from srp_assets.samples.ranking.faults import Fault
from srp_assets.samples.ranking.landing import Progress, source_of
from srp_assets.samples.ranking.logged import HOUR, VISITS_AT_ONCE, Fate, fates, request_context
from srp_assets.samples.ranking.responses import POOL, policy_probabilities, pools, with_exploration
from srp_assets.samples.ranking.world import POSITIONS, RankingWorld
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

REQUESTS = 500
"""Requests that are served and logged unless another number is asked for: with 40 candidates each, about 20,000 rows of all features."""

REQUESTS_OF_A_BATCH = 25

END_OF_TIME = 2**62


@dataclass(frozen=True)
class Online:
    """What the shop's online side runs on.

    Args:
        store: it is filled anew.
        document: the declarations.
        versions: of the rows that attributes are taken from, by source.
        fault: what goes wrong.
    """

    store: Store
    document: FeatureDocument
    versions: Mapping[str, pa.Table]
    fault: Fault


@dataclass(frozen=True)
class Asked:
    """A request, and for each of its candidates the probability with which the policy shows it at a place, by place."""

    request: Request
    propensities: Sequence[Mapping[int, float]]


def sampled_requests(world: RankingWorld, wanted: int = REQUESTS, all_from: int = END_OF_TIME) -> list[Asked]:
    """About so many requests of all, chosen by chance, in the order of their times.

    Args:
        world: whose requests.
        wanted: about how many.
        all_from: from this time on (microseconds since 1970) all requests are served.
    """
    found: list[Asked] = []
    share = min(1.0, wanted / world.requests_count)
    for first in range(0, world.visits, VISITS_AT_ONCE):
        requests = world.requests(first, min(first + VISITS_AT_ONCE, world.visits))
        chosen = np.flatnonzero(world.draws("request").chance("served", requests.numbers, share) | (requests.time >= all_from))
        context = pa.table(request_context(requests)).take(pa.array(chosen)).to_pylist()
        place = np.repeat(chosen, POSITIONS)
        numbers = requests.numbers[place] * POSITIONS + np.tile(np.arange(POSITIONS), len(chosen))
        pool = pools(world, requests, place, numbers)
        chances = with_exploration(policy_probabilities(world, requests, place, pool))
        of_request = zip(pool.reshape(len(chosen), -1), chances.reshape(len(chosen), -1), strict=True)
        for row, own, (items, chance) in zip(chosen.tolist(), context, of_request, strict=True):
            different, first_slot, number = np.unique(items, return_index=True, return_inverse=True)
            candidates = {"item_id": [f"item-{item}" for item in different.tolist()], "price": world.items.price[different].tolist()}
            request = Request(f"t{requests.numbers[row]}", int(requests.time[row]), own, candidates)
            # No item is in the pools of two places; of one that is in a pool twice, both slots count.
            places, total = (first_slot // POOL + 1).tolist(), np.bincount(number, chance).tolist()
            found.append(Asked(request, [{at: own_chance} for at, own_chance in zip(places, total, strict=True)]))
    return sorted(found, key=lambda asked: (asked.request.as_of, asked.request.trace_id))


def with_repeats(world: RankingWorld, stream: pa.Table) -> pa.Table:
    """The actions of a stream with those that came twice, as the logs had them before the second ones were left out."""
    copies = []
    for kind in sorted(set(stream["kind"].to_pylist())):
        own = stream.filter(pa.array(np.asarray(stream["kind"]) == kind))
        numbers = np.array([int(event_id.rsplit("-", 1)[1]) for event_id in own["event_id"].to_pylist()], np.int64)
        again = own.filter(pa.array(fates(world, kind, numbers) == Fate.REPEATED))
        later = pa.array(integers(again["arrival_time"]) + HOUR).cast(TIMESTAMP)
        copies.append(again.set_column(again.column_names.index("arrival_time"), "arrival_time", later))
    return pa.concat_tables([stream, *copies])


def serve(
    world: RankingWorld, online: Online, actions: pa.Table, wanted: int = REQUESTS, all_from: int = END_OF_TIME
) -> Iterator[pa.RecordBatch]:
    """The rows that the twin served, some requests after the others; the events that come after the last are counted too.

    Args:
        world: whose requests.
        online: what answers them.
        actions: of `logs/actions`, all of them.
        wanted: about how many requests.
        all_from: from this time on (microseconds since 1970) all requests are served.
    """
    definitions, fault = resolve(online.document), online.fault
    served = resolve(fault.document(online.document))
    layout = record_layout(layout_of(served))
    stream = as_stream(served, fault.stream(with_repeats(world, as_stream(served, actions))))
    twin = Twin(online.store, layout)
    consumer, day, waiting = _begin(online, layout, stream.slice(0, 0)), -1, []
    for asked in sampled_requests(world, wanted, all_from):
        request = asked.request
        if fault.loads_each_day and request.day != day:
            known = known_between(stream, 0, request.day * MICROSECONDS_OF_DAY)
            consumer = _begin(online, layout, fault.history(known, request.day), request.day * MICROSECONDS_OF_DAY)
        day = request.day
        _read_on(consumer, stream, fault.read_to(request.as_of))
        answer = fault.answer(served, twin.answer(request))
        waiting.append(served_rows(definitions, answer, propensities=asked.propensities))
        if len(waiting) == REQUESTS_OF_A_BATCH:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)
    last = integers(stream["known"])
    _read_on(consumer, stream, int(last[-1]) + 1 if len(last) else 0)


def _begin(online: Online, layout: RecordLayout, history: pa.Table, consumed_to: int = 0) -> Consumer:
    """A consumer of a generation that holds a history, and counts from now on."""
    pointer: Pointer = online.store.begin(layout.digest, "", Position())
    pointer = online.store.write_attributes(pointer, {name: table_bytes(table) for name, table in online.versions.items()})
    consumer = Consumer(online.store, layout, pointer)
    consumer.consume(events_of(history), consumed_to)
    online.store.make_current(pointer)
    return consumer


def _read_on(consumer: Consumer, stream: pa.Table, before: int) -> None:
    first = consumer.position.consumed_to
    if before > first:
        consumer.consume(events_of(known_between(stream, first, before)), before)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def land_served(
    engine: Engine,
    storage: Storage,
    catalogue: LogCatalogue,
    world: RankingWorld,
    batches: Iterator[pa.RecordBatch],
    progress: Progress | None = None,
) -> LogIngestSummary:
    """Lands what the twin served; raises what landing raises."""
    log = catalogue.of_role("served_features")
    assert log is not None
    named = ((log.name, batch) for batch in batches)
    return land_log_batches(engine, storage, catalogue, batches=named, source=served_source(world), reader="samples", progress=progress)


def served_source(world: RankingWorld) -> str:
    """How the registry names what was served."""
    return f"{source_of(world)}: served"
