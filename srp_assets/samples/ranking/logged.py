"""The shop's logs as they come: which events are lost, late or come twice, when each arrives, and the batches of each ingest.

Two ingests: the first brings the bulk, the second what came late and what comes again. An event that comes again has the same content;
mostly it arrives later, now and then earlier than what had landed, and takes its place.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.samples.draws import Draws, Flags, Ids
from srp_assets.samples.ranking.responses import Responses, Visit, visit
from srp_assets.samples.ranking.world import (
    ADJECTIVES,
    CATEGORIES,
    DEVICES,
    LOCATIONS,
    MARKETS,
    NOBODY,
    RankingWorld,
    Requests,
    query_text,
)
from srp_assets.warehouse.schema import TIMESTAMP

INGESTS = (1, 2)
VISITS_AT_ONCE = 4_000
"""About 160,000 impressions: what memory holds of a world at a time."""

LOST = {"request": 0.005, "impression": 0.004}
"""Share of the events that never come; what belongs to them is an orphan then."""

UNKNOWN_ARRIVAL = 0.02
DELAYED = 0.01

HOUR = 3_600_000_000
SECOND = 1_000_000

Columns = dict[str, pa.Array]


class Fate(IntEnum):
    """How an event comes."""

    ONCE = 0
    LATE = 1
    """In the second ingest alone."""
    REPEATED = 2
    """In both, the second time with a later arrival."""
    BEATEN = 3
    """In both, the second time with an earlier arrival, which counts."""


SHARES = {Fate.ONCE: 0.967, Fate.LATE: 0.02, Fate.REPEATED: 0.01, Fate.BEATEN: 0.003}


def is_logged(world: RankingWorld, log: str, numbers: Ids) -> Flags:
    """Which events come at all."""
    return ~world.draws(log).chance("lost", numbers, LOST.get(log, 0.0))


def fates(world: RankingWorld, log: str, numbers: Ids) -> Ids:
    """How events come: a `Fate` each. One of an unknown arrival cannot be beaten."""
    draws = world.draws(log)
    drawn = draws.choice("fate", numbers, np.array(list(SHARES.values())))
    return np.where((drawn == Fate.BEATEN) & _arrival_unknown(draws, numbers), Fate.ONCE, drawn)


def log_batches(world: RankingWorld, ingest: int) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The raw rows of an ingest (1 or 2) by log, some visits after the other."""
    for first in range(0, world.visits, VISITS_AT_ONCE):
        happened = visit(world, first, min(first + VISITS_AT_ONCE, world.visits))
        for log, numbers, times, columns in _logs(world, happened):
            yield log, _batch(world, log, ingest, numbers, times, columns)


def event_rows(world: RankingWorld, visits: int) -> dict[str, list[dict[str, object]]]:
    """Good rows of the first visits by log, as a source would write them: what broken rows are made of."""
    rows: dict[str, list[dict[str, object]]] = {}
    for log, numbers, times, columns in _logs(world, visit(world, 0, min(visits, world.visits))):
        rows[log] = pa.RecordBatch.from_pydict({**_identity(log, numbers, times), **columns}).to_pylist()
    return rows


def _logs(world: RankingWorld, happened: Visit) -> Iterator[tuple[str, Ids, Ids, Columns]]:
    """Every log with its events' numbers, times and other columns."""
    requests, shown = happened.requests, happened.impressions
    yield "request", requests.numbers, requests.time, {"trace_id": _ids("t", requests.numbers), **request_context(requests)}
    trace_id = _ids("t", requests.numbers[shown.request])
    item_id = _ids("item-", shown.item)
    price = pa.array(world.items.price[shown.item])
    yield (
        "impression",
        shown.numbers,
        shown.time,
        {
            "trace_id": trace_id,
            "item_id": item_id,
            "position": pa.array(shown.position),
            "propensity": pa.array(shown.propensity),
            "explored": pa.array(shown.explored),
            "price": price,
        },
    )

    def of_impression(responses: Responses) -> Columns:
        place = pa.array(responses.impression)
        return {"trace_id": trace_id.take(place), "item_id": item_id.take(place)}

    dwell = np.round(world.draws("click").exponential("dwell", happened.clicks.numbers, 40, 1800), 1)
    yield "click", happened.clicks.numbers, happened.clicks.time, {**of_impression(happened.clicks), "dwell_seconds": pa.array(dwell)}
    one = {"quantity": 1.0}
    for log, responses in (("cart", happened.carts), ("coupon", happened.coupons)):
        amounts = price.take(pa.array(responses.impression)) if log == "cart" else pa.array(np.full(len(responses.numbers), 2.0))
        quantity = pa.array(np.full(len(responses.numbers), one["quantity"]))
        yield log, responses.numbers, responses.time, {**of_impression(responses), "amount": amounts, "quantity": quantity}
    yield "order", happened.orders.numbers, happened.orders.time, _order(world, happened, item_id, price)


