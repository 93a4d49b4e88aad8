"""Weeks of vectors through Dagster and the command: warm start, drift, MLflow, the files of a version, the switch, and what is refused."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
import yaml

from jobs.embeddings import TRAIN_EMBEDDINGS_JOB
from resources.home import home_folder
from resources.mlflow import MODEL_PATH, Tracking
from srp_assets.cli import run
from srp_assets.definitions import build_definitions
from srp_assets.embeddings.registry import SequencesBuild, Version, current_version, record_sequences, versions
from srp_assets.embeddings.sessions.session_files import sequences_schema
from srp_assets.embeddings.vectors import read_vectors
from srp_assets.embeddings.weekly.files import INDEX, ITEM_TO_ITEM, TYPES, VECTORS
from srp_assets.embeddings.weekly.index import read_index
from srp_assets.embeddings.weekly.making import make_version, problems_of
from srp_assets.embeddings.weekly.picture import picture
from srp_assets.embeddings.weekly.tracking import registered_name
from srp_assets.errors import Conflict
from srp_assets.settings import Settings
from support.listing_home import ListingHome

FIRST, SECOND, THIRD = "2024-03-04", "2024-03-11", "2024-03-18"
SESSIONS_A_DAY = 300


def build_sequences(home: ListingHome, day: str, number: int) -> None:
    """Records a day of the world's sessions as the current sequences."""
    first = number * SESSIONS_A_DAY
    block = home.world.block(first, first + SESSIONS_A_DAY)
    rows = home.world.sequences(block)
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    users = [f"u{session % 97}" for session in block.numbers.tolist()]
    columns = {name: rows[name] for name in rows.column_names} | {
        "session_id": pa.array([f"s{session}" for session in block.numbers.tolist()]),
        "user_id": pa.array(users),
        "start": pa.array([start + timedelta(seconds=place) for place in range(len(users))]),
        "bookings": pa.array([[] if item is None else [item] for item in rows["booked"].to_pylist()], pa.list_(pa.string())),
        "user_market": pa.array([f"m{market}" for market in block.market]),
        "user_device": pa.array(["phone"] * len(users)),
    }
    schema = sequences_schema(home.places.declared.users.columns)
    folder = f"sequences/{uuid4().hex}/day={day}"
    home.places.embeddings.write(
        f"{folder}/part.parquet", pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)
    )
    counts = {"sessions": len(users), "booked": 0, "items": 0, "too_few_items": 0, "too_many_events": 0, "too_fast": 0}
    identity = home.places.declared.sessions_digest
    build = SequencesBuild(0, identity, day, day, 1, folder, (f"{folder}/part.parquet",), len(users), counts, datetime.now(UTC), None)
    with home.engine.begin() as connection:
        record_sequences(connection, [build])


@pytest.fixture(scope="module")
def empty_tracking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's own tables without any run: its migrations take seconds, and each home would pay for them."""
    path = tmp_path_factory.mktemp("tracking") / "mlflow.sqlite"
    Tracking(f"sqlite:///{path}", path.parent.as_uri()).client.search_experiments()
    return path


@pytest.fixture
def trained_home(home: ListingHome, settings: Settings, empty_tracking: Path) -> ListingHome:
    """Items, and two weeks with two days of sequences each."""
    shutil.copy(empty_tracking, home_folder(settings, "mlflow") / empty_tracking.name)
    home.land_items()
    for number, day in enumerate(("2024-03-05", "2024-03-09", "2024-03-12", "2024-03-16")):
        build_sequences(home, day, number)
    return home


def train_week(definitions: dg.Definitions, instance: dg.DagsterInstance, week: str) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(TRAIN_EMBEDDINGS_JOB).execute_in_process(instance=instance, partition_key=week, raise_on_error=False)


