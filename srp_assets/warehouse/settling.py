"""Which landed rows become versions: rule 4 and 5 of `reference.py`, for all keys at once, in numpy."""

from dataclasses import dataclass

import numpy as np

from srp_assets.warehouse.key_index import Versions, concatenated, group_numbers


@dataclass(frozen=True)
class Settled:
    """What becomes of some rows.

    Args:
        stored: bool, a row each: stored, or else a duplicate.
        tombstone_rows: int64, for each tombstone the place of a row with its key.
        tombstone_ordinals: int64, the period that each tombstone lies in.
        tombstone_newest: the newest versions that the tombstones tell of.
    """

    stored: np.ndarray
    tombstone_rows: np.ndarray
    tombstone_ordinals: np.ndarray
    tombstone_newest: Versions


def settle(rows: Versions, landed: Versions) -> Settled:
    """Settles rows against the landed versions of their keys (versions of other keys do no harm).

    Rows of one key that landed at different times (pending ones that are resolved now) are settled one landing after the other.
    """
    count = len(rows)
    groups = group_numbers(np.concatenate([rows.key_high, landed.key_high]), np.concatenate([rows.key_low, landed.key_low]))
    stored, decided = _plain_cases(rows, landed, groups)
    left = np.flatnonzero(~decided)
    rounds = _landing_ranks(groups[left], rows.landed[left])
    compared = np.zeros(len(groups), bool)
    compared[groups[left]] = True
    places_known = np.flatnonzero(compared[groups[count:]])
    known, known_groups = _without_root(landed).take(places_known), groups[count:][places_known]
    tombstones: list[tuple[np.ndarray, np.ndarray, Versions]] = []
    for round_ in range(int(rounds.max(initial=-1)) + 1):
        places = left[rounds == round_]
        batch = rows.take(places)
        chosen, leaving = _settle_together(batch, groups[places], known, known_groups)
        stored[places[chosen]] = True
        known = concatenated([_without_root(known), _without_root(batch.take(np.flatnonzero(chosen)))])
        known_groups = np.concatenate([known_groups, groups[places[chosen]]])
        tombstones.append((places[leaving.rows], leaving.ordinals, leaving.newest))
    if not tombstones:
        nothing = np.zeros(0, np.int64)
        return Settled(stored, nothing, nothing, _without_root(rows).take(nothing))
    return Settled(
        stored,
        np.concatenate([places for places, _, _ in tombstones]),
        np.concatenate([ordinals for _, ordinals, _ in tombstones]),
        concatenated([newest for _, _, newest in tombstones]),
    )


@dataclass(frozen=True)
class _Leaving:
    rows: np.ndarray
    ordinals: np.ndarray
    newest: Versions


def _without_root(versions: Versions) -> Versions:
    return Versions(
        versions.key_high, versions.key_low, versions.updated, versions.landed, versions.hash_high, versions.hash_low, versions.ordinal
    )


