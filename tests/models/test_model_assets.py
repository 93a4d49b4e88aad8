"""Models through Dagster: training sets of a shop's days, trees trained on them, and what the run and the registered version keep."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from sqlalchemy import Engine

from jobs.models import training_job
from jobs.reopening import FIRST_TAG, LAST_TAG
from jobs.training import BUILD_SETS_JOB
from resources.mlflow import Tracking
from resources.registry_database import RegistryResource
from srp_assets.definitions import build_definitions
from srp_assets.errors import Conflict, InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.models.assets import load_models, model_key
from srp_assets.models.candidates import VERSIONS_FILE, CandidateOptions, train_candidate
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.serving import ServedRanker
from srp_assets.settings import Settings
from srp_assets.training.assets import SETS, training_places
from srp_assets.training.card.content import UPSTREAM
from srp_assets.training.registry import current_sets
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from support.training_world import Shop

NUMBER = "user_clicks_7d"
DAYS = [f"2024-03-{day:02d}" for day in range(1, 6)]
MODEL = {
    "kind": "model", "name": "trees", "version": "1.2.0", "owner": "Tests", "description": "Trees.", "labels": {"clicked": 1.0},
    "groups": {"all": [NUMBER, "market", "user_recent_7d", "user_last_time_30d", "position"]},
    "architecture": {"kind": "gbdt", "rounds": 20, "leaves": 7, "least_leaf_rows": 5},
}  # fmt: skip


@pytest.fixture
def own_settings(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings with the small document of features, whose attributes come from an entity that the catalogue has not, and one model."""
    written = (Path(__file__).parents[1] / "features" / "small.yaml").read_text(encoding="utf-8")
    (tmp_path / "features.yaml").write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "trees.yaml").write_text(yaml.safe_dump(MODEL), encoding="utf-8")
    monkeypatch.setenv("SRP_FEATURES", str(tmp_path / "features.yaml"))
    monkeypatch.setenv("SRP_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SRP_FEATURES_BUCKETS", "2")
    return Settings()


@pytest.fixture
def own_shop(own_settings: Settings, engine: Engine, sample_catalogue: Catalogue) -> Shop:
    assert own_settings.log_catalogue is not None
    assert own_settings.feature_declarations is not None
    logs = load_log_catalogue(own_settings.log_catalogue)
    definitions = load_definitions(own_settings.feature_declarations)
    return Shop(engine, places_of(own_settings, sample_catalogue), logs, layout_of(definitions), NUMBER, with_sums=True)


