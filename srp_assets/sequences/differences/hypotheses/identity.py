"""Causes that give a user the actions of another one, or shift when they happened."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.differences.hypotheses.base import RARE, RECOGNIZED, USUAL, Cause, Proposal, Seen

QUARTER_OF_HOUR = 900_000_000
"""Offsets of time zones are multiples of it."""

NOBODY = -2
"""No code of a user, and not that of null."""

LARGEST_OFFSET = 26 * 3_600_000_000
"""Between the first and the last time zone."""


def _time_zone(seen: Seen) -> Iterator[Proposal]:
    """All times are later or earlier by the same offset."""
    own, other = seen.common
    if not len(own):
        return
    shifts = np.unique(seen.served_actions["event_time"][own] - seen.made_actions["event_time"][other])
    if len(shifts) == 1 and shifts[0] and abs(shifts[0]) <= LARGEST_OFFSET:
        shift = int(shifts[0])
        cost = USUAL if shift % QUARTER_OF_HOUR == 0 else RARE + 2.0
        yield Proposal(replace(seen.conditions, time_shift=seen.conditions.time_shift + shift), cost, shift, shift)


def _wrong_user(seen: Seen) -> Iterator[Proposal]:
    """Actions of other users are there: all are another's, or some are."""
    places = seen.in_log(seen.extra)
    owners = seen.world.users[places]
    foreign = places[owners != (seen.asked.user if seen.conditions.user is None else seen.conditions.user)]
    if not len(foreign):
        return
    users, counts = np.unique(seen.world.users[foreign], return_counts=True)
    most = int(users[counts.argmax()])
    if seen.conditions.user is None and not len(seen.kept):
        yield Proposal(replace(seen.conditions, user=most), USUAL)
    added = tuple(sorted({*seen.conditions.added, *foreign.tolist()}))
    yield Proposal(replace(seen.conditions, added=added), USUAL + 0.5 + RECOGNIZED * len(foreign))


def _nobody(seen: Seen) -> Iterator[Proposal]:
    """Nothing of the user is there: the request was taken for somebody who has no history."""
    if len(seen.missing) and not len(seen.served_actions["event_id"]):
        yield Proposal(replace(seen.conditions, user=NOBODY), RARE)


def _wrong_mapping(seen: Seen) -> Iterator[Proposal]:
    yield from _wrong_user(seen)
    yield from _nobody(seen)


CAUSES = (
    Cause("time_zone_slip", "time", "times are of another time zone, taken for UTC", _time_zone),
    Cause("wrong_user", "identity", "the request or the actions were given to another user", _wrong_mapping),
)
