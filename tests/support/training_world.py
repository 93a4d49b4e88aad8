"""A shop's impressions and their features as the logs and the features build them, written without Spark, for training to read."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.aggregation.rows import ARROW_TYPES
from srp_assets.features.building.days import Places, identity_of
from srp_assets.features.building.days import inputs_of as feature_inputs
from srp_assets.features.building.files import write_day
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.registry import FeatureBuild, record_builds
from srp_assets.logs import registry_builds as log_builds
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.schema import outcomes_schema
from srp_assets.training.schema import FEATURE_TYPES

EXAMINATION = {place: place**-0.7 for place in range(1, 6)}
"""How likely places are looked at; relevance is what `relevance_number` says."""


@dataclass(frozen=True)
class Shop:
    """Where the shop's days are written.

    Args:
        engine: of the registry.
        places: of logs and features.
        logs: the declared logs.
        layout: of the declared features.
        number_feature: a feature that tells the relevance of an impression.
        with_sums: whether partial sums have files: only who computes features again reads them.
    """

    engine: Engine
    places: Places
    logs: LogCatalogue
    layout: Layout
    number_feature: str
    with_sums: bool = False

    def build(self, day: str, rows: int, seed: int) -> list[dict[str, Any]]:
        """Records a day of impressions and their features as the current builds; the impressions."""
        shown = impressions(self.logs, day, rows, seed)
        self.build_logs(day, shown)
        self.build_features(day, shown, seed)
        return shown

    def build_logs(self, day: str, shown: list[dict[str, Any]]) -> None:
        """Records a day of impressions."""
        stamp = datetime.now(UTC).timestamp()
        table = pa.Table.from_pylist(shown, outcomes_schema(self.logs))
        paths = {name: f"{name}/{day}/{stamp}.parquet" for name in ("impression_outcomes", "actions")}
        sizes = {name: self.places.logs.write(path, table) for name, path in paths.items()}
        files = tuple(log_builds.TableFile(name, path, table.num_rows, sizes[name]) for name, path in paths.items())
        with self.engine.begin() as connection:
            build = log_builds.DayBuild(0, day, 1, "final", {}, log_builds.DayCountsBuilt(), files, datetime.now(UTC), None)
            log_builds.record_builds(connection, [build])

    def build_features(self, day: str, shown: list[dict[str, Any]], seed: int) -> None:
        """Records the features of impressions, and partial sums of a day without events."""
        stamp = datetime.now(UTC).timestamp()
        folder, sums = f"impressions/{stamp}/day={day}", f"partials/{stamp}/day={day}"
        nothing = pa.schema([(name, ARROW_TYPES[type_]) for name, type_ in event_types(self.layout.definitions).items()]).empty_table()
        for family in self.layout.families if self.with_sums else ():
            write_day(self.places.features, self.layout.definitions, family, nothing, sums, self.places.buckets)
        table = features_table(self.layout, self.number_feature, shown, seed)
        size = self.places.features.write(f"{folder}/block.parquet", table)
        for kind, rows, own in (("partials", {}, sums), ("impressions", {"impressions/impressions": table.num_rows}, folder)):
            with self.engine.begin() as connection:
                inputs = feature_inputs(connection, kind, self.layout, self.places.buckets)[day]
                identity = identity_of(kind, self.layout, self.places.buckets)
                build = FeatureBuild(0, kind, identity, day, inputs.reads, inputs.newest, 1, own, rows, size, datetime.now(UTC), None)
                record_builds(connection, [build])


def event_types(definitions: Definitions) -> dict[str, ValueType]:
    """What actions hold, with the attributes that features read."""
    given: dict[str, ValueType] = {"event_id": "text", "kind": "text", "arrival_time": "time", **definitions.event_columns}
    return {name: type_ for name, type_ in given.items() if name not in COMPUTED_COLUMNS}


def relevance_number(random: np.random.Generator, rows: int) -> np.ndarray:
    """What decides about clicks, beside the place."""
    return random.normal(size=rows)


def impressions(logs: LogCatalogue, day: str, rows: int, seed: int) -> list[dict[str, Any]]:
    """Labelled impressions of a day; pages of five places, better ones further up unless chance chose."""
    random = np.random.default_rng(seed)
    numbers = relevance_number(random, rows)
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    explored = random.random(rows) < 0.3
    ranked = np.clip(3 - np.round(numbers + random.normal(size=rows) * 0.5), 1, 5).astype(int)
    positions = np.where(explored, random.integers(1, 6, rows), ranked)
    found = []
    for row in range(rows):
        time = start + timedelta(seconds=86_000 * row / rows)
        position = int(positions[row])
        clicked = bool(random.random() < EXAMINATION[position] / (1 + np.exp(-numbers[row])))
        carted = clicked and bool(random.random() < 0.3)
        delay = float(random.integers(1, 600))
        steps: dict[str, Any] = {}
        for step in logs.steps:
            happened = carted and step == "cart"
            steps |= {
                step: happened,
                f"{step}_time": time + timedelta(seconds=2 * delay) if happened else None,
                f"{step}_delay_seconds": 2 * delay if happened else None,
                f"{step}_amount": 10.0 if happened else None,
            }
        found.append(
            {
                "trace_id": f"t{day}-{row // 5}",
                "item_id": f"item-{random.integers(0, 40)}-{row % 5}",
                "event_id": f"i{day}-{row}",
                "event_time": time,
                "arrival_time": time,
                "user_id": f"u{row % 17}" if row % 19 else None,
                "market": ("de", "fr")[row % 2],
                "query": None,
                "device": "phone",
                "page": "home",
                "location": None,
                "position": position,
                "propensity": 0.02 + 0.9 * float(random.random()) if row % 7 else None,
                "explored": bool(explored[row]),
                "price": 3.0,
                "clicked": clicked,
                "click_time": time + timedelta(seconds=delay) if clicked else None,
                "click_delay_seconds": delay if clicked else None,
                "dwell_seconds": 5.0 if clicked else None,
                **steps,
                "label_state": "final",
                "number": float(numbers[row]),
            }
        )
    return found


def features_table(layout: Layout, number_feature: str, shown: list[dict[str, Any]], seed: int) -> pa.Table:
    """A value of every feature for each impression, null now and then; one tells the relevance."""
    random = np.random.default_rng(seed + 1)
    columns = {"event_id": pa.array([row["event_id"] for row in shown]), "as_of": pa.array([row["event_time"] for row in shown])}
    missing = random.random(len(shown)) < 0.1
    for name, feature in layout.definitions.features.items():
        values: list[Any] = random.normal(size=len(shown)).tolist()
        if name == number_feature:
            values = [row["number"] for row in shown]
        if feature.value_type == "text":
            values = [f"v{int(abs(value) * 3)}" for value in values]
        elif feature.value_type == "texts":
            values = [["a", "b"][: int(abs(value) * 2)] for value in values]
        elif feature.value_type == "time":
            values = [row["event_time"] for row in shown]
        keep = name == number_feature
        type_ = FEATURE_TYPES[feature.value_type]
        columns[name] = pa.array([value if keep or not gone else None for value, gone in zip(values, missing, strict=True)], type_)
    shuffled = random.permutation(len(shown))
    return pa.table(columns).take(pa.array(shuffled))
