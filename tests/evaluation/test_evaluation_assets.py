"""Candidates on their way through Dagster: evaluated, replayed, challenger, champion; alone and without evidence nothing moves."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import Engine

from jobs.alerts import MOST_TRIES
from jobs.evaluation import EVALUATE_JOB, evaluation_sensors
from resources.dagster_home import prepare_dagster_home
from resources.mlflow import Tracking
from resources.mlflow_versions import RegisteredVersions
from resources.registry_database import RegistryResource
from srp_assets.definitions import build_definitions
from srp_assets.evaluation.assets import CHALLENGER, CHAMPION, QUALITY, REPLAY
from srp_assets.evaluation.gate.evidence import QualityRecord, ReplayRecord, RollbackRecord
from srp_assets.evaluation.gate.keeping import kept_record
from srp_assets.evaluation.gate.promotion import ROLLBACK
from srp_assets.evaluation.registered import CHAMPION_MODEL, enter
from srp_assets.evaluation.registry import decisions_after, decisions_of_run
from srp_assets.online.parity.assets import AGREES, PARITY
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.command_line import INCOMPLETE, srp
from support.judged_home import NUMBER, JudgedHome
from support.receiver import receiving

TRAINED, STOPPED, JUDGED = ["2024-03-01", "2024-03-02", "2024-03-03"], "2024-03-05", "2024-03-08"
ROWS = 700
MODELS = {"trees": [NUMBER, "market"], "stumps": ["user_decayed_60d", "market"]}


@pytest.fixture
def home(settings: Settings, engine: Engine, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> JudgedHome:
    """Two candidates of which one knows what is clicked, with a day to judge them by; parity is not checked yet."""
    written = (Path(__file__).parents[1] / "features" / "small.yaml").read_text(encoding="utf-8")
    (tmp_path / "features.yaml").write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    (tmp_path / "models").mkdir()
    for name, features in MODELS.items():
        model = {
            "kind": "model", "name": name, "version": "1.0.0", "owner": "Tests", "description": "Trees.", "labels": {"clicked": 1.0},
            "groups": {"all": features}, "architecture": {"kind": "gbdt", "rounds": 15, "leaves": 7, "least_leaf_rows": 5},
        }  # fmt: skip
        (tmp_path / "models" / f"{name}.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")
    demands = {"DAYS": 1, "PARITY_DAYS": 1, "LEAST_EFFECTIVE_ROWS": 200, "FLOORS": '{"auc": 0.55}', "CALIBRATION": "[0.3, 3]"}
    own = {
        "FEATURES": tmp_path / "features.yaml",
        "MODELS": tmp_path / "models",
        **{f"GATE_{name}": value for name, value in demands.items()},
    }
    for name, value in own.items():
        monkeypatch.setenv(f"SRP_{name}", str(value))
    made = JudgedHome.of(Settings(), engine, sample_catalogue)
    for number, day in enumerate([*TRAINED, STOPPED]):
        made.day(day, ROWS, number)
    made.day(JUDGED, 2 * ROWS, 9, served=True)
    for name in MODELS:
        made.train(name, STOPPED)
    return made


def versions_of(home: JudgedHome) -> RegisteredVersions:
    return RegisteredVersions(Tracking.of(home.settings), home.engine, CHAMPION_MODEL)


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, keys: list[dg.AssetKey], *, day: str = JUDGED, **config: Any
) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {key.to_python_identifier(): {"config": config} for key in keys}} if config else {}
    return definitions.resolve_job_def(EVALUATE_JOB).execute_in_process(
        instance=instance, partition_key=day, asset_selection=keys, run_config=run_config, raise_on_error=False
    )


def why(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step says."""
    return " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def automated(definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: Any = None) -> Any:
    return dg.evaluate_automation_conditions(
        definitions, instance, asset_selection=dg.AssetSelection.assets(CHALLENGER, CHAMPION), cursor=cursor
    )


