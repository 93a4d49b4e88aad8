"""Features of the running session at request time, from the events of the last hours that a record keeps."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from srp_assets.errors import Unavailable
from srp_assets.features.aggregation.layout import additives_of
from srp_assets.features.aggregation.rows import Integers
from srp_assets.features.aggregation.sums import value_of
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Distinct, Last
from srp_assets.features.times import LONGEST_SESSION, SESSION_GAP
from srp_assets.online.answering.columns import Values, taken
from srp_assets.online.records.layout import FamilyRecords, SessionTerm, session_terms_of

GAP = SESSION_GAP // timedelta(microseconds=1)
LONGEST = LONGEST_SESSION // timedelta(microseconds=1)

FIRST_TERM = 2
"""The word of an entry in which the first term is; before it are its head and its time."""


class SessionPlan:
    """How the features of sessions of a family are computed."""

    def __init__(self, records: FamilyRecords, features: Sequence[Feature]) -> None:
        self._features = tuple(features)
        self._place = {term: place for place, term in enumerate(records.session_terms)}

    def answer(self, words: Integers, bounds: Integers, of_record: Integers, as_of: int) -> dict[str, Values]:
        """The features by name, as `FamilyRequest.answer` has them.

        Args:
            words: of all records.
            bounds: of each.
            of_record: the record of each candidate, or one for all; -1 for none.
            as_of: the time of the request.

        Raises:
            Unavailable: if a record is unreadable.
        """
        rows = [self._session(words, bounds, record, as_of) for record in range(len(bounds) - 1)]
        answers: dict[str, Values] = {}
        for feature in self._features:
            values = [self._value(feature, own) for own in rows]
            if feature.value_type == "text":
                answers[feature.name] = np.append(np.array(values, np.int64), 0)[of_record]
            else:
                answers[feature.name] = taken(np.array(values, np.float64), of_record)
        return answers

    def _session(self, words: Integers, bounds: Integers, record: int, as_of: int) -> Integers:
        """The words of the session's events, the newest first, shape (events, words)."""
        from srp_assets.online.records import kernels  # numba takes a second to import

        places = np.empty(max(1, (int(bounds[record + 1]) - int(bounds[record])) // FIRST_TERM), np.int64)
        count = kernels.session_places(words, bounds, record, as_of - LONGEST, as_of, places)
        if count < 0:
            raise Unavailable("a record is unreadable", where="the online store", remedy="srp online rebuild")
        found = places[:count]
        size_word = FIRST_TERM + len(self._place)
        times = words[found + 1]
        order = np.argsort(times, kind="stable")[::-1]
        if (np.diff(times[order]) == 0).any():
            # Only where times tie the ids say what is newer.
            ids = [_id_at(words, place + size_word) for place in found.tolist()]
            order = np.array(sorted(range(count), key=lambda event: (times[event], ids[event]), reverse=True), np.int64)
        later = np.concatenate([[as_of], times[order][:-1]])[:count]
        pauses = np.flatnonzero(later - times[order] > GAP)
        session = found[order[: pauses[0]]] if len(pauses) else found[order]
        return words[session[:, None] + np.arange(size_word)]

    def _value(self, feature: Feature, rows: Integers) -> float | int:
        """A feature of a session; NaN, or 0 of texts, where nothing counts."""
        declared: Any = feature.declared
        terms = session_terms_of(declared)
        if isinstance(declared, Distinct):
            digests = self._digests(rows, terms[0])
            return float(len(np.unique(digests[digests != 0]))) or math.nan
        if isinstance(declared, Last) and feature.value_type == "text":
            digests = self._digests(rows, terms[0])
            return int(digests[digests != 0][0]) if digests.any() else 0
        if isinstance(declared, Last):
            numbers = self._numbers(rows, terms[0])
            known = numbers[~np.isnan(numbers)]
            return float(known[0]) if len(known) else math.nan
        sums = [np.array([self._sum(rows, additive)]) for additive in additives_of(declared)]
        return float(value_of(declared, sums, np.bool_(True))[0])

    def _sum(self, rows: Integers, additive: Any) -> float:
        numbers = self._numbers(rows, SessionTerm(additive.filter, additive.column))
        known = numbers[~np.isnan(numbers)]
        return float(len(known)) if additive.part == "count" else math.fsum(known.tolist())

    def _digests(self, rows: Integers, term: SessionTerm) -> Integers:
        return rows[:, FIRST_TERM + self._place[term]]

    def _numbers(self, rows: Integers, term: SessionTerm) -> Any:
        return np.ascontiguousarray(self._digests(rows, term)).view(np.float64)


def _id_at(words: Integers, place: int) -> bytes:
    """An id, whose bytes the word at a place has."""
    size = int(words[place])
    return words[place + 1 : place + 1 + -(-size // 8)].tobytes()[:size]
