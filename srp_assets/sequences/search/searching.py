"""The two searches of sequences over columns of actions: one function for the plans in Spark and for the online side.

Actions are named by their places in columns, always the newest first. What follows from an action alone is prepared once for all requests
that search it: which conditions it passes, how much it is preferred, the codes of its attributes.
"""

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Ordered
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.aggregation.rows import Flags, Floats, Integers
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.times import MICROSECONDS_OF_DAY, days_of, decay_weight
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.declaration import Condition, HardSearch, Preference, Sequence, SoftSearch
from srp_assets.sequences.search.attributes import ITEM, AttributeIndex, SourceIndex, digests_of
from srp_assets.sequences.search.described import Described
from srp_assets.sequences.search.signatures import LOOKED_AT, signatures_of

MICROSECONDS_OF_MINUTE = 60_000_000

Types = Mapping[str, ValueType]
Texts = Callable[[str], Integers]
Numbers = Callable[[str], Floats]
"""A column by its name."""


class SearchVectors:
    """Vectors of items, found by the digests of their ids."""

    def __init__(self, vectors: ItemVectors) -> None:
        self.version = vectors.version
        self.matrix = np.ascontiguousarray(vectors.vectors, np.float32)
        digests = digests_of(vectors.ids)
        self._order = np.argsort(digests)
        self._digests = digests[self._order]

    def places(self, items: Integers) -> Integers:
        """The rows of items; -1 for those without a vector."""
        if not len(self._digests):
            return np.full(len(items), -1, np.int64)
        found = np.minimum(np.searchsorted(self._digests, items), len(self._digests) - 1)
        return np.where(self._digests[found] == items, self._order[found], -1)

    @cached_property
    def signatures(self) -> npt.NDArray[np.uint64]:
        """Of all vectors."""
        return signatures_of(self.matrix)


@dataclass(frozen=True)
class Finals:
    """What the final search found for the candidates of a request.

    Args:
        rows: places of actions in their columns, one candidate after the other, each the newest first.
        offsets: where those of each candidate begin, shape (candidates + 1,).
        scores: one for each of `rows`; NaN where the search has none.
    """

    rows: Integers
    offsets: Integers
    scores: Floats


