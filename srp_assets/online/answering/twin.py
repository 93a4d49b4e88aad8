"""The online twin: all features of a request with its candidates, from the store, in one round trip.

A store that is down, or whose answer cannot be read, costs nobody an exception: what could not be computed is answered by its declared
default and named in the answer. After a failure the store is left alone for a moment, so that not every request waits for a time-out.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from srp_assets.errors import SrpError, Unavailable
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import rank_key
from srp_assets.online.answering.columns import Columns, Request, Values, check_request
from srp_assets.online.answering.derived import default_column, derived_features, with_default
from srp_assets.online.answering.family import FamilyPlan, FamilyRequest, family_plan
from srp_assets.online.attributes import Attributes, attributes_of
from srp_assets.online.records.layout import RecordLayout
from srp_assets.online.store import Found, Pointer, Position, Store

REST_SECONDS = 1.0
"""How long a store that failed is left alone: a request waits at most one time-out in this time."""

MOST_TEXTS = 1_000_000
"""Texts that a process remembers before it begins anew."""


@dataclass(frozen=True)
class Answer:
    """The features of a request.

    Args:
        request: what was asked.
        values: by feature, in the order of the definitions; a value for all candidates or one each.
        defaulted: features that were answered by their defaults because the store could not be asked.
        position: how far the stream had been read; None where nobody could tell.
        problem: what was wrong with the store, if anything was.
    """

    request: Request
    values: Mapping[str, Values]
    defaulted: frozenset[str]
    position: Position | None
    problem: str | None = None


@dataclass
class _Known:
    """What a process keeps of a generation."""

    pointer: Pointer
    attributes: Attributes
    texts: dict[int, str] = field(default_factory=dict)


class Twin:
    """Answers requests from a store.

    Args:
        store: where from.
        layout: of the definitions that the store has records for.
        selected: the features that are served, where not all of them are asked for.
        clock: seconds that only go forward.
    """

    def __init__(
        self, store: Store, layout: RecordLayout, selected: Definitions | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._layout = layout
        self._clock = clock
        self.definitions = selected or layout.definitions
        plans = [family_plan(self.definitions, family) for family in layout.families]
        self._plans: list[FamilyPlan] = [plan for plan in plans if plan is not None]
        self._known: _Known | None = None
        self._no_attributes = Attributes(self.definitions, {})
        self._rests_until = float("-inf")

    def answer(self, request: Request) -> Answer:
        """All features of a request.

        Raises:
            InvalidInput: if the request itself is wrong; whatever else happens, there is an answer.
        """
        check_request(self.definitions, request)
        if not request.size:
            features = self.definitions.features.items()
            return Answer(request, {name: default_column(feature)[:0] for name, feature in features}, frozenset(), None)
        problem = "the store failed a moment ago"
        if self._clock() >= self._rests_until:
            try:
                return self._from_store(request)
            except SrpError as error:
                problem = str(error)
                self._rests_until = self._clock() + REST_SECONDS
        return self._by_defaults(request, problem)

    def _from_store(self, request: Request) -> Answer:
        known = self._known or self._meet()
        columns = Columns(self.definitions, request, known.attributes)
        asked, found = self._ask(known, columns)
        if found.pointer != known.pointer:
            # Another generation, or other attributes, count since the last request.
            known = self._meet()
            columns = Columns(self.definitions, request, known.attributes)
            asked, found = self._ask(known, columns)
        values: dict[str, Values] = {}
        start = 0
        for family in asked:
            end = start + len(family.keys)
            values |= family.answer(found.values[start:end])
            start = end
        self._name_texts(known, values)
        features = self.definitions.features
        aggregated = {name: with_default(features[name], own) for name, own in values.items()}
        all_values, _ = derived_features(self.definitions.derived, aggregated, columns, frozenset())
        return Answer(request, self._in_order(all_values), frozenset(), found.position)

    def _ask(self, known: _Known, columns: Columns) -> tuple[list[FamilyRequest], Found]:
        asked = [FamilyRequest(plan, columns) for plan in self._plans]
        keys = [key for family in asked for key in family.keys]
        return asked, self._store.read(known.pointer, keys)

    def _meet(self) -> _Known:
        """Gets to know the generation that counts.

        Raises:
            Unavailable: if there is none, or it is of other definitions.
        """
        pointer = self._store.pointer()
        if pointer is None:
            raise Unavailable("nothing was loaded yet", where="the online store", remedy="srp online rebuild")
        if difference := self._layout.difference(pointer.records):
            raise Unavailable(f"the store holds {difference}", where="the online store", remedy="srp online rebuild")
        attributes = attributes_of(self.definitions, self._store.attributes(pointer, list(self.definitions.attributes)))
        self._known = _Known(pointer, attributes)
        return self._known

    def _name_texts(self, known: _Known, values: dict[str, Values]) -> None:
        """Puts texts in the place of their digests; one more round trip where one is new to this process."""
        features = [feature for feature in self.definitions.aggregated if feature.value_type in ("text", "texts")]
        needed: set[int] = set()
        for feature in features:
            if feature.value_type == "text":
                needed.update(values[feature.name].tolist())
            else:
                needed.update(digest for ranking in values[feature.name] if ranking for digest, _ in ranking)
        needed.discard(0)
        new = [digest for digest in needed if digest not in known.texts]
        if len(known.texts) > MOST_TEXTS:
            known.texts.clear()
            new = list(needed)
        known.texts.update(self._store.texts(known.pointer, new))
        missing = needed - known.texts.keys()
        if missing:
            raise Unavailable("the store lacks texts that its records name", where="the online store", remedy="srp online rebuild")
        for feature in features:
            if feature.value_type == "text":
                values[feature.name] = [known.texts[digest] if digest else None for digest in values[feature.name].tolist()]
            else:
                size = getattr(feature.declared, "size", 0)
                values[feature.name] = [_leading(ranking, known.texts, size) for ranking in values[feature.name]]

    def _by_defaults(self, request: Request, problem: str) -> Answer:
        """What can be answered without the store."""
        attributes = self._known.attributes if self._known else self._no_attributes
        columns = Columns(self.definitions, request, attributes)
        aggregated = {feature.name: default_column(feature) for feature in self.definitions.aggregated}
        unknown = set(aggregated)
        if self._known is None:
            # Attributes come from the store: what reads one is as unknown as what is counted.
            unknown |= {name for source in self.definitions.attributes.values() for name in source.columns}
        values, missing = derived_features(self.definitions.derived, aggregated, columns, frozenset(unknown))
        return Answer(request, self._in_order(values), missing & self.definitions.features.keys(), None, problem)

    def _in_order(self, values: Mapping[str, Values]) -> dict[str, Values]:
        return {name: values[name] for name in self.definitions.features}


def _leading(ranking: Any, texts: Mapping[int, str], size: int) -> tuple[str, ...] | None:
    """The texts with the greatest scores, the smaller text first among equal ones."""
    if ranking is None:
        return None
    ordered = sorted(((-float(rank_key(score)), texts[digest]) for digest, score in ranking))
    return tuple(text for _, text in ordered[:size])


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """The features of each candidate, one dictionary each; times as microseconds since 1970, null as None."""
    size = answer.request.size
    columns: dict[str, list[Any]] = {}
    for name, values in answer.values.items():
        listed = values if isinstance(values, list) else [None if value != value else value for value in values.tolist()]
        columns[name] = listed if len(listed) == size else listed * size
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
