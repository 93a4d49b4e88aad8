"""Causes in the form in which a sequence is handed over: hashes, padding, samples, and the version of the declaration."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.differences.hypotheses.base import RARE, USUAL, Cause, Proposal, Seen
from srp_assets.sequences.differences.replaying import buckets_of

OTHER_SEEDS = tuple(range(17))
OTHER_SPACES = tuple(2**power for power in range(4, 25)) + tuple(10**power for power in range(2, 9))
PARTS = tuple(range(2, 11))


def _buckets_differ(seen: Seen) -> bool:
    for key in seen.asked.keys:
        served, made = seen.case.served[key], seen.made[key]
        _, own, other = np.intersect1d(served["event_id"], made["event_id"], return_indices=True)
        if (served["bucket"][own] != made["bucket"][other]).any():
            return True
    return False


def _hashes_so(seen: Seen, proposal: Proposal) -> bool:
    """Whether a proposal gives the served buckets of one row: most are refuted by that, at little cost."""
    for key in seen.asked.keys:
        served, sequence = seen.case.served[key], seen.world.document.named(key[0]) if key[0] else None
        if sequence is not None and sequence.hashing is not None and len(served["bucket"]):
            return bool((buckets_of(seen.world, served["item_id"], sequence, proposal.conditions) == served["bucket"]).all())
    return False


def _seed(seen: Seen) -> Iterator[Proposal]:
    """Ids were hashed with another seed."""
    if seen.world.hashes and seen.conditions.seed is None and _buckets_differ(seen):
        yield from (
            found for found in (Proposal(replace(seen.conditions, seed=seed), USUAL) for seed in OTHER_SEEDS) if _hashes_so(seen, found)
        )


def _space(seen: Seen) -> Iterator[Proposal]:
    """Ids were hashed into another space, so that others collide."""
    if seen.world.hashes and seen.conditions.hash_space is None and _buckets_differ(seen):
        largest = max((int(seen.case.served[key]["bucket"].max(initial=0)) for key in seen.asked.keys), default=0)
        spaces = (own for own in OTHER_SPACES if own >= largest)
        found = (Proposal(replace(seen.conditions, hash_space=space), USUAL, space, space) for space in spaces)
        yield from (own for own in found if _hashes_so(seen, own))


def _padding(seen: Seen) -> Iterator[Proposal]:
    """Empty places are on the other side."""
    said = seen.label("padding_side")
    if said is not None and seen.conditions.padding_side is None:
        yield Proposal(replace(seen.conditions, padding_side=said[0]), USUAL)


def _sampling(seen: Seen) -> Iterator[Proposal]:
    """A sample by the hash of the id was kept."""
    if not len(seen.missing) or seen.conditions.sampled is not None or not len(seen.kept):
        return
    kept, missing = seen.world.digests[seen.kept].tolist(), seen.world.digests[seen.missing].tolist()
    for parts in PARTS:
        found = {digest % parts for digest in kept}
        if len(found) == 1 and any(digest % parts not in found for digest in missing):
            cost = USUAL if len(kept) > 1 else RARE
            yield Proposal(replace(seen.conditions, sampled=(parts, found.pop())), cost, parts, parts)


def _definition(seen: Seen) -> Iterator[Proposal]:
    """The served declaration is another one, and its lists are the same."""
    if seen.label("definition_version") is not None and not seen.conditions.other_definition:
        yield Proposal(replace(seen.conditions, other_definition=True), USUAL)


CAUSES = (
    Cause("hash_seed", "form", "ids were hashed with another seed", _seed),
    Cause("hash_collision", "form", "ids were hashed into another space, where others collide", _space),
    Cause("padding_side", "form", "empty places are on the other side", _padding),
    Cause("sampling", "form", "a sample of the actions was kept", _sampling),
    Cause("definition_version", "form", "the sequence was made by another version of its declaration", _definition),
)