def test_the_better_model_becomes_champion_and_nobody_without_evidence(home: JudgedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    versions, definitions = versions_of(home), build_definitions(settings=home.settings)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(home.settings))) as instance:
        judges_by_days_that_no_training_has_seen(definitions, instance)
        # Running `champion` alone is refused: with no challenger, and with a version of which nothing is recorded.
        alone = run(definitions, instance, [CHAMPION])
        assert not alone.success
        assert "nobody is champion: there is no challenger" in why(alone)
        entered = enter(versions, "trees", "1").version
        alone = run(definitions, instance, [CHAMPION], version=entered)
        assert not alone.success
        assert "no evaluation is recorded" in why(alone)
        assert versions.version_of("champion") is versions.version_of("challenger") is None

        # Evaluated and replayed, but not proved the same online: the challenger's place stays empty, and so does the champion's.
        cursor = automated(definitions, instance).cursor
        assert run(definitions, instance, [QUALITY, REPLAY]).success
        # The lock of automation: no blocking check of parity has passed.
        locked = automated(definitions, instance, cursor)
        assert locked.total_requested == 0
        proved(instance, passed=False)
        locked = automated(definitions, instance, locked.cursor)
        assert locked.total_requested == 0
        proved(instance, passed=True)
        first = automated(definitions, instance, locked.cursor)
        assert first.get_requested_partitions(CHALLENGER) == {JUDGED}
        judged = run(definitions, instance, [CHALLENGER], models=["trees"])
        assert judged.success
        assert "was not checked" in str(shown(instance, CHALLENGER)["decisions"])
        alone = run(definitions, instance, [CHAMPION], version=entered)
        assert not alone.success
        assert "was not checked" in why(alone)

        home.parity(TRAINED[-1], wrong=NUMBER)
        records = {form: kept_record(versions, entered, form) for form in (QualityRecord, ReplayRecord)}
        assert run(definitions, instance, [QUALITY, CHALLENGER], models=["trees"]).success
        assert f"refused | parity: {NUMBER} " in str(shown(instance, CHALLENGER)["decisions"])
        assert f"is not proved: {TRAINED[-1]} differ" in str(shown(instance, CHALLENGER)["decisions"])
        # What was recorded still counts, so it was not done again.
        assert kept_record(versions, entered, QualityRecord) == records[QualityRecord]

        home.parity(TRAINED[-1])
        ran = run(definitions, instance, [QUALITY, REPLAY, CHALLENGER, CHAMPION])
        checks = {(check.asset_key, check.check_name): check.passed for check in ran.get_asset_check_evaluations()}
        assert checks == {
            (QUALITY, "recorded"): True,
            (REPLAY, "recorded"): True,
            (CHALLENGER, "decided"): True,
            (CHAMPION, "proved"): True,
        }
        with home.engine.connect() as connection:
            decisions = {own.contender: own for own in decisions_of_run(connection, ran.run_id)}
        assert {name: own.outcome for name, own in decisions.items()} == {"trees/1": "champion", "stumps/1": "refused"}
        assert versions.version_of("champion") == entered
        kept_with_the_version(versions, entered, decisions["trees/1"].page)
        assert shown(instance, CHALLENGER)[f"report of version {decisions['stumps/1'].version}"] in str(decisions["stumps/1"].page)
        # All four ran together: nothing is left to follow.
        assert automated(definitions, instance, automated(definitions, instance, first.cursor).cursor).total_requested == 0

    # Against a champion the other one is refused, which is no failure of the run; the checks that the run made passed.
    told = srp("models", "evaluate", "stumps", "--day", JUDGED, code=INCOMPLETE)["decisions"]
    assert [(own["contender"], own["champion"], own["outcome"]) for own in told] == [("stumps/1", entered, "refused")]
    assert any("not certainly better" in reason for reason in told[0]["reasons"])
    assert versions.version_of("champion") == entered
    assert srp("models", "champion")["aliases"][0]["outcome"] == "champion"
    refusals_are_told(home, monkeypatch)

    # What was rolled back comes again only if somebody names it.
    other = told[0]["version"]
    record = RollbackRecord(model=CHAMPION_MODEL, version=other, reason="clicks fell", rolled_back_at=datetime.now(UTC))
    versions.keep(other, ROLLBACK, record.model_dump_json())
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(definitions, instance, [QUALITY]).success
        assert shown(instance, QUALITY)["versions"] == [entered]


