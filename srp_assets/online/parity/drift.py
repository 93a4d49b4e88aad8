"""Drift: how far the values that were served on a day moved from those of other days, feature by feature.

The population stability index compares the shares of buckets: sum over buckets of (found - expected) * ln(found / expected). Buckets are
quantiles of the expected values, so that each holds about as many; texts are bucketed by the most frequent ones. The index is symmetric,
and the usual reading is: below 0.1 nothing, above 0.2 look at it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.declaration.model import Drift

PSEUDO_ROWS = 0.5
"""Added to the rows of every bucket, so that an empty one has a logarithm; arbitrary, and nothing beside a thousand rows."""

READ = ("feature", "served", "served_text")
"""The columns of pairs that drift is told from: of two weeks the others would fill the memory."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeatureDrift:
    """How one feature moved.

    Args:
        feature: its name.
        index: population stability index of the values that are not null; 0 where one side has none.
        nulls: change of the share of nulls.
        rows: of the day.
        expected_rows: that it is compared with.
        drifted: whether one of both is beyond what is declared.
    """

    feature: str
    index: float
    nulls: float
    rows: int
    expected_rows: int
    drifted: bool


def drift_of(expected: pa.Table, found: pa.Table, rules: Drift) -> list[FeatureDrift]:
    """How every feature moved that both sides have, the greatest index first.

    Args:
        expected: pairs of other days (`comparing.PAIRS`).
        found: pairs of the day.
        rules: as declared.
    """
    before, now = dict(_served(expected)), dict(_served(found))
    drifts = [_feature_drift(name, before[name], now[name], rules) for name in now if name in before]
    return sorted(drifts, key=lambda drift: (-drift.index, drift.feature))


def _served(pairs: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    """The served values of each feature: texts where it has some, else numbers. Rows are put in order once, not looked through for each."""
    names = pairs["feature"].combine_chunks().dictionary_encode()
    codes = np.asarray(names.indices)
    order = np.argsort(codes, kind="stable")
    borders = np.searchsorted(codes[order], np.arange(len(names.dictionary) + 1))
    for place, name in enumerate(names.dictionary.to_pylist()):
        own = pairs.select(["served", "served_text"]).take(pa.array(order[borders[place] : borders[place + 1]]))
        texts = own["served_text"].combine_chunks()
        yield name, texts if texts.null_count < len(texts) else own["served"].combine_chunks()


def _feature_drift(name: str, expected: pa.Array, found: pa.Array, rules: Drift) -> FeatureDrift:
    index = 0.0
    if expected.null_count < len(expected) and found.null_count < len(found) and expected.type == found.type:
        counts = _counts_of_texts if pa.types.is_string(expected.type) else _counts_of_numbers
        index = stability_index(*counts(expected.drop_null(), found.drop_null(), rules.buckets))
    nulls = found.null_count / max(1, len(found)) - expected.null_count / max(1, len(expected))
    return FeatureDrift(name, index, nulls, len(found), len(expected), index > rules.index or abs(nulls) > rules.nulls)


def stability_index(expected: Floats, found: Floats) -> float:
    """The index of rows by bucket, shape (buckets,) both."""
    before, now = ((rows + PSEUDO_ROWS) / (rows + PSEUDO_ROWS).sum() for rows in (expected, found))
    return float(np.sum((now - before) * np.log(now / before)))


def _counts_of_numbers(expected: pa.Array, found: pa.Array, buckets: int) -> tuple[Floats, Floats]:
    """Rows by bucket of both sides. A value that is more frequent than a bucket is large makes one border of several."""
    before, now = np.asarray(expected), np.asarray(found)
    borders = np.unique(np.quantile(before, np.arange(1, buckets) / buckets, method="inverted_cdf"))
    return _in_buckets(before, borders), _in_buckets(now, borders)


def _in_buckets(values: Floats, borders: Floats) -> Floats:
    return np.bincount(np.searchsorted(borders, values), minlength=len(borders) + 1).astype(np.float64)


def _counts_of_texts(expected: pa.Array, found: pa.Array, buckets: int) -> tuple[Floats, Floats]:
    """Rows by the most frequent texts of the expected side, and of all others together."""
    before, now = _rows_by_text(expected), _rows_by_text(found)
    known = sorted(before, key=lambda text: (-before[text], text))[: buckets - 1]
    sides = ([rows.get(text, 0) for text in known] for rows in (before, now))
    ofs = (len(expected), len(found))
    first, second = (np.array([*side, whole - sum(side)], np.float64) for side, whole in zip(sides, ofs, strict=True))
    return first, second


def _rows_by_text(texts: pa.Array) -> Mapping[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(texts).to_pylist()}
