"""Generated training rows for tests of models: ids, texts, numbers, times, lists and histories, with gaps, and labels that follow."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.training.schema import SetType

VALUE_TYPES: dict[str, SetType] = {
    "user_id": "text",
    "item_id": "text",
    "category": "text",
    "price": "number",
    "user_ctr": "number",
    "published_at": "time",
    "position": "number",
    "favourites": "texts",
    "history_items": "texts",
    "history_categories": "texts",
    "similar_item_id": "texts",
    "similar_kind": "texts",
    "similar_time_gap": "numbers",
    "similar_mask": "flags",
}

GROUPS: dict[str, Any] = {
    "user": [{"encode": "hash", "feature": "user_id", "space": 60}, "user_ctr"],
    "item": [
        {"encode": "hash", "feature": "item_id", "space": 40},
        {"encode": "vocabulary", "feature": "category"},
        {"encode": "number", "feature": "price", "normalization": "log", "default": 5},
        {"encode": "buckets", "feature": "published_at", "quantiles": 4},
    ],
    "both": [{"encode": "list", "feature": "favourites", "like": "category", "length": 3}],
}

SEQUENCES = [
    {
        "name": "history",
        "length": 6,
        "columns": [{"feature": "history_items", "like": "item_id"}, {"feature": "history_categories", "like": "category"}],
    },
    {
        "name": "found",
        "of": "similar",
        "length": 5,
        "columns": [
            {"feature": "item_id", "like": "item_id"},
            {"feature": "kind", "space": 7},
            {"feature": "time_gap", "edges": [60.0, 3600.0, 86400.0]},
        ],
    },
]

FOUND_LENGTH = 8
"""Of the arrays of what was found: more than the model reads."""


def document_of(architecture: dict[str, Any], **changed: Any) -> ModelDocument:
    """A small model over all kinds of inputs."""
    written = {
        "kind": "model",
        "name": "small",
        "version": "1.0.0",
        "owner": "tests",
        "description": "a model of tests",
        "labels": {"clicked": 1.0, "order": 1.0} if architecture["kind"] == "esmm" else {"clicked": 1.0},
        "groups": GROUPS,
        "sequences": SEQUENCES,
        "bias": {"inputs": [{"encode": "hash", "feature": "position", "space": 20}]},
        "dimension": 4,
        "architecture": architecture,
        "training": {"batch_rows": 32, "epochs": 2, "learning_rate": 0.02, "mixed_row_groups": 2},
    }
    return resolve_inputs(model_of({**written, **changed}, where="test"), VALUE_TYPES)


def rows_of(count: int, seed: int = 0, *, gaps: float = 0.1) -> pa.Table:
    """Rows whose clicks depend on the item, the category, the price and whether the history holds the category."""
    random = np.random.default_rng(seed)
    users, items = random.integers(0, 30, count), random.integers(0, 20, count)
    categories = items % 5
    price = np.round(random.gamma(2.0, 10.0, count), 2)
    lengths = random.integers(0, 9, count)
    histories = [random.integers(0, 20, length) for length in lengths]
    position = random.integers(1, 11, count)
    pairs = zip(histories, categories, strict=True)
    liked = np.array([np.mean(history % 5 == category) if len(history) else 0.0 for history, category in pairs])
    logit = -0.5 + 2.5 * liked + 0.8 * (items % 3 - 1) - 0.02 * price - 0.1 * position
    clicked = random.random(count) < 1 / (1 + np.exp(-logit))
    order = clicked & (random.random(count) < 0.3 + 0.3 * (categories == 1))

    def with_gaps(values: list[Any], type_: pa.DataType) -> pa.Array:
        gone = random.random(count) < gaps
        return pa.array([None if one else value for one, value in zip(gone, values, strict=True)], type_)

    texts = pa.list_(pa.string())
    return pa.table(
        {
            "user_id": with_gaps([f"u{user}" for user in users], pa.string()),
            "item_id": pa.array([f"i{item}" for item in items]),
            "category": with_gaps([f"c{category}" for category in categories], pa.string()),
            "price": with_gaps(price.tolist(), pa.float64()),
            "user_ctr": with_gaps(random.random(count).tolist(), pa.float64()),
            "published_at": with_gaps((1_700_000_000_000_000 + items * 86_400_000_000).tolist(), pa.timestamp("us", tz="UTC")),
            "position": pa.array(position, pa.int64()),
            "favourites": with_gaps([[f"c{one}" for one in random.integers(0, 7, random.integers(0, 5))] for _ in range(count)], texts),
            "history_items": pa.array([[f"i{one}" for one in history] for history in histories], texts),
            "history_categories": pa.array([[f"c{one % 5}" for one in history] for history in histories], texts),
            "clicked": pa.array(clicked),
            "order": pa.array(order),
            "weight": pa.array(random.uniform(0.5, 1.5, count)),
            **found_columns(random, count),
        }
    )


def found_columns(random: np.random.Generator, count: int) -> dict[str, pa.Array]:
    """What a search found for each row, as fixed arrays with a mask; padded at the start, as some declare it."""
    sizes = random.integers(0, FOUND_LENGTH + 1, count)
    mask = np.arange(FOUND_LENGTH) >= FOUND_LENGTH - sizes[:, None]

    def fixed(values: list[Any], type_: pa.DataType) -> pa.Array:
        there = [value if own else None for value, own in zip(values, mask.ravel().tolist(), strict=True)]
        return pa.FixedSizeListArray.from_arrays(pa.array(there, type_), FOUND_LENGTH)

    places = mask.size
    items = random.integers(0, 20, places).tolist()
    kinds = [None if gone else f"k{kind}" for kind, gone in zip(random.integers(0, 3, places), random.random(places) < 0.1, strict=True)]
    return {
        "similar_item_id": fixed([f"i{item}" for item in items], pa.string()),
        "similar_kind": fixed(kinds, pa.string()),
        "similar_time_gap": fixed(np.exp(random.uniform(2, 14, places)).tolist(), pa.float64()),
        "similar_mask": pa.FixedSizeListArray.from_arrays(pa.array(mask.ravel()), FOUND_LENGTH),
    }


def write_days(folder: Path, days: int, rows: int, *, seed: int = 0, group_rows: int = 100) -> list[str]:
    """Files of some days, and their paths in order."""
    paths = []
    for day in range(days):
        path = folder / f"day={day}" / "rows.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(rows_of(rows, seed * 1000 + day), path, row_group_size=group_rows)
        paths.append(str(path))
    return paths