class PreparedSequence:
    """A sequence over columns of actions.

    Args:
        sequence: its declaration.
        actions: all actions that are going to be searched, of any users.
        vectors: of items; needed by a soft search, which finds nothing without.
    """

    def __init__(self, sequence: Sequence, actions: Described, vectors: SearchVectors | None) -> None:
        self.sequence = sequence
        self._actions = actions
        self._vectors = vectors
        search = sequence.general
        types = actions.attributes.types
        self._passes = _all_hold(search.where, types, actions.texts, actions.numbers, len(actions))
        self._preferences = [_preferred(own, actions) for own in search.order]
        self._items = _item_conditions(search.items, actions.attributes)
        attributes = sequence.final.attributes if isinstance(sequence.final, HardSearch) else ()
        self._codes = np.array([actions.texts(name) for name in attributes], np.int64).reshape(len(attributes), len(actions))
        is_soft = isinstance(sequence.final, SoftSearch) and vectors is not None
        self._places = vectors.places(actions.texts(ITEM)) if is_soft and vectors is not None else np.zeros(0, np.int64)

    @property
    def size(self) -> int:
        """Bytes of what is prepared, beside the columns themselves."""
        return sum(own.nbytes for own in (self._passes, *self._preferences, self._codes, self._places))

    def extended(self, more: "PreparedSequence", actions: Described) -> "PreparedSequence":
        """These actions and others after them; nothing is prepared again.

        Args:
            more: the others, prepared for the same sequence.
            actions: all of them.
        """
        both = copy(self)
        both._actions = actions
        both._passes = np.concatenate([self._passes, more._passes])
        pairs = zip(self._preferences, more._preferences, strict=True)
        both._preferences = [np.concatenate(pair) for pair in pairs]
        both._codes = np.ascontiguousarray(np.concatenate([self._codes, more._codes], axis=1))
        both._places = np.concatenate([self._places, more._places])
        return both

    def general(self, portrait: Integers, as_of: int) -> Integers:
        """What the general search takes of a portrait: places, the newest first.

        Args:
            portrait: places of the newest actions of the user, the newest first.
            as_of: microseconds.
        """
        search = self.sequence.general
        rows = portrait
        if search.session is not None:
            border = _session_border(self._actions.event_time[rows], as_of, search.session.gap_minutes)
            rows = rows[:border] if search.session.keep == "running" else rows[border:]
        rows = rows[self._passes[rows]]
        for source, holds in self._items:
            rows = rows[holds[source.rows(self._actions.texts(ITEM)[rows], as_of // MICROSECONDS_OF_DAY)]]
        if len(rows) <= search.length:
            return rows
        if self._preferences:
            keys = [own[rows] for own in reversed(self._preferences)]
            return rows[np.sort(np.lexsort(keys)[: search.length])]
        return rows[: search.length]

    def final(self, rows: Integers, as_of: int, candidates: Integers) -> Finals:
        """What the final search takes of a general sequence for each candidate.

        Args:
            rows: of the general sequence.
            as_of: microseconds.
            candidates: of a hard search their codes, shape (attributes, candidates); of a soft one the digests of their ids, (candidates,).
        """
        from srp_assets.sequences.search.kernels import hard_search, soft_search  # numba takes a second to import

        search = self.sequence.final
        size = candidates.shape[-1]
        found = np.empty((size, min(search.length, len(rows))), np.int64)
        scores = np.empty(found.shape)
        counts = np.zeros(size, np.int64)
        ages = as_of // MICROSECONDS_OF_DAY - days_of(self._actions.event_time[rows])
        if isinstance(search, HardSearch):
            hard_search(self._codes, rows, candidates, _weights(search, ages), search.fill, found, scores, counts)
        elif self._vectors is not None:
            vectors = self._vectors
            signatures = vectors.signatures if search.approximate else np.empty(0, np.uint64)
            nearest = LOOKED_AT * search.length if search.approximate else 0
            penalties = np.zeros(len(rows)) if search.half_life_days is None else log(2) / search.half_life_days * ages
            wanted = vectors.places(candidates)
            soft_search(vectors.matrix, rows, self._places, wanted, penalties, signatures, nearest, found, scores, counts)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        filled = np.arange(found.shape[1]) < counts[:, None]
        is_scored = isinstance(search, SoftSearch) or search.half_life_days is not None
        return Finals(rows[found[filled]], offsets, scores[filled] if is_scored else np.full(int(offsets[-1]), np.nan))


def _weights(search: HardSearch, ages: Integers) -> Floats:
    if search.half_life_days is None or not len(ages):
        return np.ones(len(ages))
    # The oldest is the last one; as many days as a power of two, so that few requests need others.
    return _weights_by_age(search.half_life_days, 1 << int(ages[-1]).bit_length())[ages]


@lru_cache(maxsize=256)
def _weights_by_age(half_life_days: int, ages: int) -> Floats:
    return np.array([decay_weight(age, half_life_days) for age in range(ages)])


def _session_border(times: Integers, as_of: int, gap_minutes: int) -> int:
    """How many of the newest actions are of the session that is running."""
    gaps = np.concatenate([[as_of], times[:-1]]) - times if len(times) else times
    ended = gaps > gap_minutes * MICROSECONDS_OF_MINUTE
    return int(ended.argmax()) if ended.any() else len(times)


def _all_hold(conditions: Ordered[Condition], types: Types, texts: Texts, numbers: Numbers, size: int) -> Flags:
    found = np.ones(size, np.bool_)
    for condition in conditions:
        found &= _holds(condition, types[condition.column] == "number", texts, numbers)
    return found


def _holds(condition: Condition, is_number: bool, texts: Texts, numbers: Numbers) -> Flags:
    name = condition.column
    if condition.test in ("in", "not_in"):
        own = texts(name)
        among = np.zeros(len(own), np.bool_)
        for value in condition.values:
            among |= own == digest_of(value)
        return among if condition.test == "in" else ~among
    if condition.value is not None:
        values = numbers(name)
        # A comparison with NaN is false, as that with null is.
        return values >= condition.value if condition.test == "at_least" else values < condition.value
    is_null: Flags = np.isnan(numbers(name)) if is_number else texts(name) == 0
    return is_null if condition.test == "is_null" else ~is_null


def _preferred(preference: Preference, actions: Described) -> Floats:
    """Where a preference puts each action: less is sooner."""
    if not preference.values:
        values = actions.numbers(preference.column)
        return np.where(np.isnan(values), np.inf, -values if preference.first == "largest" else values)
    texts = actions.texts(preference.column)
    found = np.full(len(actions), np.inf)
    for place, value in enumerate(preference.values):
        found[texts == digest_of(value)] = place
    return found


def _item_conditions(conditions: Ordered[Condition], attributes: AttributeIndex) -> list[tuple[SourceIndex, Flags]]:
    """Of each source, which of its rows (and after them: no row) pass the conditions on it."""
    by_source: dict[int, tuple[SourceIndex, list[Condition]]] = {}
    for condition in conditions:
        source = attributes.source_of(condition.column)
        assert source is not None
        by_source.setdefault(id(source), (source, []))[1].append(condition)
    return [
        (source, _all_hold(own, attributes.types, source.texts.__getitem__, source.numbers.__getitem__, source.size + 1))
        for source, own in by_source.values()
    ]