def test_a_model_is_trained_on_the_days_before_and_keeps_what_it_came_from(
    own_settings: Settings, own_shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    for number, day in enumerate(DAYS):
        own_shop.build(day, 300, seed=number)
    definitions = build_definitions(settings=own_settings)
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = asked(definitions, instance)
        assert (request.tags[FIRST_TAG], request.tags[LAST_TAG]) == (DAYS[0], DAYS[-1])
        built = definitions.resolve_job_def(BUILD_SETS_JOB).execute_in_process(
            instance=instance, tags=dict(request.tags), run_config=request.run_config, asset_selection=[SETS], raise_on_error=False
        )
        # Made features have no partial sums behind them: taken earlier they say nothing, and the leak test says so.
        checks = {check.check_name: check for check in built.get_asset_check_evaluations()}
        assert checks["built_from_current"].passed
        assert not checks["no_leaks"].passed
        assert NUMBER in checks["no_leaks"].metadata["leaks"].value
        assert asked(definitions, instance) == []
        trained = definitions.resolve_job_def(training_job("trees")).execute_in_process(instance=instance, partition_key=DAYS[-1])
        event = instance.get_latest_materialization_event(model_key("trees"))
    assert trained.success
    assert all(check.passed for check in trained.get_asset_check_evaluations())
    assert event is not None
    assert event.asset_materialization is not None
    shown = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert shown["auc_clicked"] > 0.6
    assert (shown["trained_to"], shown["judged_by"], shown["gap"]) == (DAYS[2], [DAYS[4]], [DAYS[3]])
    tracking = Tracking.of(own_settings)
    (version,) = tracking.versions("trees")
    assert version.tags["semantic_version"] == shown["semantic_version"]
    assert shown["semantic_version"].startswith("1.2.0+20240305.")
    versions = json.loads(tracking.artifact(version.run_id, VERSIONS_FILE, tmp_path).read_text())
    features = own_shop.layout.definitions.features
    assert versions["features"] == {name: features[name].version for name in (NUMBER, "user_recent_7d", "user_last_time_30d")}
    with engine.connect() as connection:
        places = training_places(own_settings, load_catalogue(own_settings.catalogue), own_shop.logs, features_path(own_settings))
        sets = current_sets(connection, places.identity)
    assert versions["data"]["days"] == {
        day: {"set": sets[day].set_id, "rows": 300, "reads": sets[day].reads, **{name: sets[day].figures[name] for name in UPSTREAM}}
        for day in (*DAYS[:3], DAYS[4])
    }
    assert "Training set" in tracking.artifact(version.run_id, "training_set.html", tmp_path).read_text()
    assert json.loads(tracking.artifact(version.run_id, "importance.json", tmp_path).read_text())["clicked"][NUMBER] > 0.3
    served = ServedRanker(tracking.model_folder(version.run_id, tmp_path / "model"))
    low, high = served.answer([{**dict.fromkeys(served.schema.names), NUMBER: value, "position": 1} for value in (-2.0, 2.0)])
    assert low["clicked"] < high["clicked"]
    linear = ModelDocument.model_validate({**MODEL, "name": "linear", "architecture": {"kind": "lr"}, "training": {"batch_rows": 64}})
    base = train_candidate(engine, places, tracking, linear, DAYS[3], CandidateOptions(update=True))
    updated = train_candidate(engine, places, tracking, linear, DAYS[4], CandidateOptions(update=True))
    trainings = [version.tags["training"] for version in tracking.versions("linear")]
    assert trainings == [f"updated from {base.semantic_version}", "in full"]
    assert json.loads(tracking.artifact(updated.run_id, VERSIONS_FILE, tmp_path).read_text())["base"]["version"] == 1
    assert updated.judged["clicked"].rows == 300
    candidate = load_models(tmp_path / "models", places)[0]
    with pytest.raises(Conflict, match="the training set of 2024-03-09 cannot be judged by: it is not built"):
        train_candidate(engine, places, tracking, candidate, "2024-03-09", CandidateOptions())
    with pytest.raises(InvalidInput, match="none lies 1 days before"):
        train_candidate(engine, places, tracking, candidate, DAYS[1], CandidateOptions())


def features_path(settings: Settings) -> Path:
    assert settings.feature_declarations is not None
    return settings.feature_declarations


def asked(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What the sensor asks for now."""
    resources: dict[str, Any] = {"registry": RegistryResource()}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        return list(definitions.resolve_sensor_def("reopened_training_sets").evaluate_tick(context).run_requests or ())


def test_a_configuration_that_fits_nothing_is_refused(own_settings: Settings, tmp_path: Path) -> None:
    assert own_settings.log_catalogue is not None
    logs = load_log_catalogue(own_settings.log_catalogue)
    places = training_places(own_settings, load_catalogue(own_settings.catalogue), logs, features_path(own_settings))
    path = tmp_path / "models" / "other.yaml"
    for change, message in (
        ({"labels": {"bought": 1.0}}, "there is no label 'bought'"),
        ({"groups": {"all": ["unknown"]}}, "there is no feature 'unknown'"),
        ({"name": "trees"}, "configured twice"),
    ):
        path.write_text(yaml.safe_dump({**MODEL, "name": "other", **change}), encoding="utf-8")
        with pytest.raises(InvalidInput, match=message):
            load_models(tmp_path / "models", places)
