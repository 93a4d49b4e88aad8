"""Features of the session that leads to a request, from raw rows: sessions are short and exact in time, so nothing is summed up before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Additive, additives_of
from srp_assets.features.aggregation.rows import (
    Flags,
    Floats,
    Integers,
    additive_values,
    arrival_order,
    combined,
    counted,
    encoded,
    integers,
)
from srp_assets.features.aggregation.sums import value_of
from srp_assets.features.aggregation.walk import Asked, Timed
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Count, Distinct, Last, Mean, Rate, Sum
from srp_assets.features.times import LONGEST_SESSION, SESSION_GAP

GAP = SESSION_GAP // timedelta(microseconds=1)
LONGEST = LONGEST_SESSION // timedelta(microseconds=1)


def session_features(asked: Asked, rows: Timed, features: Sequence[Feature]) -> dict[str, Any]:
    """The features by name, of all requests: float64 with NaN where there is no value, or an Arrow array.

    Args:
        asked: the requests, with `user_id`.
        rows: events of at least the 24 hours before each.
        features: whose window is the session.
    """
    if not features:
        return {}
    (codes, of_rows) = encoded([asked.table["user_id"], rows.table["user_id"]])[0]
    request, own = combined([[codes, of_rows]])
    has_key = request >= 0
    present = np.zeros(max(request.max(initial=-1), own.max(initial=-1)) + 2, bool)
    present[request[has_key]] = True
    kept = np.flatnonzero((own >= 0) & present[own])
    table = rows.table.take(pa.array(kept))
    place_in_time = arrival_order(table["event_time"], table["event_id"])
    order = np.lexsort((place_in_time, own[kept]))
    table, kept = table.take(pa.array(order)), kept[order]
    places = np.flatnonzero(has_key)
    places = places[np.lexsort((asked.time[places], request[places]))]
    walk = _Sessions(
        requests=(request[places], asked.time[places]),
        rows=(own[kept], integers(table["event_time"]), rows.known_time[kept]),
        table=table,
        places=places,
        has_key=has_key,
    )
    return walk.summed(features) | walk.newest(features) | walk.distinct(features)


@dataclass(frozen=True)
class _Sessions:
    """Requests (user, time) and rows (user, event time, known time), sorted; `places` are the requests that have a user, among all."""

    requests: tuple[Integers, Integers]
    rows: tuple[Integers, Integers, Integers]
    table: pa.Table
    places: Integers
    has_key: Flags

    def _sums(self, values: Floats) -> tuple[Floats, Integers]:
        """Sums and newest rows of all requests, shape (requests, columns)."""
        from srp_assets.features.aggregation.kernels import session_sums  # numba takes a second to import

        shape = (len(self.places), values.shape[1])
        found, newest = np.zeros(shape), np.full(shape, -1, np.int64)
        session_sums(self.requests, self.rows, np.ascontiguousarray(values), GAP, LONGEST, found, newest)
        sums, rows = np.zeros((len(self.has_key), shape[1])), np.full((len(self.has_key), shape[1]), -1, np.int64)
        sums[self.places], rows[self.places] = found, newest
        return sums, rows

    def summed(self, features: Sequence[Feature]) -> dict[str, Any]:
        """Counts, sums, means and rates."""
        own = [feature for feature in features if isinstance(feature.declared, Count | Sum | Mean | Rate)]
        additives: list[Additive] = list(dict.fromkeys(found for feature in own for found in additives_of(_declared(feature))))
        if not additives:
            return {}
        sums, _ = self._sums(additive_values(self.table, additives))
        by_additive = dict(zip(additives, sums.T, strict=True))
        return {
            feature.name: value_of(feature.declared, [by_additive[found] for found in additives_of(_declared(feature))], self.has_key)
            for feature in own
        }

    def newest(self, features: Sequence[Feature]) -> dict[str, Any]:
        """Newest values."""
        own = [feature for feature in features if isinstance(feature.declared, Last)]
        if not own:
            return {}
        masks = [self._counts(_declared(feature)) for feature in own]
        _, rows = self._sums(np.stack(masks, axis=1).astype(np.float64))
        return {
            feature.name: self.table[_declared(feature).column].take(pa.array(rows[:, place], mask=rows[:, place] < 0))
            for place, feature in enumerate(own)
        }

    def _counts(self, declared: Any) -> Flags:
        return counted(self.table, declared.event) & np.asarray(pc.is_valid(self.table[declared.column]))

    def distinct(self, features: Sequence[Feature]) -> dict[str, Any]:
        """How many values differ."""
        from srp_assets.features.aggregation.kernels import session_distinct

        found: dict[str, Any] = {}
        for feature in features:
            declared = feature.declared
            if isinstance(declared, Distinct):
                (codes,), texts = encoded([self.table[declared.column]])
                codes = np.where(counted(self.table, declared.event), codes, -1)
                numbers = np.zeros(len(self.places))
                session_distinct(self.requests, self.rows, codes, GAP, LONGEST, np.full(len(texts), -1, np.int64), numbers)
                values = np.full(len(self.has_key), np.nan)
                values[self.places] = np.where(numbers > 0, numbers, np.nan)
                found[feature.name] = values
        return found


def _declared(feature: Feature) -> Any:
    return feature.declared