def proved(instance: dg.DagsterInstance, *, passed: bool) -> None:
    """What the check of parity found."""
    instance.report_runless_asset_event(dg.AssetCheckEvaluation(asset_key=PARITY, check_name=AGREES, passed=passed))


def shown(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def kept_with_the_version(versions: RegisteredVersions, version: str, address: str | None) -> None:
    """The evidence: records, the page and its pictures."""
    quality, replay = kept_record(versions, version, QualityRecord), kept_record(versions, version, ReplayRecord)
    assert quality is not None
    assert quality.metrics["auc"].low > 0.55
    assert list(quality.importance)[0] == NUMBER
    assert quality.first.isoformat() == quality.last.isoformat() == JUDGED
    assert replay is not None
    # Better items are clicked more often, and chance logged.
    assert replay.gain.low > 0
    assert replay.effective_rows > 200
    assert replay.warnings == ()
    parity = json.loads(versions.kept(version, "parity") or "")
    assert (parity["last"], {found["feature"]: found["days"] for found in parity["features"]}) == (TRAINED[-1], {NUMBER: [TRAINED[-1]]})
    tags = next(known.tags for known in versions.tracking.versions(CHAMPION_MODEL) if str(known.version) == version)
    assert tags["decision"] == "champion"
    page = Path(str(address).removeprefix("file://"))
    assert "every feature is the same online and offline" in page.read_text(encoding="utf-8")
    pictures = {path.name for path in (page.parent / "plots").iterdir()}
    assert pictures == {"calibration.svg", "lift.svg", "slices.svg", "importance.svg"}


def refusals_are_told(home: JudgedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert is repeated until it is taken, told once, and given up at last."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with home.engine.connect() as connection:
        against = [own for own in decisions_after(connection, 0) if own.outcome == "refused"]
    with receiving() as receiver, dg.DagsterInstance.ephemeral() as instance:
        settings = home.settings.model_copy(update={"notify_url": SecretStr(receiver.address)})
        sensor = next(own for own in evaluation_sensors(settings) if own.name == "refused_models")

        def tick(cursor: str | None) -> Any:
            with dg.build_sensor_context(instance=instance, resources={"registry": RegistryResource()}, cursor=cursor) as context:
                return sensor.evaluate_tick(context)

        receiver.status = 500
        first = tick(None)
        assert json.loads(first.cursor)["tries"] == 1
        assert json.loads(tick(json.dumps({**json.loads(first.cursor), "tries": MOST_TRIES - 1})).cursor)["after"] > 0
        receiver.status, receiver.bodies[:] = 204, []
        taken = tick(first.cursor)
        assert f"{len(against)} decisions told" in taken.skip_message
        told = [json.loads(body)["decision"] for body in receiver.bodies]
        assert [(own["candidate"], own["reasons"]) for own in told] == [(own.contender, list(own.reasons)) for own in against]
        assert "nothing to tell" in tick(taken.cursor).skip_message


def judges_by_days_that_no_training_has_seen(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    """The schedule asks for the day that has ended where there is a candidate; a run by another day says that there is none."""
    seen = run(definitions, instance, [QUALITY], day=STOPPED)
    assert "no model was trained without the days 2024-03-05 to 2024-03-05" in why(seen)
    for at, asked in ((datetime(2024, 3, 9, 5, 45, tzinfo=UTC), [JUDGED]), (datetime(2024, 3, 7, 5, 45, tzinfo=UTC), [])):
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            repository_def=definitions.get_repository_def(),
            resources={"registry": RegistryResource()},
        ) as context:
            found = definitions.resolve_schedule_def("daily_evaluation").evaluate_tick(context).run_requests or ()
        assert [request.partition_key for request in found] == asked
