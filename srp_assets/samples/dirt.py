"""What befalls rows on their way into the warehouse: fates of good rows over two ingests, and rows that are broken.

Every row draws one fate. The first ingest brings the bulk; the second brings what came late. A row's newest version is the same whatever
its fate.
"""

import json
from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from srp_assets.samples.draws import Draws, Flags, Ids

MOVE_DAYS = 35
"""How far a moved row's publish time jumps: more than any month."""


class Fate(IntEnum):
    """What befalls a row; from `UPDATED` on it has an older version too."""

    PLAIN = 0
    LATE = 1
    """Comes in the second ingest alone."""
    REPEATED = 2
    """Comes twice in the first ingest."""
    REPEATED_LATE = 3
    """Comes in both ingests, the same."""
    UPDATED = 4
    """Comes with other texts and numbers first."""
    MOVED = 5
    """Comes with another publish time, texts and numbers first."""
    HIDDEN_AGAIN = 6
    """Is visible at first, then taken down."""
    STALE = 7
    """Its older version comes after its newest."""


_SHARES = {
    Fate.PLAIN: 0.91,
    Fate.LATE: 0.02,
    Fate.REPEATED: 0.01,
    Fate.REPEATED_LATE: 0.01,
    Fate.UPDATED: 0.02,
    Fate.MOVED: 0.01,
    Fate.HIDDEN_AGAIN: 0.01,
    Fate.STALE: 0.01,
}


def fates(draws: Draws, ids: Ids, *, may_hide: bool) -> Ids:
    """The fate of each row; rows that cannot be hidden are updated instead."""
    drawn = draws.choice("fate", ids, np.array(list(_SHARES.values())))
    return drawn if may_hide else np.where(drawn == Fate.HIDDEN_AGAIN, Fate.UPDATED, drawn)


def newest_comes(fate: Ids, ingest: int) -> Flags:
    """Which rows come with their newest version in an ingest (1 or 2)."""
    if ingest == 1:
        return ~np.isin(fate, (Fate.LATE, Fate.UPDATED, Fate.MOVED, Fate.HIDDEN_AGAIN))
    return np.isin(fate, (Fate.LATE, Fate.REPEATED_LATE, Fate.UPDATED, Fate.MOVED, Fate.HIDDEN_AGAIN))


def replaced_comes(fate: Ids, ingest: int) -> Flags:
    """Which rows come with their older version in an ingest (1 or 2)."""
    if ingest == 1:
        return np.isin(fate, (Fate.UPDATED, Fate.MOVED, Fate.HIDDEN_AGAIN))
    return np.asarray(fate == Fate.STALE)


def comes_again(fate: Ids, ingest: int) -> Flags:
    """Which rows come once more within an ingest (1 or 2)."""
    return np.asarray((fate == Fate.REPEATED) & (ingest == 1))


BROKEN_REASONS: dict[str, tuple[str, ...]] = {
    "post": (
        "malformed row",
        "missing key",
        "missing value: created_at",
        "missing value: user_id",
        "wrong type: like_count",
        "not an allowed value: risk_level",
        "time out of range: created_at",
    ),
    "comment": ("malformed row", "missing key", "missing value: user_id", "wrong type: like_count", "time out of range: created_at"),
    "user": ("malformed row", "missing key", "not an allowed value: age_group", "time out of range: created_at"),
}
"""In which ways a row may be broken, in the words with which landing rejects it."""

BROKEN_SHARE = 0.0005
BROKEN_FEWEST, BROKEN_MOST = 2, 200


def broken_count(rows: int) -> int:
    """How many rows of an entity with this many rows are broken in each way."""
    return min(max(int(rows * BROKEN_SHARE), BROKEN_FEWEST), BROKEN_MOST)


def broken_lines(rows: list[dict[str, object]], key: str, reasons: tuple[str, ...]) -> Iterator[str]:
    """JSON Lines of good rows that are broken, each in the way of its turn.

    Args:
        rows: good rows, with an id that nothing else has.
        key: the key column.
        reasons: the ways to break them, one after the other.
    """
    for number, row in enumerate(rows):
        yield _broken(dict(row), key, reasons[number % len(reasons)], number)


def _broken(row: dict[str, object], key: str, reason: str, number: int) -> str:
    if reason == "malformed row":
        return json.dumps(row, ensure_ascii=False)[:-20]
    fault, _, column = reason.partition(": ")
    if fault == "missing key":
        del row[key]
    elif fault == "missing value":
        row[column] = None
    elif fault == "wrong type":
        row[column] = "many"
    elif fault == "not an allowed value":
        row[column] = "unheard of"
    elif fault == "time out of range":
        row[column] = ("1924-02-29T00:00:00Z", "2924-02-29T00:00:00Z")[number % 2]
    else:
        raise ValueError(f"no way to break a row so that it is {reason!r}")
    return json.dumps(row, ensure_ascii=False)
