"""What a request asks of its user's actions: which of them it sees, and what its candidates agree with."""

from collections.abc import Callable

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.sequences.declaration import HardSearch, Portrait, Sequence
from srp_assets.sequences.search.attributes import ITEM, AttributeIndex


def seen(declared: Portrait, order: Integers, event_time: Integers, arrival_time: Integers, as_of: int) -> Integers:
    """The portrait of a request: places of the newest actions that it sees, the newest first.

    Args:
        declared: how long and how far back it is, and which clock counts.
        order: places of the actions of the user, the newest first.
        event_time: of all actions, microseconds.
        arrival_time: of all actions, microseconds.
        as_of: of the request, microseconds.
    """
    rising = event_time[order][::-1]
    first_day = as_of // MICROSECONDS_OF_DAY - declared.days
    oldest, newest = np.searchsorted(rising, [first_day * MICROSECONDS_OF_DAY, as_of])
    places = order[len(order) - newest : len(order) - oldest]
    if declared.clock == "as_arrived":
        places = places[arrival_time[places] < as_of]
    return places[: declared.length]


def candidate_codes(sequence: Sequence, attributes: AttributeIndex, given: Callable[[str], Integers], days: Integers | int) -> Integers:
    """What the final search compares with: of a hard search the codes of its attributes, of a soft one those of the items.

    Args:
        sequence: its declaration.
        attributes: of what candidates and requests name, as of the beginning of the request's day.
        given: the digests of a column of the candidates or of their request, one for each candidate; zeros where they have none.
        days: of the requests, since 1970: one for each candidate or one for all.

    Returns:
        int64, shape (attributes, candidates) or (candidates,).
    """
    if not isinstance(sequence.final, HardSearch):
        return given(ITEM)
    found = []
    for name in sequence.final.attributes:
        source = attributes.source_of(name)
        found.append(given(name) if source is None else source.texts[name][source.rows(given(source.key), days)])
    return np.ascontiguousarray(np.stack(found))
