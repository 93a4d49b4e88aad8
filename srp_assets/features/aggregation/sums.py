"""Features that follow from sums: counts, sums, means, rates, decayed sums; and the newest values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Accumulator, Newest, PartialTable, additives_of
from srp_assets.features.aggregation.partials import REST
from srp_assets.features.aggregation.rows import Floats, Integers, additive_values, arrival_order, counted, numbers
from srp_assets.features.aggregation.walk import Timed, Walk
from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Count, DecayedSum, Last, Mean, Rate, Sum
from srp_assets.features.times import decay_weight


@dataclass(frozen=True)
class Inputs:
    """What a table's features are computed from."""

    table: PartialTable
    partials: pa.Table
    tail: Timed
    walk: Walk


def accumulators_of(feature: Feature) -> tuple[Accumulator, ...]:
    """What a feature sums: for a decayed sum also how many events count, without decay."""
    declared = feature.declared
    assert isinstance(feature.window, int)
    if isinstance(declared, DecayedSum):
        additives = additives_of(declared)
        return Accumulator(additives[0], feature.window), Accumulator(additives[-1], feature.window, declared.half_life_days)
    if isinstance(declared, Count | Sum | Mean | Rate):
        return tuple(Accumulator(additive, feature.window) for additive in additives_of(declared))
    return ()


def weights_of(half_lives: Sequence[int], longest: int) -> Floats:
    """The weight of each age, shape (half-lives, longest + 1)."""
    weights = [[decay_weight(age, half_life) for age in range(longest + 1)] for half_life in half_lives]
    return np.array(weights, dtype=np.float64).reshape(len(half_lives), longest + 1)


def summed_features(inputs: Inputs, features: Sequence[Feature]) -> dict[str, Floats]:
    """Features that follow from sums, by name: of all requests, NaN where there is no value."""
    accumulators = list(dict.fromkeys(accumulator for feature in features for accumulator in accumulators_of(feature)))
    if not accumulators:
        return {}
    sums = dict(zip(accumulators, _accumulated(inputs, accumulators).T, strict=True))
    return {
        feature.name: value_of(feature.declared, [sums[found] for found in accumulators_of(feature)], inputs.walk.has_key)
        for feature in features
    }


