"""Which rows are the first arrival of their event, and which stored rows they beat (contract 5), for all events at once in numpy."""

from dataclasses import dataclass

import numpy as np

from srp_assets.warehouse.key_index import Versions, group_numbers


@dataclass(frozen=True)
class FirstArrivals:
    """What becomes of some rows.

    Args:
        stored: bool, a row each: the first arrival of its event so far, or else a duplicate.
        beaten_rows: int64, the places of stored rows whose event had landed before and arrived later then.
        beaten: the versions that those rows beat, one each.
    """

    stored: np.ndarray
    beaten_rows: np.ndarray
    beaten: Versions


def first_arrivals(rows: Versions, landed: Versions) -> FirstArrivals:
    """Settles rows of one ingest against what landed before.

    Of the rows of one event the one with the least (arrival, row hash) counts. It beats what landed before only if it arrived earlier:
    of two that arrived at the same time the one that landed first stays.

    Args:
        rows: `updated` is the arrival in microseconds; the row hash is needed where several rows have one key.
        landed: versions from the index; of other keys they do no harm.
    """
    count = len(rows)
    groups = group_numbers(np.concatenate([rows.key_high, landed.key_high]), np.concatenate([rows.key_low, landed.key_low]))
    row_groups, landed_groups = groups[:count], groups[count:]
    first = _first_of_each(rows, row_groups, len(groups))
    known = _first_of_each(landed, landed_groups, len(groups))

    has_row, is_known = first >= 0, known >= 0
    both = np.flatnonzero(has_row & is_known)
    earlier = rows.updated[first[both]] < landed.updated[known[both]]
    stored = np.zeros(count, bool)
    stored[first[has_row & ~is_known]] = True
    stored[first[both[earlier]]] = True
    return FirstArrivals(stored, first[both[earlier]], landed.take(known[both[earlier]]))


def repeated(key_high: np.ndarray, key_low: np.ndarray) -> np.ndarray:
    """Which rows have a key that another row has too."""
    groups = group_numbers(key_high, key_low)
    return np.asarray(np.bincount(groups)[groups] > 1) if len(groups) else np.zeros(0, bool)


def _first_of_each(versions: Versions, groups: np.ndarray, count: int) -> np.ndarray:
    """The place of the first arrival of each group, -1 for a group that has none."""
    places = np.full(count, -1)
    order = versions.by_order(groups)
    first = np.ones(len(order), bool)
    first[1:] = groups[order][1:] != groups[order][:-1]
    places[groups[order][first]] = order[first]
    return places
