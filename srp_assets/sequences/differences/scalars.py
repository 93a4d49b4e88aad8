"""Why served scalar features are not those that are computed again: the pairs of parity, tested against causes of the same families.

As with sequences, a cause is accepted where its transformation makes the two values equal. What a rule needs more than one value for (a
unit, an offset, a time since when nothing was counted) has to hold for most differing values of the feature. What is left is unexplained,
with the causes of its trace's sequences beside it: a history that lacks its newest actions has wrong counts, too.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.functions import SECONDS_OF_UNIT
from srp_assets.online.parity.comparing import FOREIGN, MISSING, same_numbers
from srp_assets.sequences.differences.hypotheses.catalogue import UNEXPLAINED
from srp_assets.sequences.differences.hypotheses.numbers import FACTORS
from srp_assets.sequences.differences.model import FeatureFigures
from srp_assets.sequences.differences.staleness import AskedRows, stale_rows

MOST = 0.5
"""The share of a feature's differing values that a rule about all of them must make equal; arbitrary."""

QUARTER_OF_HOUR_SECONDS = 900.0

MOST_QUARTERS = 14 * 4
"""No zone is further from UTC."""


def feature_figures(
    pairs: pa.Table, definitions: Definitions, sequence_causes: Mapping[str, tuple[str, ...]], asked: AskedRows | None = None
) -> list[FeatureFigures]:
    """The figures of every feature that differs anywhere.

    Args:
        pairs: both values of sampled rows, as `online/parity/comparing.py` has them.
        definitions: of the features.
        sequence_causes: of traces whose sequences differ.
        asked: when and for whom; None where no log of requests tells it.
    """
    found = []
    for name, feature in definitions.features.items():
        own = pairs.filter(pc.equal(pairs["feature"], name))
        causes = np.array(causes_of(own, feature, definitions, asked), object)
        differing = np.flatnonzero(causes != "")
        if not len(differing):
            continue
        left = own["event_id"].take(pa.array(np.flatnonzero(causes == UNEXPLAINED))).to_pylist()
        together = Counter(cause for event in left for cause in sequence_causes.get(event.rsplit("/", 1)[0], ()))
        counted = Counter(causes[differing].tolist())
        found.append(
            FeatureFigures(
                feature=name,
                rows=own.num_rows,
                differing=len(differing),
                causes=dict(sorted(counted.items())),
                together_with=dict(together),
            )
        )
    return found


def causes_of(pairs: pa.Table, feature: Feature, definitions: Definitions, asked: AskedRows | None = None) -> list[str]:
    """The cause of each pair of a feature: empty where it does not differ.

    Args:
        pairs: of the feature.
        feature: it.
        definitions: which say what its entity is.
        asked: when and for whom; None where nobody knows.
    """
    state, differs = np.array(pairs["state"].to_pylist(), object), np.asarray(pairs["differs"])
    served, offline = (np.asarray(pc.fill_null(pairs[name], np.nan)) for name in ("served", "offline"))
    causes = np.where(differs, UNEXPLAINED, "").astype(object)
    # The first that holds counts: what is surest comes first. A stale value may happen to be the default, too.
    stale = [] if asked is None else [("stale_snapshot", _stale(pairs, feature, definitions, asked, differs))]
    for cause, holds in (*stale, *_tests(pairs, feature, served, offline, differs)):
        causes[(causes == UNEXPLAINED) & holds] = cause
    causes[state == MISSING] = "feature_missing"
    causes[state == FOREIGN] = "definition_version"
    return [str(cause) for cause in causes]


def _tests(pairs: pa.Table, feature: Feature, served: Any, offline: Any, differs: Any) -> list[tuple[str, Any]]:
    if feature.value_type == "texts":
        return [("tie_order", _same_members(pairs))]
    if feature.value_type == "text":
        return []
    if feature.value_type == "time":
        return [("time_zone_slip", _by_rule(differs, _shifted(served, offline, differs, QUARTER_OF_HOUR_SECONDS)))]
    unit = getattr(feature.declared, "unit_of_time", None)
    slips = [] if unit is None else [_by_rule(differs, _shifted(served, offline, differs, QUARTER_OF_HOUR_SECONDS / SECONDS_OF_UNIT[unit]))]
    declared = getattr(feature.declared, "default", None)
    default = np.full(len(served), np.nan if declared is None else float(declared))
    is_default = same_numbers(served, default)
    null_and_default = (np.isnan(served) & same_numbers(offline, default)) | (np.isnan(offline) & is_default)
    return [
        ("null_against_default", null_and_default),
        ("default_instead_of_value", is_default),
        ("float_width", served == offline.astype(np.float32)),
        ("unit_slip", _by_rule(differs, _scaled(served, offline, differs))),
        *[("time_zone_slip", slip) for slip in slips],
    ]


def _stale(pairs: pa.Table, feature: Feature, definitions: Definitions, asked: AskedRows, differs: Any) -> Any:
    """What is as old as one cut-off says. Session features end with the session, and derived ones follow from others: neither is tested."""
    keys = definitions.entities.get(feature.entity)
    if keys is None or feature.is_of_session or not differs.any():
        return np.zeros(len(differs), bool)
    times, entities = asked.of(pairs["event_id"].to_pylist(), keys)
    if feature.value_type in ("text", "texts"):
        both = (
            pa.chunked_array([*pairs["served_text"].chunks, *pairs["offline_text"].chunks], pa.string())
            .combine_chunks()
            .dictionary_encode()
        )
        codes = np.asarray(pc.fill_null(both.indices, -1)).astype(np.float64)
        served, offline = codes[: len(differs)], codes[len(differs) :]
    else:
        served, offline = (np.asarray(pc.fill_null(pairs[name], np.nan)) for name in ("served", "offline"))
    return stale_rows(times, entities, served, offline, differs, MOST)


def _by_rule(differs: Any, holds: Any) -> Any:
    """What a rule makes equal, if it does so for most of what differs."""
    return holds if (holds & differs).sum() >= max(2, MOST * differs.sum()) else np.zeros(len(differs), bool)


def _scaled(served: Any, offline: Any, differs: Any) -> Any:
    known = differs & (served != 0) & (offline != 0) & np.isfinite(served) & np.isfinite(offline)
    if not known.any():
        return np.zeros(len(served), bool)
    ratio = float(np.median(served[known] / offline[known]))
    near = [factor for factor in FACTORS if np.isclose(ratio, factor, rtol=1e-6)]
    return same_numbers(served, offline * near[0]) if near else np.zeros(len(served), bool)


def _shifted(served: Any, offline: Any, differs: Any, quarter_of_hour: float) -> Any:
    """What a common shift by quarters of an hour makes equal."""
    known = differs & np.isfinite(served) & np.isfinite(offline)
    if not known.any():
        return np.zeros(len(served), bool)
    shift = float(np.median(served[known] - offline[known]))
    quarters = shift / quarter_of_hour
    if abs(quarters) < 0.5 or abs(quarters) > MOST_QUARTERS or not np.isclose(quarters, round(quarters), rtol=0, atol=1e-6):
        return np.zeros(len(served), bool)
    return same_numbers(served, offline + shift)


def _same_members(pairs: pa.Table) -> Any:
    """Lists with the same members in another order, as texts of JSON."""

    def members(text: str | None) -> list[str]:
        return sorted(json.loads(text)) if text else []

    both = zip(pairs["served_text"].to_pylist(), pairs["offline_text"].to_pylist(), strict=True)
    return np.array([own is not None and other is not None and members(own) == members(other) for own, other in both], bool)
