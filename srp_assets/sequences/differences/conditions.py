"""Under which conditions a side made its sequences: what a hypothesis changes.

The defaults are what the declaration and the contracts say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tie = Literal["id_descending", "id_ascending", "arrival_descending", "arrival_ascending"]


@dataclass(frozen=True)
class Copy:
    """An action that stands in a sequence once more: under which id, of which action, and when it arrived."""

    shown: int
    original: int
    arrival_time: int


@dataclass(frozen=True)
class Conditions:
    """What may have been otherwise. Times are microseconds since 1970, texts are codes of the chunk's vocabulary.

    Args:
        user: whose actions were taken, if not those of the request's user.
        added: places in the log of actions that were taken although they are another user's.
        copies: actions that stand in the sequence once more.
        removed: actions that never came.
        until: the first time at which nothing counts any more, if not the request's.
        known_before: what arrived from then on was not there yet, if that is not the request's time.
        unknown_between: what arrived in these spans was not there.
        most_lateness: actions that came later after they happened were not taken.
        since: what happened before was not kept.
        time_shift: added to the time of every action.
        arrival_shift: added to its arrival.
        window_shift: by how much the days of the window begin later than in UTC.
        sampled: the part of the actions that was kept: (parts, part), by the hash of the id.
        order_column: by which the newest is found.
        tie: how equal times are ordered.
        lengths: of stages, by (sequence, stage); the portrait has no sequence.
        ignored_conditions: which tests of the general search were not made, by sequence.
        left_out_kinds: kinds that portraits were made without.
        unsearched_kinds: kinds that a general search left out, by sequence.
        ignores_items: whether items were taken that the search leaves out.
        session_gap: gap in minutes that ends a session, if another one than is declared.
        session_gap_ends: whether exactly the gap ends a session.
        attribute_day: whether actions are described as on their day, or as on the day of the request.
        dictionary_day: the newest day (since 1970) that attributes are known of.
        embedding_version: of the vectors that scores are from.
        score_ties: how equal scores are ordered: the newest or the oldest first.
        missed: actions that a search overlooked, by (sequence, candidate).
        ignores_decay: whether age was left out of scores.
        factors: by which numbers were multiplied, by column.
        narrow: columns that were kept in float32.
        defaults: what stood in the place of null, by column.
        nulls: values that became null, by column.
        defaulted: what stood in the place of the values of some items, by column.
        padding_side: where empty places were.
        seed: of the hash of ids.
        hash_space: of the hash of ids.
        other_definition: whether the declaration was another one, without effect on these lists.
    """

    user: int | None = None
    added: tuple[int, ...] = ()
    copies: tuple[Copy, ...] = ()
    removed: frozenset[int] = frozenset()
    until: int | None = None
    known_before: int | None = None
    unknown_between: tuple[tuple[int, int], ...] = ()
    most_lateness: int | None = None
    since: int | None = None
    time_shift: int = 0
    arrival_shift: int = 0
    window_shift: int = 0
    sampled: tuple[int, int] | None = None
    order_column: Literal["event_time", "arrival_time"] = "event_time"
    tie: Tie = "id_descending"
    lengths: Mapping[tuple[str | None, str], int] = field(default_factory=dict)
    ignored_conditions: Mapping[str, frozenset[int]] = field(default_factory=dict)
    left_out_kinds: frozenset[int] = frozenset()
    unsearched_kinds: Mapping[str, frozenset[int]] = field(default_factory=dict)
    ignores_items: bool = False
    session_gap: int | None = None
    session_gap_ends: bool = False
    attribute_day: Literal["event", "request"] = "event"
    dictionary_day: int | None = None
    embedding_version: str | None = None
    score_ties: Literal["newest", "oldest"] = "newest"
    missed: Mapping[tuple[str, int], frozenset[int]] = field(default_factory=dict)
    ignores_decay: bool = False
    factors: Mapping[str, float] = field(default_factory=dict)
    narrow: frozenset[str] = frozenset()
    defaults: Mapping[str, float] = field(default_factory=dict)
    nulls: Mapping[str, float] = field(default_factory=dict)
    defaulted: Mapping[str, tuple[float, frozenset[int]]] = field(default_factory=dict)
    padding_side: str | None = None
    seed: int | None = None
    hash_space: int | None = None
    other_definition: bool = False


AS_DECLARED = Conditions()