def value_of(declared: Any, sums: Sequence[Floats], has_key: Any) -> Floats:
    """The values of a feature from its sums; NaN where nothing counts.

    Args:
        declared: a count, sum, mean, rate or decayed sum.
        sums: in the order of `accumulators_of`, each of shape (requests,).
        has_key: whether a request has the entity at all, shape (requests,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(declared, Rate):
            prior, strength = (declared.smoothing.prior, declared.smoothing.strength) if declared.smoothing else (0.0, 0.0)
            trials = sums[1] + strength
            return np.where(has_key & (trials > 0), (sums[0] + prior * strength) / trials, np.nan)
        found = sums[1] / sums[0] if isinstance(declared, Mean) else sums[-1]
        return np.where(sums[0] > 0, found, np.nan)


def _accumulated(inputs: Inputs, accumulators: Sequence[Accumulator]) -> Floats:
    """Sums of all requests, shape (requests, accumulators)."""
    from srp_assets.features.aggregation.kernels import additive_sums  # numba takes a second to import

    walk = inputs.walk
    additives = list(dict.fromkeys(accumulator.additive for accumulator in accumulators))
    half_lives = sorted({accumulator.half_life_days for accumulator in accumulators if accumulator.half_life_days})
    longest = max(accumulator.window_days for accumulator in accumulators)
    history = inputs.partials.select([name for additive in additives for name in _columns(additive)]).take(pa.array(walk.history_places))
    high = np.zeros((len(walk.history_places), len(additives)))
    low = np.zeros_like(high)
    for place, additive in enumerate(additives):
        high[:, place] = numbers(history[additive.name])
        if additive.part == "sum":
            low[:, place] = numbers(history[additive.name + REST])
    later = additive_values(inputs.tail.table.take(pa.array(walk.tail_places)), additives)
    found = np.zeros((len(walk.key), len(accumulators)))
    additive_sums(
        walk.requests,
        (walk.history_key, walk.history_day, walk.history_known, high, low),
        (walk.tail_key, walk.tail_day, walk.tail_known, walk.tail_time, later),
        (
            np.array([additives.index(accumulator.additive) for accumulator in accumulators]),
            np.array([accumulator.window_days for accumulator in accumulators]),
            np.array([half_lives.index(found.half_life_days) if found.half_life_days else -1 for found in accumulators]),
        ),
        weights_of(half_lives, longest),
        found,
    )
    sums = np.zeros((len(walk.has_key), len(accumulators)))
    sums[walk.places] = found
    return sums


def _columns(additive: Any) -> tuple[str, ...]:
    return (additive.name, additive.name + REST) if additive.part == "sum" else (additive.name,)


def newest_features(inputs: Inputs, features: Sequence[Feature]) -> dict[str, Any]:
    """The newest values, by name of their features: Arrow arrays of all requests, null where there is none."""
    found: dict[str, Any] = {}
    for newest in inputs.table.newest:
        own = [feature for feature in features if isinstance(feature.declared, Last) and _newest_of(feature.declared) == newest]
        if own:
            found |= _newest_features(inputs, newest, own)
    return found


def _newest_of(declared: Last) -> Newest:
    return Newest(declared.event, declared.column)


def _newest_features(inputs: Inputs, newest: Newest, features: Sequence[Feature]) -> dict[str, Any]:
    from srp_assets.features.aggregation.kernels import newest_rows

    walk = inputs.walk
    names = [newest.name, f"{newest.name}_time", f"{newest.name}_id"]
    history = inputs.partials.select(names).take(pa.array(walk.history_places))
    tail = inputs.tail.table.take(pa.array(walk.tail_places))
    counts_before = np.asarray(pc.is_valid(history[names[2]]))
    counts_later = counted(tail, newest.filter) & np.asarray(pc.is_valid(tail[newest.column]))
    order = _order(history, names, counts_before, tail, counts_later)
    windows = [feature.window for feature in features if isinstance(feature.window, int)]
    chosen = np.full(len(walk.key), -1, np.int64)
    newest_rows(
        walk.requests,
        (walk.history_key, walk.history_day, walk.history_known, order[: len(walk.history_key)]),
        (walk.tail_key, walk.tail_day, walk.tail_known, walk.tail_time, order[len(walk.history_key) :]),
        max(windows),
        chosen,
    )
    row = np.full(len(walk.has_key), -1, np.int64)
    row[walk.places] = chosen
    age = np.full(len(walk.has_key), np.iinfo(np.int64).max)
    days = np.concatenate([walk.history_day, walk.tail_day])
    if len(days):
        age[walk.places] = np.where(chosen >= 0, walk.day - days[chosen], age[walk.places])
    values = pa.chunked_array([*history[newest.name].chunks, *tail[newest.column].chunks], type=history[newest.name].type)
    return {feature.name: values.take(pa.array(row, mask=(row < 0) | (age > feature.window))) for feature in features}


def _order(history: pa.Table, names: Sequence[str], counts_before: Any, tail: pa.Table, counts_later: Any) -> Integers:
    """The place in time of each row of history and then of the tail; negative for rows that do not count."""
    mask = np.concatenate([counts_before, counts_later])
    before, later = pa.array(counts_before), pa.array(counts_later)
    times = [*history[names[1]].filter(before).chunks, *tail["event_time"].filter(later).chunks]
    ids = [*history[names[2]].filter(before).chunks, *tail["event_id"].filter(later).chunks]
    order = np.full(len(mask), -1, np.int64)
    order[mask] = arrival_order(pa.chunked_array(times, type=history[names[1]].type), pa.chunked_array(ids, type=pa.string()))
    return order