def _plain_cases(rows: Versions, landed: Versions, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are stored, and which are decided, of keys with one row: new keys, and keys with one version that the row equals.

    They are nearly all rows of a first dump, and of a dump that comes again.
    """
    count = len(rows)
    row_groups, landed_groups = groups[:count], groups[count:]
    row_counts = np.bincount(row_groups, minlength=len(groups))
    landed_counts = np.bincount(landed_groups, minlength=len(groups))
    is_new = (row_counts[row_groups] == 1) & (landed_counts[row_groups] == 0)
    decided = is_new.copy()
    pairs = np.flatnonzero((row_counts[row_groups] == 1) & (landed_counts[row_groups] == 1))
    if len(pairs):
        version_of = np.zeros(len(groups), np.int64)
        version_of[landed_groups] = np.arange(len(landed))
        versions = version_of[row_groups[pairs]]
        equal = (rows.hash_high[pairs] == landed.hash_high[versions]) & (rows.hash_low[pairs] == landed.hash_low[versions])
        decided[pairs[equal]] = True
    return is_new, decided


def _landing_ranks(groups: np.ndarray, landed: np.ndarray) -> np.ndarray:
    """For each row, how many earlier landings brought rows of its key."""
    ranks = np.zeros(len(groups), np.int64)
    if len(groups) == 0 or (landed == landed[0]).all():
        return ranks
    order = np.lexsort((landed, groups))
    same_key = groups[order][1:] == groups[order][:-1]
    later = same_key & (landed[order][1:] != landed[order][:-1])
    steps = np.concatenate([[0], np.cumsum(later)])
    first = np.concatenate([[True], ~same_key])
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    ranks[order] = steps - steps[start]
    return ranks


def _settle_together(batch: Versions, groups: np.ndarray, known: Versions, known_groups: np.ndarray) -> tuple[np.ndarray, _Leaving]:
    """Settles rows of one landing; both groupings number keys alike."""
    keys, group = np.unique(groups, return_inverse=True)
    known_group = np.searchsorted(keys, known_groups)
    inside = np.isin(known_groups, keys)
    known, known_group = known.take(np.flatnonzero(inside)), known_group[inside]

    winner = _greatest(batch, group, len(keys))
    newest = _greatest(known, known_group, len(keys))
    has_newest = newest >= 0
    is_winner = np.zeros(len(batch), bool)
    is_winner[winner] = True
    is_new_content = _first_of_content(batch, group, is_winner, known, known_group)

    # Versions are compared by their rank in one order over all of them.
    together = concatenated([batch, known])
    rank = np.empty(len(together), np.int64)
    rank[together.by_order(np.zeros(len(together), np.int64))] = np.arange(len(together))
    newest_rank = np.where(has_newest, rank[len(batch) :][newest] if len(known) else -1, -1)
    row_rank = rank[: len(batch)]

    above = np.zeros(len(keys), bool)
    np.logical_or.at(above, group, is_new_content & ~is_winner & (row_rank > newest_rank[group]))
    differs = ~has_newest
    if len(known):
        differs |= (batch.hash_high[winner] != known.hash_high[newest]) | (batch.hash_low[winner] != known.hash_low[newest])
    wins = (row_rank[winner] > newest_rank) & (differs | above)
    stored = is_new_content.copy()
    stored[winner[wins]] = True

    becomes = stored[winner] & (row_rank[winner] > newest_rank)
    place = np.where(becomes, winner, len(batch) + newest)
    final = together.take(place)
    left_group = np.concatenate([group[stored], np.flatnonzero(becomes & has_newest)])
    left_ordinal = batch.ordinal[stored]
    if len(known):
        left_ordinal = np.concatenate([left_ordinal, known.ordinal[newest[becomes & has_newest]]])
    elsewhere = left_ordinal != final.ordinal[left_group]
    pairs = np.unique(np.stack([left_group[elsewhere], left_ordinal[elsewhere]]), axis=1)
    return stored, _Leaving(winner[pairs[0]], pairs[1], final.take(pairs[0]))


def _greatest(versions: Versions, group: np.ndarray, groups: int) -> np.ndarray:
    """The place of the greatest version of each group, -1 for a group that has none."""
    places = np.full(groups, -1)
    order = versions.by_order(group)
    last = np.ones(len(order), bool)
    last[:-1] = group[order][1:] != group[order][:-1]
    places[group[order][last]] = order[last]
    return places


def _first_of_content(batch: Versions, group: np.ndarray, is_winner: np.ndarray, known: Versions, known_group: np.ndarray) -> np.ndarray:
    """Whether a row is the first of its content: nothing equal has landed or stands before it (in the batch the winner comes first)."""
    groups = np.concatenate([known_group, group])
    high = np.concatenate([known.hash_high, batch.hash_high])
    low = np.concatenate([known.hash_low, batch.hash_low])
    precedence = np.concatenate([np.zeros(len(known), np.int64), np.where(is_winner, 1, 2)])
    order = np.lexsort((precedence, low, high, groups))
    first = np.ones(len(order), bool)
    first[1:] = (groups[order][1:] != groups[order][:-1]) | (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    is_first = np.empty(len(order), bool)
    is_first[order] = first
    return is_first[len(known) :]
