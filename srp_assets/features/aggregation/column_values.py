"""Features that speak of the values of a column: how many differ, how diverse they are, how far they moved, which ones lead."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.layout import Additive, additives_of
from srp_assets.features.aggregation.rows import Floats, Integers, additive_values, encoded, numbers
from srp_assets.features.aggregation.sums import Inputs, weights_of
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Distinct, Entropy, Shift, Top

Window = tuple[int, int | None]
"""Days, and the half-life if there is one."""


def value_features(inputs: Inputs, features: Sequence[Feature]) -> dict[str, Any]:
    """The features by name, of all requests: float64 with NaN where there is no value; of rankings an Arrow array of lists.

    The values are those of the last key of the table, the entity is that of the other keys.
    """
    by_additive: dict[Additive, list[Feature]] = {}
    for feature in features:
        by_additive.setdefault(_additive(feature), []).append(feature)
    if not by_additive:
        return {}
    slots = _Slots(inputs)
    found: dict[str, Any] = {}
    for additive, own in by_additive.items():
        found |= _features_of(inputs, slots, additive, own)
    return found


def _additive(feature: Feature) -> Additive:
    declared: Any = feature.declared
    return additives_of(declared)[0]


def _windows_of(feature: Feature) -> tuple[Window, Window]:
    """The window of a feature, and the one that it is compared with."""
    declared = feature.declared
    assert isinstance(feature.window, int)
    own = (feature.window, declared.half_life_days if isinstance(declared, Top) else None)
    return own, ((declared.compared_days, None) if isinstance(declared, Shift) else own)


class _Slots:
    """The values that each key has in history or tail, in the order of the texts: each is a slot of the key."""

    def __init__(self, inputs: Inputs) -> None:
        column, walk = inputs.table.keys[-1], inputs.walk
        history = inputs.partials[column].take(pa.array(walk.history_places))
        tail = inputs.tail.table[column].take(pa.array(walk.tail_places))
        (before, later), self.texts = encoded([history, tail])
        self.known_before, self.known_later = before >= 0, later >= 0
        keys = np.concatenate([walk.history_key, walk.tail_key])
        values = np.concatenate([before, later])
        pairs, places = np.unique(keys * (len(self.texts) + 1) + values + 1, return_inverse=True)
        self.values = pairs % (len(self.texts) + 1) - 1
        self.first = np.searchsorted(pairs, np.arange(walk.keys + 1) * (len(self.texts) + 1))
        self.sizes = np.diff(self.first)
        slots = np.ascontiguousarray(places.astype(np.int64) - self.first[keys])
        self.before, self.later = slots[: len(before)], slots[len(before) :]

    def texts_of(self, key: Integers, chosen: Integers) -> Any:
        """Lists of texts.

        Args:
            key: shape (requests,).
            chosen: slots of the keys, -1 for none, shape (requests, size).
        """
        exists = chosen >= 0
        places = (self.first[key][:, None] + chosen)[exists]
        offsets = np.concatenate([[0], np.cumsum(exists.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self.texts.take(pa.array(self.values[places])))


def _features_of(inputs: Inputs, slots: _Slots, additive: Additive, features: Sequence[Feature]) -> dict[str, Any]:
    from srp_assets.features.aggregation import kernels  # numba takes a second to import

    walk = inputs.walk
    kinds = {Distinct: kernels.DISTINCT, Entropy: kernels.ENTROPY, Shift: kernels.SHIFT, Top: kernels.TOP}
    windows = list(dict.fromkeys(window for feature in features for window in _windows_of(feature)))
    half_lives = sorted({half_life for _, half_life in windows if half_life})
    sizes = [feature.declared.size if isinstance(feature.declared, Top) else 0 for feature in features]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    before = numbers(inputs.partials[additive.name].take(pa.array(walk.history_places))) * slots.known_before
    later = additive_values(inputs.tail.table.take(pa.array(walk.tail_places)), [additive])[:, 0] * slots.known_later
    found = np.full((len(walk.key), len(features)), np.nan)
    leading = np.full((len(walk.key), int(starts[-1])), -1, np.int64)
    kernels.values_of_columns(
        walk.requests,
        (walk.history_key, walk.history_day, walk.history_known, slots.before, before),
        (walk.tail_key, walk.tail_day, walk.tail_known, walk.tail_time, slots.later, later),
        slots.sizes,
        (np.array([days for days, _ in windows]), np.array([half_lives.index(found) if found else -1 for _, found in windows])),
        weights_of(half_lives, max(days for days, _ in windows)),
        (
            np.array([kinds[type(feature.declared)] for feature in features]),
            np.array([windows.index(_windows_of(feature)[0]) for feature in features]),
            np.array([windows.index(_windows_of(feature)[1]) for feature in features]),
            np.array(sizes),
            starts[:-1],
        ),
        found,
        leading,
    )
    values: dict[str, Any] = {}
    for place, feature in enumerate(features):
        if isinstance(feature.declared, Top):
            own = leading[:, starts[place] : starts[place + 1]]
            values[feature.name] = _lists_of_all(inputs, slots.texts_of(walk.key, own), own)
        else:
            values[feature.name] = _of_all(inputs, found[:, place])
    return values


def _of_all(inputs: Inputs, own: Floats) -> Floats:
    values = np.full(len(inputs.walk.has_key), np.nan)
    values[inputs.walk.places] = own
    return values


def _lists_of_all(inputs: Inputs, own: Any, chosen: Integers) -> Any:
    places = np.zeros(len(inputs.walk.has_key), np.int64)
    places[inputs.walk.places] = np.arange(len(own))
    missing = np.ones(len(places), bool)
    missing[inputs.walk.places] = (chosen < 0).all(axis=1)
    return own.take(pa.array(places, mask=missing))