def _order(world: RankingWorld, happened: Visit, item_id: pa.Array, price: pa.Array) -> Columns:
    """Orders know their user, not their trace."""
    orders = happened.orders
    place = pa.array(orders.impression)
    user = happened.requests.user[happened.impressions.request[orders.impression]]
    quantity = 1.0 + world.draws("order").below("quantity", orders.numbers, 3)
    return {
        "user_id": _ids("u", user),
        "item_id": item_id.take(place),
        "amount": pc.round(pc.multiply(price.take(place), pa.array(quantity)), 2),
        "quantity": pa.array(quantity),
    }


def request_context(requests: Requests) -> Columns:
    """What requests say of themselves."""
    queries = pa.array([query_text(query) for query in range(len(CATEGORIES) * len(ADJECTIVES))])
    searched = requests.query != NOBODY
    page = pa.DictionaryArray.from_arrays(pa.array(searched.astype(np.int8)), pa.array(["feed", "search"]))
    return {
        "user_id": _ids("u", requests.user),
        "market": pa.array(MARKETS).take(pa.array(requests.market)),
        "query": queries.take(pa.array(requests.query, mask=~searched)),
        "device": pa.array(DEVICES).take(pa.array(requests.device)),
        "page": page.dictionary_decode(),
        "location": pa.array(LOCATIONS).take(pa.array(requests.location)),
    }


def _batch(world: RankingWorld, log: str, ingest: int, numbers: Ids, times: Ids, columns: Columns) -> pa.RecordBatch:
    fate = fates(world, log, numbers)
    comes = fate != Fate.LATE if ingest == 1 else fate != Fate.ONCE
    places = np.flatnonzero(comes & is_logged(world, log, numbers))
    draws = world.draws(log)
    again = (fate == Fate.REPEATED) & (ingest == 2) | (fate == Fate.BEATEN) & (ingest == 1)
    arrival = times + draws.exponential("arrival", numbers, 5 * SECOND, 60 * SECOND).astype(np.int64)
    arrival += np.where(draws.chance("delayed", numbers, DELAYED), draws.below("delay", numbers, 26 * HOUR), 0)
    arrival += np.where(again, HOUR, 0)
    arrival_time = pa.array(arrival, mask=_arrival_unknown(draws, numbers)).cast(TIMESTAMP)
    batch = pa.RecordBatch.from_pydict({**_identity(log, numbers, times), "arrival_time": arrival_time, **columns})
    return batch if len(places) == batch.num_rows else batch.take(pa.array(places))


def _identity(log: str, numbers: Ids, times: Ids) -> Columns:
    event_id = _ids("t" if log == "request" else f"{log}-", numbers)
    return {"event_id": event_id, "event_time": pa.array(times).cast(TIMESTAMP)}


def _arrival_unknown(draws: Draws, numbers: Ids) -> Flags:
    return draws.chance("unknown arrival", numbers, UNKNOWN_ARRIVAL)


def _ids(prefix: str, numbers: Ids) -> pa.Array:
    """Numbers as ids, null where there is none."""
    return pc.binary_join_element_wise(prefix, pa.array(numbers, mask=numbers == NOBODY).cast(pa.string()), "")
