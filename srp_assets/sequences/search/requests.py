"""What a request asks of its user's actions: which of them it sees, and what its candidates agree with."""

from collections.abc import Callable

import numpy as np

from srp_assets.features.aggregation.rows import Integers
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.sequences.declaration import HardSearch, Portrait, Sequence
from srp_assets.sequences.search.attributes import ITEM, AttributeIndex


def seen(declared: Portrait, order: Integers, ages: Integers, arrival_time: Integers, as_of: int) -> Integers:
    """The portrait of a request: places of the newest actions that it sees, the newest first.

    Args:
        declared: how long and how far back it is, and which clock counts.
        order: places of the actions of the user, the newest first.
        ages: their event times in that order, negated: they rise.
        arrival_time: of all actions, microseconds.
        as_of: of the request, microseconds.
    """
    first_day = as_of // MICROSECONDS_OF_DAY - declared.days
    newest, oldest = np.searchsorted(ages, [-as_of, -first_day * MICROSECONDS_OF_DAY], side="right")
    places = order[newest:oldest]
    return places[: declared.length] if declared.clock == "as_happened" else _arrived(places, arrival_time, as_of, declared.length)


def _arrived(places: Integers, arrival_time: Integers, as_of: int, length: int) -> Integers:
    """The first places that had arrived; of millions of actions no more are looked at than it takes."""
    found, missing = [], length
    for start in range(0, len(places), 2 * length):
        part = places[start : start + 2 * length]
        found.append(part[arrival_time[part] < as_of][:missing])
        missing -= len(found[-1])
        if not missing:
            break
    return np.concatenate(found) if found else places


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
