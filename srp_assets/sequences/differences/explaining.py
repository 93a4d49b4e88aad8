"""Which causes, alone or together, make the two sides of one trace equal.

Every cause proposes conditions; what makes the sequences equal is kept as an alternative, with its cost. Where no cause alone does, or one
that had to single out actions, two are tried together, then three: the second looks at the trace as the first one leaves it. Which of
several alternatives holds is not decided by one trace (`pooling.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from srp_assets.sequences.differences.coding import NUMBER_LISTS, Listed, same_lists
from srp_assets.sequences.differences.conditions import AS_DECLARED, Conditions
from srp_assets.sequences.differences.hypotheses.base import Case, Cause, Proposal, Seen
from srp_assets.sequences.differences.hypotheses.catalogue import HYPOTHESES
from srp_assets.sequences.differences.replaying import Key, Replayed
from srp_assets.sequences.stages import LISTS

TOGETHER = 3
"""Causes of one trace at most."""

BEAM = 6
"""Partial explanations that are carried on."""

CHEAP = 4.0
"""An alternative of at most this cost is not searched beyond: two causes together cost about as much."""

WRONG_IDS = 4.0
"""The weight of a missing or extra action against a wrong value."""

ACCOUNTS = {
    "user_id": {"user"},
    "length": {"lengths"},
    "padding_side": {"padding_side"},
    "session_gap_minutes": {"session_gap"},
    "definition_version": {"other_definition"},
    "embedding_version": {"embedding_version"},
    "dictionary_version": {"dictionary_day", "attribute_day"},
}  # fmt: skip
"""Which conditions account for what a side says of itself: a label that differs must follow from one of them."""


@dataclass(frozen=True)
class Alternative:
    """Causes that together make a trace equal.

    Args:
        causes: their names, in the order in which they were found.
        cost: what it takes to believe them, in nats.
        ranges: of each cause that estimates something, what would do as well: (least, largest).
        conditions: under which the sequences are equal.
    """

    causes: tuple[str, ...]
    cost: float
    ranges: Mapping[str, tuple[float, float]]
    conditions: Conditions


@dataclass(frozen=True)
class Tried:
    """Conditions on the way, with how far from equal they are."""

    seen: Seen
    alternative: Alternative
    distance: float


def explain(case: Case, hypotheses: Sequence[Cause] = HYPOTHESES) -> list[Alternative]:
    """The alternatives for a trace, the cheapest first; none if nothing makes it equal.

    Args:
        case: the trace.
        hypotheses: what is tried.
    """
    start = _tried(case, Alternative((), 0.0, {}, AS_DECLARED))
    frontier, accepted, known = [start], [], {repr(AS_DECLARED)}
    for _ in range(TOGETHER):
        nearer: list[Tried] = []
        for tried in frontier:
            for cause, proposal in _proposals(tried.seen, hypotheses):
                identity = repr(proposal.conditions)
                if cause.name in tried.alternative.causes or identity in known:
                    continue
                known.add(identity)
                found = _tried(case, _with(tried.alternative, cause, proposal), tried.distance)
                if found.distance == 0:
                    accepted.append(found.alternative)
                elif found.distance < tried.distance:
                    nearer.append(found)
        if accepted and min(one.cost for one in accepted) <= CHEAP:
            break
        frontier = sorted(nearer, key=lambda one: (one.distance + one.alternative.cost, one.alternative.causes))[:BEAM]
    return sorted(accepted, key=lambda one: (one.cost, one.causes))


def _proposals(seen: Seen, hypotheses: Iterable[Cause]) -> Iterable[tuple[Cause, Proposal]]:
    if seen.widest is None:
        return
    for cause in hypotheses:
        for proposal in cause.propose(seen):
            yield cause, proposal


def _with(alternative: Alternative, cause: Cause, proposal: Proposal) -> Alternative:
    ranges = dict(alternative.ranges)
    if proposal.low is not None and proposal.high is not None:
        ranges[cause.name] = proposal.low, proposal.high
    return Alternative((*alternative.causes, cause.name), alternative.cost + proposal.cost, ranges, proposal.conditions)


def _tried(case: Case, alternative: Alternative, most: float = float("inf")) -> Tried:
    """Makes the sequences again; what is not nearer than `most` is not looked at to its end."""
    made = Replayed(case.world, case.asked, alternative.conditions)
    distance = float(len(_unaccounted(case, alternative.conditions)))
    for key in case.asked.keys:
        if distance >= most:
            break
        distance += _distance(key[1], case.served[key], made[key])
    return Tried(Seen(case, alternative.conditions, made), alternative, distance)


def _unaccounted(case: Case, conditions: Conditions) -> set[str]:
    """The labels that differ and that no condition accounts for."""
    changed = {name for name, value in vars(conditions).items() if value != getattr(AS_DECLARED, name)}
    labels = {name for found in case.labels.values() for name in found}
    return {name for name in labels if not ACCOUNTS.get(name, set()) & changed}


def _distance(stage: str, served: Listed, made: Listed) -> float:
    """How far from equal two rows are; 0 if they are equal, and never if they are not."""
    if same_lists(served, made, LISTS):
        return 0.0
    own_ids, other_ids = served["event_id"], made["event_id"]
    common, own, other = np.intersect1d(own_ids, other_ids, return_indices=True)
    wrong = WRONG_IDS * (len(own_ids) + len(other_ids) - 2 * len(common))
    if stage == "final" and wrong:
        return wrong
    moved = int((np.diff(other[np.argsort(own)]) < 0).sum())
    values = sum(_differing(name, served[name][own], made[name][other]) for name in LISTS if name != "event_id")
    return max(wrong + moved + values, 0.5)


def _differing(name: str, one: Any, other: Any) -> int:
    if name not in NUMBER_LISTS:
        return int((one != other).sum())
    with np.errstate(invalid="ignore"):
        near = (one == other) | (np.abs(one - other) <= np.maximum(1e-9 * np.maximum(np.abs(one), np.abs(other)), 1e-12))
    return int((~(near | (np.isnan(one) & np.isnan(other)))).sum())


def reproduces(case: Case, offline: Mapping[Key, Listed]) -> bool:
    """Whether making the sequences again as declared gives the offline side: else no hypothesis on this trace can be believed."""
    made = Replayed(case.world, case.asked, AS_DECLARED)
    return all(same_lists(offline[key], made[key], LISTS) for key in case.asked.keys)
