"""Makes the sequences of one request again under given conditions: the funnel of `reference.py`, with every turn that can go wrong.

Under `AS_DECLARED` it gives what the offline flow gives, which is checked for every trace before any hypothesis is tried on it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.sequences.declaration import Condition, GeneralSearch, HardSearch, Hashing, Preference, Sequence, SoftSearch
from srp_assets.sequences.differences.coding import NO_TIME, NONE, Column, Integers, Listed
from srp_assets.sequences.differences.conditions import Conditions, Copy
from srp_assets.sequences.differences.world import STAGE_NAMES, World
from srp_assets.sequences.search.hashing import hashed_digests

MINUTE = 60_000_000
CATEGORY = "category"

Key = tuple[str | None, str, int]
"""Sequence, stage and the code of the candidate (-1 for none)."""

Made = Mapping[Key, Listed]
"""The lists of rows by their keys."""


@dataclass(frozen=True)
class Asked:
    """A request.

    Args:
        user: code.
        as_of: microseconds since 1970.
        keys: the rows of stage tables that it has.
        context: codes or numbers of its columns.
    """

    user: int
    as_of: int
    keys: tuple[Key, ...]
    context: Mapping[str, Any]

    @property
    def day(self) -> int:
        """Its day, since 1970."""
        return self.as_of // MICROSECONDS_OF_DAY


class Replayed(Mapping[Key, Listed]):
    """The lists of every row of a request, each made when it is first asked for: most conditions are refuted by the first rows.

    Args:
        world: what they are made from.
        asked: the request.
        conditions: under which they are made.
    """

    def __init__(self, world: World, asked: Asked, conditions: Conditions) -> None:
        self._world, self._asked, self._conditions = world, asked, conditions
        self._made: dict[Key, Listed] = {}
        self._searched: dict[str, Searched] = {}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._asked.keys)

    def __len__(self) -> int:
        return len(self._asked.keys)

    def __getitem__(self, key: Key) -> Listed:
        if key not in self._made:
            self._made[key] = self._row(*key)
        return self._made[key]

    @cached_property
    def _portrait(self) -> dict[str, Column]:
        return _portrait(self._world, self._asked, self._conditions)

    def _row(self, name: str | None, stage: str, candidate: int) -> Listed:
        if name is None:
            return _shown(self._world, self._portrait, None, None, self._conditions)
        if name not in self._searched:
            sequence = self._world.document.named(name)
            actions = _general(self._world, self._asked, sequence, self._portrait, self._conditions)
            self._searched[name] = Searched(self._world, self._asked, sequence, actions, self._conditions)
        searched = self._searched[name]
        if stage == "general":
            return _shown(self._world, searched.actions, searched.sequence, None, self._conditions)
        found, scores = searched.final(candidate)
        return _shown(self._world, found, searched.sequence, scores, self._conditions)


def _portrait(world: World, asked: Asked, conditions: Conditions) -> dict[str, Column]:
    declared = world.document.portrait
    places = world.of_user(asked.user if conditions.user is None else conditions.user)
    if conditions.added:
        places = np.concatenate([places, np.array(conditions.added, np.int64)])
    actions = {name: column[places] for name, column in world.actions.items()}
    if conditions.copies:
        actions = _with_copies(actions, conditions.copies)
    happened, arrived = actions["event_time"] + conditions.time_shift, actions["arrival_time"] + conditions.arrival_shift
    first = (asked.day - declared.days) * MICROSECONDS_OF_DAY + conditions.window_shift
    until = asked.as_of if conditions.until is None else conditions.until
    counts = (happened < until) & (happened >= first)
    if declared.clock == "as_arrived" or conditions.known_before is not None:
        counts &= arrived < (until if conditions.known_before is None else conditions.known_before)
    for begin, end in conditions.unknown_between:
        counts &= (arrived < begin) | (arrived >= end)
    if conditions.most_lateness is not None:
        counts &= arrived - actions["event_time"] <= conditions.most_lateness
    if conditions.since is not None:
        counts &= happened >= conditions.since
    if conditions.left_out_kinds:
        counts &= ~np.isin(actions["kind"], list(conditions.left_out_kinds))
    if conditions.removed:
        counts &= ~np.isin(actions["event_id"], list(conditions.removed))
    if conditions.sampled is not None:
        counts &= is_kept(world, actions["event_id"], conditions.sampled)
    found = {name: column[counts] for name, column in actions.items()}
    found["event_time"], found["arrival_time"] = happened[counts], arrived[counts]
    found = _ordered(found, conditions)
    length = conditions.lengths.get((None, "portrait"), declared.length)
    return _with_numbers(_described(world, asked, {name: column[:length] for name, column in found.items()}, conditions), conditions)


def _with_copies(actions: Mapping[str, Column], copies: tuple[Copy, ...]) -> dict[str, Column]:
    """The actions and, once more, those that are repeated, under the ids that they are repeated by."""
    place_of = {code: place for place, code in enumerate(actions["event_id"].tolist())}
    known = [copy for copy in copies if copy.original in place_of]
    places = np.array([place_of[copy.original] for copy in known], np.int64)
    both = {name: np.concatenate([column, column[places]]) for name, column in actions.items()}
    both["event_id"] = np.concatenate([actions["event_id"], np.array([copy.shown for copy in known], np.int64)])
    both["arrival_time"] = np.concatenate([actions["arrival_time"], np.array([copy.arrival_time for copy in known], np.int64)])
    return both


def is_kept(world: World, events: Integers, sampled: tuple[int, int]) -> Any:
    """Which actions a sample by the hash of ids keeps."""
    parts, part = sampled
    return world.digests[events] % parts == part


def _ordered(actions: dict[str, Column], conditions: Conditions) -> dict[str, Column]:
    """Newest first."""
    ties = {
        "id_descending": actions["event_id"],
        "id_ascending": -actions["event_id"],
        "arrival_descending": actions["arrival_time"],
        "arrival_ascending": -actions["arrival_time"],
    }
    order = np.lexsort((actions["event_id"], ties[conditions.tie], actions[conditions.order_column]))[::-1]
    return {name: column[order] for name, column in actions.items()}


def _described(world: World, asked: Asked, actions: dict[str, Column], conditions: Conditions) -> dict[str, Column]:
    """Actions with the category of their items."""
    if CATEGORY in actions and not (
        conditions.time_shift or conditions.attribute_day == "request" or conditions.dictionary_day is not None
    ):
        return actions
    days = actions["event_time"] // MICROSECONDS_OF_DAY
    category = world.attribute(CATEGORY, actions["item_id"], _days(asked, days, conditions))
    return actions if category is None else actions | {CATEGORY: category}


def _with_numbers(actions: dict[str, Column], conditions: Conditions) -> dict[str, Column]:
    """Actions in the units that they were kept in."""
    return actions | {name: actions[name] * factor for name, factor in conditions.factors.items()}


def _days(asked: Asked, days: Integers, conditions: Conditions) -> Integers:
    if conditions.attribute_day == "request":
        days = np.full(len(days), asked.day)
    return days if conditions.dictionary_day is None else np.minimum(days, conditions.dictionary_day)


def _general(world: World, asked: Asked, sequence: Sequence, actions: dict[str, Column], conditions: Conditions) -> dict[str, Column]:
    declared: GeneralSearch = sequence.general
    ignored = conditions.ignored_conditions.get(sequence.name, frozenset())
    unsearched = conditions.unsearched_kinds.get(sequence.name)
    passes = ~np.isin(actions["kind"], list(unsearched)) if unsearched else np.ones(len(actions["kind"]), bool)
    for number, condition in enumerate(declared.where):
        if number not in ignored:
            passes &= _tested(world, condition, _column(world, asked, actions, condition.column, conditions))
    if not conditions.ignores_items:
        for condition in declared.items:
            today = np.full(len(passes), asked.day)
            passes &= _tested(world, condition, _attribute(world, asked, actions["item_id"], today, condition.column, conditions))
    if declared.session is not None:
        # Whose order is that of arrival takes arrivals for times; what leaked from the future is of the running session.
        running = _running(asked, np.minimum(actions[conditions.order_column], asked.as_of), declared.session.gap_minutes, conditions)
        passes &= running if declared.session.keep == "running" else ~running
    rows = np.flatnonzero(passes)
    length = conditions.lengths.get((sequence.name, "general"), declared.length)
    if len(rows) > length:
        ranks = [_preferred(world, p, _column(world, asked, actions, p.column, conditions)[rows]) for p in declared.order]
        rows = np.sort(rows[np.lexsort((np.arange(len(rows)), *ranks[::-1]))[:length]])
    return {name: column[rows] for name, column in actions.items()}


def _running(asked: Asked, times: Integers, gap_minutes: int, conditions: Conditions) -> Any:
    """Which actions, newest first, are of the session that the request is in."""
    gap = (conditions.session_gap or gap_minutes) * MINUTE
    gaps = -np.diff(times, prepend=asked.as_of)
    ends = gaps >= gap if conditions.session_gap_ends else gaps > gap
    return np.cumsum(ends) == 0


def _column(world: World, asked: Asked, actions: Mapping[str, Column], name: str, conditions: Conditions) -> Column:
    own = STAGE_NAMES.get(name, name)
    if own in actions:
        return actions[own]
    return _attribute(
        world, asked, actions["item_id"], _days(asked, actions["event_time"] // MICROSECONDS_OF_DAY, conditions), name, conditions
    )


def _attribute(world: World, asked: Asked, items: Integers, days: Integers, name: str, conditions: Conditions) -> Column:
    found = world.attribute(name, items, days if conditions.dictionary_day is None else np.minimum(days, conditions.dictionary_day))
    return np.full(len(items), NONE) if found is None else found


def _tested(world: World, condition: Condition, column: Column) -> Any:
    is_number = column.dtype.kind == "f"
    known = ~np.isnan(column) if is_number else column != NONE
    if condition.test in ("is_null", "is_not_null"):
        return ~known if condition.test == "is_null" else known
    if condition.test in ("in", "not_in"):
        among = np.isin(column, [world.vocabulary.code(value) for value in condition.values]) & known
        return among if condition.test == "in" else ~among
    with np.errstate(invalid="ignore"):
        return known & (column >= condition.value if condition.test == "at_least" else column < condition.value)


def _preferred(world: World, preference: Preference, column: Column) -> Column:
    """The rank of each action: smaller comes first."""
    if preference.values:
        rank = np.full(len(column), len(preference.values))
        for place, value in enumerate(preference.values):
            rank[(column == world.vocabulary.code(value)) & (column != NONE)] = place
        return rank
    return np.where(np.isnan(column), np.inf, -column if preference.first == "largest" else column)


class Searched:
    """A sequence after its general search: what its final searches ask of the same actions again and again.

    Args:
        world: what searches need.
        asked: the request.
        sequence: the declaration.
        actions: that the general search took.
        conditions: under which it is searched.
    """

    def __init__(self, world: World, asked: Asked, sequence: Sequence, actions: dict[str, Column], conditions: Conditions) -> None:
        self._world, self._asked, self._conditions = world, asked, conditions
        self.sequence, self.actions = sequence, actions

    def final(self, candidate: int) -> tuple[dict[str, Column], Column]:
        """The actions that are taken for a candidate, and their scores."""
        conditions, name = self._conditions, self.sequence.name
        found, scores, rank = (self._hard if isinstance(self.sequence.final, HardSearch) else self._soft)(candidate)
        if missed := conditions.missed.get((name, candidate)):
            found = found & ~np.isin(self.actions["event_id"], list(missed))
        rows = np.flatnonzero(found)
        length = conditions.lengths.get((name, "final"), self.sequence.final.length)
        if len(rows) > length:
            oldest = isinstance(self.sequence.final, SoftSearch) and conditions.score_ties == "oldest"
            rows = np.sort(rows[np.lexsort((-rows if oldest else rows, rank[rows]))[:length]])
        return {column: values[rows] for column, values in self.actions.items()}, scores[rows]

    @cached_property
    def _ages(self) -> Integers:
        return self._asked.day - self.actions["event_time"] // MICROSECONDS_OF_DAY

    @property
    def _half_life(self) -> int | None:
        return None if self._conditions.ignores_decay else self.sequence.final.half_life_days

    @cached_property
    def _agreeing(self) -> list[tuple[str, Column]]:
        """The columns that a hard search compares, the first one last."""
        names = self.sequence.final.attributes if isinstance(self.sequence.final, HardSearch) else ()
        return [(name, _column(self._world, self._asked, self.actions, name, self._conditions)) for name in reversed(names)]

    def _hard(self, candidate: int) -> tuple[Any, Column, Column]:
        """What a hard search may take, its scores, and its ranks, the smallest first."""
        count, attributes = len(self._ages), len(self._agreeing)
        classes = np.full(count, attributes)
        for place, (name, own) in enumerate(self._agreeing, start=1):
            wanted = _of_candidate(self._world, self._asked, name, candidate, self._conditions)
            classes[(own == wanted) & (own != NONE)] = attributes - place
        fills = isinstance(self.sequence.final, HardSearch) and self.sequence.final.fill
        found = np.ones(count, bool) if fills else classes < attributes
        if self._half_life is None:
            return found, np.full(count, np.nan), classes
        scores = (attributes - classes) * decay_weights(self._ages, self._half_life)
        return found, scores, -scores

    @cached_property
    def _vectors(self) -> tuple[Integers, Any, Any]:
        """The place of the vector of each code, the matrix, and the vectors of the actions."""
        version = self._conditions.embedding_version or self._asked.context.get("embedding_version")
        places, matrix = self._world.vectors.get(version or "", (np.zeros(0, np.int64), np.zeros((1, 1), np.float32)))
        own = np.append(places, NONE)[np.clip(self.actions["item_id"], NONE, len(places))]
        return places, matrix, (own, matrix[own].astype(np.float64).T)

    def _soft(self, candidate: int) -> tuple[Any, Column, Column]:
        """The same of a soft search."""
        places, matrix, (own, vectors) = self._vectors
        its = places[candidate] if 0 <= candidate < len(places) else NONE
        if its < 0:
            return np.zeros(len(own), bool), np.full(len(own), np.nan), np.zeros(len(own))
        # Added in their order, as `reference.py` does: another order rounds otherwise, and ties would break otherwise.
        scores = np.zeros(len(own))
        for left, right in zip(vectors, matrix[its].tolist(), strict=True):
            scores += left * right
        if self._half_life is not None:
            scores = scores - math.log(2) / self._half_life * self._ages
        return own >= 0, scores, -scores


def decay_weights(age_days: Integers, half_life_days: int) -> Column:
    """The weights of contract 10: whole half-lives are exact halves, as in `features/times.py`."""
    halves, rest = np.divmod(age_days, half_life_days)
    return 2.0 ** (-rest / half_life_days) / 2.0**halves


def _of_candidate(world: World, asked: Asked, name: str, candidate: int, conditions: Conditions) -> Any:
    if name == "item_id":
        return candidate
    found = world.of_item(name, candidate, _today(asked, conditions))
    return asked.context.get(name, NONE) if found is None else found


def _today(asked: Asked, conditions: Conditions) -> int:
    return asked.day if conditions.dictionary_day is None else min(asked.day, conditions.dictionary_day)


def _shown(world: World, actions: Mapping[str, Column], sequence: Sequence | None, scores: Column | None, conditions: Conditions) -> Listed:
    """The lists as they stand in a stage table."""
    count = len(actions["event_time"])
    shown = dict(actions.items())
    shown["score"] = np.full(count, np.nan) if scores is None else scores
    shown["bucket"] = buckets_of(world, actions["item_id"], sequence, conditions)
    for name, default in conditions.defaults.items():
        shown[name] = np.where(np.isnan(shown[name]), default, shown[name])
    for name, value in conditions.nulls.items():
        shown[name] = np.where(shown[name] == value, np.nan, shown[name])
    for name, (value, items) in conditions.defaulted.items():
        shown[name] = np.where(np.isin(actions["item_id"], list(items)), value, shown[name])
    for name in conditions.narrow:
        shown[name] = shown[name].astype(np.float32).astype(np.float64)
    return shown


def buckets_of(world: World, items: Integers, sequence: Sequence | None, conditions: Conditions) -> Integers:
    """The hashed ids of items as a sequence has them."""
    if sequence is None or sequence.hashing is None:
        return np.full(len(items), NO_TIME)
    space = sequence.hashing.space if conditions.hash_space is None else conditions.hash_space
    seed = sequence.hashing.seed if conditions.seed is None else conditions.seed
    return hashed_digests(np.append(world.digests, 0)[items], Hashing(space=space, seed=seed))
