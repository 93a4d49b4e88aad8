"""Training sets of the sample world with behaviour sequences: each row has what was found for it; nightly, `sim` learns of that."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import Engine

from resources.mlflow import Tracking
from resources.spark import open_session
from srp_assets.embeddings.registry import Version, record_version
from srp_assets.embeddings.vectors import ItemVectors, write_vectors
from srp_assets.embeddings.weekly.files import VECTORS
from srp_assets.errors import Conflict, InvalidInput
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.logs.registry_builds import stale_days as stale_logs
from srp_assets.logs.stitching.building import bring_up_to_date as build_logs
from srp_assets.logs.tables import built_days
from srp_assets.models.candidates import VERSIONS_FILE, CandidateOptions, train_candidate
from srp_assets.models.config.document import ModelDocument
from srp_assets.samples.ranking.catalogue_items import land_items
from srp_assets.samples.ranking.landing import land_ranking_world
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.sequences.assets import stage_rows
from srp_assets.sequences.building.days import bring_up_to_date as build_stages
from srp_assets.sequences.building.days import newest_builds
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import record_builds as record_sequences
from srp_assets.settings import Settings
from srp_assets.training.assets import training_places
from srp_assets.training.building import TrainingPlaces, bring_up_to_date, current_inputs, stale_days
from srp_assets.training.found_sequences import found_sequences
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.training_world import Shop

UNBUILT = "the sequences of requests are not built"
SEQUENCES = ("similar_actions", "earlier_interest", "like_minded")

MODEL = {
    "kind": "model", "name": "sim", "version": "1.0.0", "owner": "Tests", "description": "Search-based.", "labels": {"clicked": 1.0},
    "groups": {"ids": [{"encode": "hash", "feature": name, "space": 500} for name in ("user_id", "item_id", "market")]},
    "sequences": [
        {
            "name": "found", "of": "similar_actions", "length": 100,
            "columns": [
                {"feature": "item_id", "like": "item_id"},
                {"feature": "kind", "space": 16},
                {"feature": "time_gap", "edges": [60, 3_600, 86_400, 604_800]},
                {"feature": "price", "edges": [2, 8, 32]},
            ],
        },
        {"name": "recent", "of": "earlier_interest", "length": 10, "columns": [{"feature": "item_id", "like": "item_id"}]},
    ],
    "dimension": 4,
    "architecture": {"kind": "sim", "searched": ["found"], "hidden": [16], "attention_hidden": [8], "head_width": 4},
    "training": {"epochs": 3, "batch_rows": 128, "learning_rate": 0.01},
}  # fmt: skip


@dataclass(frozen=True)
class BuiltSets:
    """The sample world with sets of its days, whose features are made up: this is about sequences."""

    settings: Settings
    places: TrainingPlaces
    days: list[str]
    shown: Mapping[str, int]
    rows: pa.Table
    items: list[str]
    version: str

    @property
    def sequences(self) -> SequencePlaces:
        """Those of the sets."""
        assert self.places.sequences is not None
        return self.places.sequences


@pytest.fixture
def built(
    settings_with_spark: Settings, engine: Engine, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> BuiltSets:
    monkeypatch.setenv("SRP_TRAINING_SEQUENCES", json.dumps(SEQUENCES))
    settings = Settings()
    assert settings.log_catalogue is not None
    assert settings.feature_declarations is not None
    logs = load_log_catalogue(settings.log_catalogue)
    places = training_places(settings, sample_catalogue, logs, settings.feature_declarations)
    assert places.sequences is not None
    world, storage, spark = RankingWorld(events=2_000, seed=5, days=3), places.features.logs, open_session(settings)
    land_items(engine, Storage(settings.warehouse_location), sample_catalogue, world)
    land_ranking_world(engine, storage, logs, world, tmp_path / "broken")
    with engine.connect() as connection:
        waiting = stale_logs(connection, logs)
    build_logs(spark, engine, storage, logs, waiting)
    with engine.connect() as connection:
        shown = built_days(connection, "impression_outcomes")
    days = [day for day in shown if day <= str(world.last_day)]
    shop = Shop(engine, places.features, logs, places.layout, "user_clicks_7d")
    items: set[str] = set()
    for number, day in enumerate(shown):
        rows = [row for path in shown[day].paths for row in storage.read(path).to_pylist()]
        shop.build_features(day, [{**row, "number": float(row["clicked"])} for row in rows], number)
        items |= {row["item_id"] for row in rows}

    with pytest.raises(Conflict, match=UNBUILT) as refused:
        bring_up_to_date(spark, engine, places, days)
    assert refused.value.remedy == "materialize sequences/stages of this day first"
    version = record_vectors(engine, places.sequences, items=sorted(items))
    build_stages(spark, engine, places.sequences, days)
    builds = bring_up_to_date(spark, engine, places, days)
    found = pa.concat_tables([places.sets.read(path) for build in builds for path, _ in places.sets.files(build.folder)])
    return BuiltSets(settings, places, days, {day: shown[day].rows for day in days}, found, sorted(items), version)


def test_each_row_has_what_was_found_for_it(built: BuiltSets, engine: Engine) -> None:
    places, sequences, days, rows = built.places, built.sequences, built.days, built.rows
    assert rows.num_rows == sum(built.shown.values())
    assert_rows_have_the_final_stage(engine, places, rows)

    with engine.connect() as connection:
        builds = newest_builds(connection, sequences)
        current = sequences.current(connection)
        assert not set(stale_days(connection, places)) & set(days)
    # Whoever scores other rows than those of sets gets the same.
    found = found_sequences(engine, places, days[0], days[-1])
    assert found is not None
    assert found_sequences(engine, replace(places, sequences=None), days[0], days[-1]) is None
    columns = found.columns(rows.select(["trace_id", "item_id"]))
    assert all(columns[field.name].equals(rows[field.name].combine_chunks()) for field in places.schema.sequence_fields)
    unknown = found.columns(pa.table({"trace_id": ["nobody's"], "item_id": ["none"]}))
    assert not any(unknown["similar_actions_mask"].to_pylist()[0])
    stages = stage_rows(sequences.sequences, builds[days[-1]].files)
    soft = stages.filter(pc.and_(pc.equal(stages["sequence"], "like_minded"), pc.equal(stages["stage"], "final")))
    assert pc.unique(soft["embedding_version"]).to_pylist() == [built.version]
    assert pc.any(pc.greater(pc.list_value_length(soft["event_id"]), 0)).as_py()
    vectors = current.search_vectors()
    assert vectors is not None
    assert vectors.version == built.version
    # What was searched with the version before is not built again for a new one; logs that are, reopen the day and the one after.
    record_vectors(engine, sequences, items=built.items, week="2024-03-11")
    with engine.connect() as connection:
        assert not set(stale_days(connection, places)) & set(days)
    with engine.begin() as connection:
        again = replace(builds[days[0]], build_id=0, reads="other")
        record_sequences(connection, [again])
    with engine.connect() as connection:
        # Of a request of the first day, something may have been shown on the second.
        assert {own.problem for day, own in current_inputs(connection, places).items() if day in days[:2]} == {UNBUILT}


@pytest.mark.nightly
def test_a_model_learns_of_sequences(built: BuiltSets, engine: Engine, tmp_path: Path) -> None:
    tracking, last = Tracking.of(built.settings), built.days[-1]
    candidate = train_candidate(engine, built.places, tracking, ModelDocument.model_validate(MODEL), last, CandidateOptions())
    assert candidate.judged["clicked"].rows == built.shown[last]
    versions = json.loads(tracking.artifact(candidate.run_id, VERSIONS_FILE, tmp_path).read_text())
    document = built.sequences.document
    assert versions["features"] == {f"sequence:{name}": document.version(document.named(name)) for name in SEQUENCES[:2]}


def record_vectors(engine: Engine, places: SequencePlaces, *, items: list[str], week: str = "2024-03-04") -> str:
    """Makes vectors of what was shown current, as the asset of embeddings does; the version."""
    vectors = ItemVectors(f"sample-{week}", pa.array(items), np.random.default_rng(4).normal(size=(len(items), 8)).astype(np.float32))
    write_vectors(places.embeddings, f"{week}/{VECTORS}", vectors)
    with engine.begin() as connection:
        record_version(connection, Version(vectors.version, "sample", week, week, len(items), 8, None, {}))
    return vectors.version


def assert_rows_have_the_final_stage(engine: Engine, places: TrainingPlaces, rows: pa.Table) -> None:
    """Element by element what the stages hold for the row's trace and item, by a naive loop."""
    assert places.sequences is not None
    with engine.connect() as connection:
        files = [path for build in newest_builds(connection, places.sequences).values() for path in build.files]
    stages = stage_rows(places.sequences.sequences, files)
    finals = {
        (row["sequence"], row["trace_id"], row["candidate_id"]): row
        for row in stages.filter(pc.equal(stages["stage"], "final")).to_pylist()
    }
    filled = 0
    for sequence in (places.sequences.document.named(name) for name in SEQUENCES):
        length = sequence.final.length
        for row in rows.to_pylist():
            final = finals[sequence.name, row["trace_id"], row["item_id"]]
            lists = {**final, "time_gap": [(final["as_of"] - time).total_seconds() for time in final["event_time"]]}
            empty = length - len(final["event_id"])
            filled += len(final["event_id"])
            expected: dict[str, list[Any]] = {name: lists[name] for name in sequence.columns}
            expected["mask"] = [True] * len(final["event_id"])
            for name, values in expected.items():
                padding: list[Any] = [False if name == "mask" else None] * empty
                found = padding + values if sequence.padding == "start" else values + padding
                assert row[f"{sequence.name}_{name}"] == found, (sequence.name, name, row["trace_id"])
    assert filled > rows.num_rows


def test_sequences_that_are_not_declared_are_refused(
    settings: Settings, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.log_catalogue is not None
    assert settings.feature_declarations is not None
    logs = load_log_catalogue(settings.log_catalogue)
    for written, message in (('["similar_action"]', "there is no sequence 'similar_action'"), ('["a", "a"]', "named twice")):
        monkeypatch.setenv("SRP_TRAINING_SEQUENCES", written)
        places = training_places(Settings(), sample_catalogue, logs, settings.feature_declarations)
        with pytest.raises(InvalidInput, match=message):
            _ = places.schema
