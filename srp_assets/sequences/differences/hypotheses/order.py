"""Causes that put the same actions in another order."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.differences.hypotheses.base import USUAL, Cause, Proposal, Seen


def _other_ties(seen: Seen) -> Iterator[Proposal]:
    """Actions of equal times stand the other way round, or by their arrival."""
    times = seen.served_actions["event_time"]
    if len(np.unique(times)) == len(times) and len(np.unique(seen.made_actions["event_time"])) == len(seen.made_actions["event_time"]):
        return
    if _same_order(seen):
        return
    for tie in ("id_ascending", "arrival_descending", "arrival_ascending"):
        if tie != seen.conditions.tie:
            yield Proposal(replace(seen.conditions, tie=tie), USUAL if tie == "id_ascending" else USUAL + 0.5)


def _by_arrival(seen: Seen) -> Iterator[Proposal]:
    """The newest is what arrived last."""
    if seen.conditions.order_column == "event_time" and not _same_order(seen):
        arrived = seen.served_actions["arrival_time"]
        if (np.diff(arrived) <= 0).all():
            yield Proposal(replace(seen.conditions, order_column="arrival_time"), USUAL)


def _same_order(seen: Seen) -> bool:
    own, other = seen.common
    return bool((np.diff(other[np.argsort(own)]) > 0).all()) and not (len(seen.missing) or len(seen.extra))


CAUSES = (
    Cause("tie_order", "order", "actions of equal times are in another order than by their ids", _other_ties),
    Cause("order_by_arrival", "order", "actions are ordered by when they arrived, not by when they happened", _by_arrival),
)
