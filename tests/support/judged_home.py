"""A home whose models can be judged: training sets, logs of what was shown and served, and parity of some days, all without Spark."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from resources.mlflow import Tracking
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.registry import record_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.schema import log_schema
from srp_assets.models.assets import load_models
from srp_assets.models.candidates import Candidate, CandidateOptions, train_candidate
from srp_assets.online.parity.registry import FeatureParity, ParityRecord, record_parity
from srp_assets.settings import Settings
from srp_assets.training.assets import training_places
from srp_assets.training.building import TrainingPlaces
from srp_assets.training.figures import Figures
from srp_assets.training.registry import SetBuild, record_sets
from srp_assets.warehouse.catalogue import Catalogue
from support.training_world import Shop, features_table, impressions

NUMBER = "user_clicks_7d"
"""The feature that tells what is clicked."""

PLACES = 5
OTHERS = 3
"""Candidates of a place that were not shown."""


@dataclass(frozen=True)
class JudgedHome:
    """What a test needs to make days and candidates.

    Args:
        settings: of the home.
        engine: of the registry.
        training: places of the training sets.
        shop: that writes logs.
    """

    settings: Settings
    engine: Engine
    training: TrainingPlaces
    shop: Shop

    @classmethod
    def of(cls, settings: Settings, engine: Engine, catalogue: Catalogue) -> "JudgedHome":
        """The home of settings that declare logs and features."""
        assert settings.log_catalogue is not None
        assert settings.feature_declarations is not None
        logs, definitions = load_log_catalogue(settings.log_catalogue), load_definitions(settings.feature_declarations)
        with engine.begin() as connection:
            record_definitions(connection, definitions)
        shop = Shop(engine, places_of(settings, catalogue), logs, layout_of(definitions), NUMBER)
        return cls(settings, engine, training_places(settings, catalogue, logs, settings.feature_declarations), shop)

    def day(self, day: str, rows: int, seed: int, *, served: bool = False) -> None:
        """A day of a training set with its impressions; `served` also logs which candidates each place had."""
        shown = [
            {**row, "position": number % PLACES + 1, "propensity": 1 / (1 + OTHERS)}
            for number, row in enumerate(impressions(self.shop.logs, day, rows, seed))
        ]
        self.shop.build_logs(day, shown)
        self._build_set(day, shown, seed)
        if served:
            self._serve(shown, seed)

    def _build_set(self, day: str, shown: list[dict[str, Any]], seed: int) -> None:
        schema, folder = self.training.schema, f"sets/made/{seed}/day={day}"
        features = features_table(self.shop.layout, NUMBER, shown, seed)
        by_event = {row["event_id"]: row for row in features.to_pylist()}
        rows = [{**by_event[row["event_id"]], **row, "examination": None, "weight": 1.0} for row in shown]
        table = pa.Table.from_pylist(rows, schema.arrow)
        size = self.training.sets.write(f"{folder}/rows.parquet", table)
        figures = Figures()
        figures.add(schema, table)
        kept = figures.as_dict() | {"weights": {}, "logs_build": seed, "features_build": seed}
        build = SetBuild(0, self.training.identity, day, f"made {seed}", seed, folder, len(rows), size, kept, datetime.now(UTC), None)
        with self.engine.begin() as connection:
            record_sets(connection, [build])

    def _serve(self, shown: list[dict[str, Any]], seed: int) -> None:
        """The candidates of each place: the one that was shown and some others, each as likely."""
        random, rows = np.random.default_rng([seed, 1]), []
        definitions = self.shop.layout.definitions
        for number, row in enumerate(shown):
            items = [(row["item_id"], row["number"])]
            items += [(f"other-{number}-{other}", float(random.normal())) for other in range(OTHERS)]
            rows += [
                {
                    **{name: row[name] for name in ("event_time", "arrival_time", "trace_id", "market", "device")},
                    "event_id": f"{row['trace_id']}/{item}",
                    "item_id": item,
                    "definition_version": definitions.digest,
                    "values": [(NUMBER, value)],
                    "propensities": [(str(row["position"]), 1 / (1 + OTHERS))],
                }
                for item, value in items
            ]
        schema = log_schema(self.shop.logs.logs["served_features"])
        batch = pa.RecordBatch.from_pylist(rows, schema)
        summary = land_log_batches(
            self.engine, self.training.features.logs, self.shop.logs, batches=[("served_features", batch)], source="twin", reader="test"
        )
        assert summary.rejected == {}

    def parity(self, day: str, wrong: str | None = None) -> None:
        """Records that every feature was served on a day as it is computed, but for a wrong one."""
        figures = {"rows": 2_000, "online_mean": 1.0, "offline_mean": 1.0}
        features = {
            name: FeatureParity(
                name, feature.version, passed=name != wrong, reasons={} if name != wrong else {"values": "differ"}, **figures
            )
            for name, feature in self.shop.layout.definitions.features.items()
        }
        definitions, now = self.shop.layout.definitions.digest, datetime.now(UTC)
        record = ParityRecord(0, day, definitions, day, day, 9_000, 2_000, 0, wrong is None, (), None, None, now, None, features)
        with self.engine.begin() as connection:
            record_parity(connection, record)

    def train(self, name: str, day: str) -> Candidate:
        """Trains a configured model whose training ends by a day."""
        folder = self.settings.model_configurations
        assert folder is not None
        document = next(found for found in load_models(folder, self.training) if found.name == name)
        return train_candidate(self.engine, self.training, Tracking.of(self.settings), document, day, CandidateOptions())