def test_weeks_are_trained_compared_and_switched(trained_home: ListingHome, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    definitions = build_definitions(settings=settings)
    with dg.DagsterInstance.ephemeral() as instance:
        result = train_week(definitions, instance, FIRST)
        shown = instance.get_latest_materialization_event(dg.AssetKey(["embeddings", "items"]))
    assert result.success
    assert [(check.check_name, check.passed) for check in result.get_asset_check_evaluations()] == [("usable", True)]
    assert shown is not None
    assert shown.asset_materialization is not None
    metadata = shown.asset_materialization.metadata
    assert str(metadata["items by market"].value).startswith("![items by market](data:image/svg+xml;base64,")
    (told,) = answer_of(capsys, "train", "--week", "2024-03-13")["versions"]
    with trained_home.engine.connect() as connection:
        second, first = versions(connection, "sample")
        assert current_version(connection, "sample") == second
    assert (told["version"], told["current"], told["problems"]) == (second.version, True, [])
    assert (first.week, first.base, second.week, second.base) == (FIRST, None, SECOND, first.version)
    assert metadata["version"].value == first.version
    judge_figures(first, second)
    judge_files(trained_home, second)
    judge_tracking(settings, second)
    judge_command(capsys, first, second)


def judge_figures(first: Version, second: Version) -> None:
    assert "drift_mean" not in first.figures
    assert 0 < second.figures["drift_mean"] < 0.5
    assert second.figures["drift_shared"] > 140
    assert second.figures["coverage"] == 1.0
    assert second.figures["next_click_recall"] > second.figures["popularity_next_click_recall"]
    assert second.figures["market_purity"] > 0.9
    assert second.figures["made_from"]["days"] == ["2024-03-05", "2024-03-09", "2024-03-12", "2024-03-16"]
    assert second.figures["made_from"]["dropped"]["sessions"] == 4 * SESSIONS_A_DAY


def judge_files(home: ListingHome, version: Version) -> None:
    storage = home.places.embeddings
    found = read_vectors(storage, f"{version.folder}/{VECTORS}")
    assert found.version == version.version
    assert found.vectors.shape == (version.items, version.dimensions) == (160, 32)
    assert np.isfinite(found.vectors).all()
    types = read_vectors(storage, f"{version.folder}/{TYPES}")
    assert types.version == version.version
    assert {name.split("|")[0] for name in types.ids.to_pylist()} == {"user", "item"}
    neighbours = storage.read(f"{version.folder}/{ITEM_TO_ITEM}")
    assert set(neighbours["version"].to_pylist()) == {version.version}
    assert neighbours.num_rows == 160 * 39
    opened = read_index(storage, f"{version.folder}/{INDEX}", found)
    nearest, _ = opened.search(found.vectors[:1], 1)
    assert nearest == [[found.ids[0].as_py()]]


def judge_tracking(settings: Settings, version: Version) -> None:
    tracking = Tracking.of(settings)
    newest, oldest = tracking.versions(registered_name("sample"))
    assert newest.tags["version"] == version.version
    assert oldest.tags["base"] == ""
    assert newest.run_id == version.tracked_run
    data = tracking.client.get_run(newest.run_id).data
    assert data.metrics["coverage"] == 1.0
    assert data.params["dimensions"] == "32"
    held = {entry.path for entry in tracking.client.list_artifacts(newest.run_id, MODEL_PATH)}
    assert {f"{MODEL_PATH}/{name}" for name in ("vocabulary.parquet", VECTORS)} <= held


def answer_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """What the command answers to machines, with its exit code."""
    capsys.readouterr()
    code = run(["embeddings", *arguments, "--json"])
    return json.loads(capsys.readouterr().out) | {"code": code}


def judge_command(capsys: pytest.CaptureFixture[str], first: Version, second: Version) -> None:
    told = partial(answer_of, capsys)
    assert [(found["version"], found["current"]) for found in told("list")["versions"]] == [(second.version, True), (first.version, False)]
    near = told("neighbours", "l3", "--count", "3")
    assert near["version"] == second.version
    assert [own["place"] for own in near["neighbours"]] == [1, 2, 3]
    assert {own["market"] for own in near["neighbours"]} == {"m3"}
    assert told("neighbours", "nothing")["error"]["code"] == "not_found"
    assert told("use", first.version)["versions"][0]["current"]
    assert told("neighbours", "l3")["version"] == first.version
    assert told("use", "nothing")["code"] == 1


def test_a_version_that_moved_too_far_does_not_become_current(
    trained_home: ListingHome, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    declared = trained_home.places.declared.model_dump(mode="json")
    declared["limits"] = {"least_coverage": 0.9, "most_drift": 0.0001}
    declared["training"]["epochs"] = 2
    path = tmp_path_factory.mktemp("declared") / "embeddings.yaml"
    path.write_text(yaml.safe_dump(declared))
    definitions = build_definitions(settings=settings.model_copy(update={"embeddings": path}))
    made = make_version(trained_home.engine, trained_home.places, None, FIRST)
    with dg.DagsterInstance.ephemeral() as instance:
        result = train_week(definitions, instance, SECOND)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "items moved by" in str(check.metadata["problems"].value)
    with trained_home.engine.connect() as connection:
        assert current_version(connection, "sample") == made.version
        assert len(versions(connection, "sample")) == 2


def test_a_training_that_diverges_does_not_become_current(trained_home: ListingHome) -> None:
    places = trained_home.places
    wild = places.declared.model_copy(update={"training": places.declared.training.model_copy(update={"rate": 1e30, "epochs": 1})})
    good = make_version(trained_home.engine, places, None, FIRST)
    with np.errstate(all="ignore"):
        made = make_version(trained_home.engine, replace(places, declared=wild), None, SECOND)
        assert picture(made.vectors, made.markets)
    assert "a vector holds a number that is none" in made.version.problems
    with trained_home.engine.connect() as connection:
        assert current_version(connection, "sample") == good.version


def test_a_week_without_sequences_is_refused(home: ListingHome) -> None:
    with pytest.raises(Conflict, match="no item was clicked often enough"):
        make_version(home.engine, home.places, None, THIRD)


def test_numbers_that_are_none_and_gaps_are_problems(home: ListingHome) -> None:
    from srp_assets.embeddings.vectors import ItemVectors

    broken = ItemVectors("v", pa.array(["a"]), np.array([[np.nan, 1]], np.float32))
    assert problems_of(broken, {"coverage": 0.5}, home.places) == (
        "a vector holds a number that is none",
        "50.0% of the items have vectors, fewer than 90.0%",
    )
    whole = ItemVectors("v", pa.array(["a"]), np.ones((1, 2), np.float32))
    assert problems_of(whole, {"coverage": 1.0, "drift_mean": 0.1}, home.places) == ()


def test_every_monday_asks_for_the_week_that_ended_and_a_week_reads_the_days_of_its_window(settings: Settings) -> None:
    definitions = build_definitions(settings=settings)
    at = datetime(2024, 3, 18, 4, 45, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=definitions.get_repository_def())
    (request,) = definitions.resolve_schedule_def("weekly_embeddings").evaluate_tick(context).run_requests or ()
    assert request.partition_key == SECOND
    graph = definitions.resolve_asset_graph()
    items, sequences = (graph.get(dg.AssetKey(["embeddings", name])) for name in ("items", "sequences"))
    assert items.partitions_def is not None
    assert items.partitions_def.get_partition_keys()[0] == "2024-01-01"
    mapping = items.partition_mappings[sequences.key]
    subset = mapping.get_upstream_mapped_partitions_result_for_partitions(
        items.partitions_def.subset_with_partition_keys([SECOND]), items.partitions_def, sequences.partitions_def
    )
    days = sorted(subset.partitions_subset.get_partition_keys())
    assert (len(days), days[0], days[-1]) == (28, "2024-02-19", "2024-03-17")
