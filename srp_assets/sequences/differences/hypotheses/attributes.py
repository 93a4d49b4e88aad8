"""Causes by which items were described otherwise, and by which vectors were others."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.declaration import SoftSearch
from srp_assets.sequences.differences.hypotheses.base import USUAL, Cause, Proposal, Seen

MOST_DAYS = 14
"""Older dictionaries that are tried."""


def _searches_differ(seen: Seen) -> bool:
    return seen.is_same_history and any(
        not np.array_equal(seen.made[key]["event_id"], seen.case.served[key]["event_id"]) for key in seen.asked.keys
    )


def _categories_differ(seen: Seen) -> bool:
    own, other = seen.common
    return bool((seen.served_actions["category"][own] != seen.made_actions["category"][other]).any())


def _changed_since(seen: Seen) -> Iterator[Proposal]:
    """Actions are described as their items are on the day of the request."""
    if seen.conditions.attribute_day == "event" and _categories_differ(seen):
        yield Proposal(replace(seen.conditions, attribute_day="request"), USUAL)


def _dictionary(seen: Seen) -> Iterator[Proposal]:
    """Items are described as they were some days ago."""
    said = seen.label("dictionary_version")
    if seen.conditions.dictionary_day is not None or not (said or _categories_differ(seen) or _searches_differ(seen)):
        return
    days = seen.world.change_days
    for day in days[days <= seen.asked.day][:MOST_DAYS].tolist():
        cost = USUAL - 0.5 if said else USUAL + 0.5
        yield Proposal(replace(seen.conditions, dictionary_day=day - 1), cost, seen.asked.day - day + 1, seen.asked.day - day + 1)


def _vectors(seen: Seen) -> Iterator[Proposal]:
    """Scores are products of the vectors of another version."""
    if seen.conditions.embedding_version is not None:
        return
    if not any(isinstance(sequence.final, SoftSearch) for sequence in seen.world.document.sequences):
        return
    said = seen.label("embedding_version")
    if said is None and not seen.is_same_history:
        return
    for version in seen.world.vectors if said is None else (said[0],):
        if version is not None and version in seen.world.vectors and version != seen.asked.context.get("embedding_version"):
            yield Proposal(replace(seen.conditions, embedding_version=version), USUAL if said else USUAL + 0.5)


CAUSES = (
    Cause("attribute_changed", "attributes", "actions were described as their items are now, not as they were", _changed_since),
    Cause("dictionary_version", "attributes", "an older dictionary described the items", _dictionary),
    Cause("embedding_version", "embeddings", "scores are from the vectors of another version", _vectors),
)
