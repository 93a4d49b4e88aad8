"""Sequences at request time: the user's portrait from the store, and both searches over it for all candidates.

A user's actions are prepared once in a process and then grow with what is appended to the portrait (`search/index.py`). A store that is
down costs nobody an exception: the sequences are empty then, and the answer says why.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.errors import SrpError, Unavailable
from srp_assets.features.aggregation.rows import Integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.attributes import table_of
from srp_assets.online.records.digests import digest_of
from srp_assets.online.store import Pointer, Position, Store, portrait_key
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.index import PortraitIndex
from srp_assets.sequences.search.requests import candidate_codes, seen
from srp_assets.sequences.search.searching import Finals, SearchVectors

REST_SECONDS = 1.0
"""How long a store that failed is left alone."""

MOST_PORTRAITS = 2_000
"""Portraits that a process keeps prepared; of full ones some gigabytes. The longest unused leave first."""

USER = "user_id"


@dataclass(frozen=True)
class Searched:
    """What one sequence is for a request: places in the portrait's index, the newest first."""

    general: Integers
    finals: Finals


@dataclass(frozen=True)
class SequenceAnswer:
    """The sequences of a request.

    Args:
        request: what was asked.
        index: the user's actions; None where there are none, or the store could not be asked.
        portrait: places in the index.
        sequences: by name.
        dictionary_version: of the attributes that counted.
        snapshot_day: the full snapshot that the store began from, if it began with one.
        position: how far the stream had been read.
        problem: what was wrong with the store, if anything was.
    """

    request: Request
    index: PortraitIndex | None
    portrait: Integers
    sequences: Mapping[str, Searched]
    dictionary_version: str
    snapshot_day: date | None
    position: Position | None
    problem: str | None = None


@dataclass
class _Known:
    """What a process keeps of a generation."""

    pointer: Pointer
    attributes: AttributeIndex
    portraits: dict[str, PortraitIndex] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)


class SequenceTwin:
    """Answers requests with sequences from a store.

    Args:
        store: where from.
        definitions: of the features beside which sequences are declared.
        document: what is declared.
        vectors: of items, for soft searches.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        document: Document,
        vectors: SearchVectors | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._vectors = vectors
        self._clock = clock
        self._known: _Known | None = None
        self._rests_until = float("-inf")
        self.document = document

    @property
    def embedding_version(self) -> str | None:
        """Of the vectors that soft searches take."""
        return self._vectors.version if self._vectors else None

    def answer(self, request: Request) -> SequenceAnswer:
        """The sequences of a request; whatever happens to the store, there is an answer."""
        problem = "the store failed a moment ago"
        if self._clock() >= self._rests_until:
            try:
                return self._from_store(request)
            except SrpError as error:
                problem = str(error)
                self._rests_until = self._clock() + REST_SECONDS
        attributes = self._known.attributes if self._known else AttributeIndex(self._definitions, {})
        nothing = np.zeros(0, np.int64)
        finals = Finals(nothing, np.zeros(request.size + 1, np.int64), np.zeros(0))
        empty = {sequence.name: Searched(nothing, finals) for sequence in self.document.sequences}
        return SequenceAnswer(request, None, nothing, empty, attributes.dictionary_version(request.day), None, None, problem)

    def _from_store(self, request: Request) -> SequenceAnswer:
        known = self._known or self._meet()
        user = request.context.get(USER)
        keys = [] if user is None else [portrait_key(user)]
        found = self._store.read(known.pointer, keys)
        if found.pointer != known.pointer:
            # Another generation, or other attributes, count since the last request.
            known = self._meet()
            found = self._store.read(known.pointer, keys)
        data = found.values[0] if keys else None
        index = self._index(known, user or "", data or b"")
        portrait = seen(self.document.portrait, index.order, index.ages, index.arrival_time, request.as_of)
        given = _given(request)
        sequences = {}
        for prepared in index.sequences:
            general = prepared.general(portrait, request.as_of)
            codes = candidate_codes(prepared.sequence, known.attributes, given, request.day)
            sequences[prepared.sequence.name] = Searched(general, prepared.final(general, request.as_of, codes))
        day = date.fromisoformat(known.pointer.day) if known.pointer.day else None
        version = known.attributes.dictionary_version(request.day)
        return SequenceAnswer(request, index, portrait, sequences, version, day, found.position)

    def _index(self, known: _Known, user: str, data: bytes) -> PortraitIndex:
        index = known.portraits.pop(user, None)
        if index is None:
            index = PortraitIndex(self.document, known.attributes, self._vectors)
        try:
            index.take(data)
        except ValueError as error:
            raise Unavailable("a portrait is unreadable", where="the online store", remedy="srp online rebuild") from error
        if len(known.portraits) >= MOST_PORTRAITS:
            del known.portraits[next(iter(known.portraits))]
        known.portraits[user] = index
        return index

    def new_index(self) -> PortraitIndex:
        """An index without actions, of the generation that counts.

        Raises:
            Unavailable: if there is none.
        """
        return PortraitIndex(self.document, (self._known or self._meet()).attributes, self._vectors)

    def forget_portraits(self) -> None:
        """Drops the indexes of this process, for who needs its memory."""
        if self._known is not None:
            self._known.portraits.clear()

    def _meet(self) -> _Known:
        """Gets to know the generation that counts.

        Raises:
            Unavailable: if there is none, or its attributes are unreadable.
        """
        pointer = self._store.pointer()
        if pointer is None:
            raise Unavailable("nothing was loaded yet", where="the online store", remedy="srp online rebuild")
        data = self._store.attributes(pointer, list(self._definitions.attributes))
        try:
            attributes = AttributeIndex(self._definitions, {name: table_of(own) for name, own in data.items()})
        except (pa.ArrowException, KeyError) as error:
            raise Unavailable("the attributes are unreadable", where="the online store", remedy="srp online rebuild") from error
        self._known = _Known(pointer, attributes)
        return self._known

    def texts(self, digests: Integers) -> dict[int, str]:
        """The texts of digests that portraits name.

        Raises:
            Unavailable: if the store does not know one, or does not answer.
        """
        known = self._known or self._meet()
        needed = set(digests.tolist()) - {0}
        known.texts.update(self._store.texts(known.pointer, [digest for digest in needed if digest not in known.texts]))
        missing = needed - known.texts.keys()
        if missing:
            raise Unavailable("the store lacks texts that its portraits name", where="the online store", remedy="srp online rebuild")
        return {digest: known.texts[digest] for digest in needed}


def _given(request: Request) -> Callable[[str], Integers]:
    """The digests of a column of candidates, or of what holds for all of them."""
    known: dict[str, Integers] = {}

    def given(name: str) -> Integers:
        if name not in known:
            values: Any = request.candidates.get(name, (request.context.get(name),))
            digests = np.array([0 if value is None else digest_of(value) for value in values], np.int64)
            known[name] = digests if name in request.candidates else np.full(request.size, digests[0])
        return known[name]

    return given
