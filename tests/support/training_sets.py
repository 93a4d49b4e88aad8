"""Training sets in files, made of columns alone: what readers and trainers take, without logs, registry or Spark."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.training.reader import SetReader
from srp_assets.training.schema import TrainingSchema
from srp_assets.warehouse.storage import Storage

SCHEMA = TrainingSchema(
    steps=("order",),
    features={"quality": "number", "noise": "number", "category": "text", "tags": "texts", "seen_at": "time"},
    versions=dict.fromkeys(("quality", "noise", "category", "tags", "seen_at"), "v1"),
)
LIFT = {"a": 1.0, "b": 0.0, "c": -1.0}


def set_table(day: str, rows: int, seed: int, schema: TrainingSchema = SCHEMA) -> pa.Table:
    """Rows whose clicks follow from `quality` and `category`; `noise` says nothing. Requests of four rows lie together."""
    random = np.random.default_rng(seed)
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    quality, category = random.normal(size=rows), random.choice(list(LIFT), rows)
    odds = np.exp(1.5 * quality + np.array([LIFT[value] for value in category]) - 1)
    clicked = random.random(rows) < odds / (1 + odds)
    order = clicked & (random.random(rows) < 0.3)
    times = [start + timedelta(seconds=float(second)) for second in np.sort(random.uniform(0, 86_399, rows))]
    columns: dict[str, Any] = {
        "trace_id": [f"{day}-{row // 4}" for row in range(rows)],
        "item_id": [f"item-{number}" for number in random.integers(0, 30, rows)],
        "event_id": [f"{day}-{row}" for row in range(rows)],
        "event_time": times,
        "user_id": [f"u{number}" for number in random.integers(0, 20, rows)],
        "position": np.arange(rows) % 4 + 1,
        "clicked": clicked,
        "order": order,
        "explored": np.zeros(rows, bool),
        "weight": np.ones(rows),
        "label_state": ["final"] * rows,
        "quality": [None if row % 11 == 5 else value for row, value in enumerate(quality.tolist())],
        "noise": random.normal(size=rows),
        "category": [None if row % 13 == 4 else value for row, value in enumerate(category.tolist())],
        "tags": [["x"], [], None, ["y", "x"]] * (rows // 4) + [None] * (rows % 4),
        "seen_at": [time - timedelta(hours=1) for time in times],
    }
    return pa.table(
        [pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type) for field in schema.arrow],
        schema=schema.arrow,
    )


def written_sets(storage: Storage, tables: Mapping[str, Sequence[pa.Table]], row_group_rows: int = 256) -> SetReader:
    """Writes tables as files of days; a reader of all of them."""
    files: dict[str, tuple[str, ...]] = {}
    for day, parts in tables.items():
        paths = tuple(f"made/day={day}/part-{number}.parquet" for number in range(len(parts)))
        for path, table in zip(paths, parts, strict=True):
            storage.write(path, table, row_group_rows=row_group_rows)
        files[day] = paths
    return SetReader(storage, SCHEMA, files)
