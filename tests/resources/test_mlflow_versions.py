"""Model versions in a real MLflow: aliases move one at a time, records come back as they were written, promotions wait for one another."""

from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from resources.mlflow import MODEL_PATH, Tracking
from resources.mlflow_versions import RegisteredVersions
from resources.registry_database import open_registry
from srp_assets.cli_common import ERROR
from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.evaluation.comparing import compare, data_of
from srp_assets.evaluation.evaluating import EvaluationOptions
from srp_assets.evaluation.gate.decision import Answer, Decision
from srp_assets.evaluation.gate.keeping import gathered, judge, keep_record, keep_version
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.gate.promotion import keep_decision, kept_decision, promote
from srp_assets.evaluation.metrics.measuring import MetricOptions
from srp_assets.evaluation.registered import CHAMPION_MODEL, enter, load_version
from srp_assets.models.candidates import VERSIONS_FILE
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import train_gbdt
from srp_assets.models.serving import save_ranker
from srp_assets.settings import Settings
from srp_assets.training.reader import SetReader
from srp_assets.warehouse.storage import Storage
from support.command_line import srp
from support.gate_evidence import NOW, interval, parity, proof, quality, replayed, version
from support.training_sets import SCHEMA, set_table, written_sets


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def registry(home: Settings) -> Engine:
    return open_registry(home)


@pytest.fixture(scope="module")
def tracking(home: Settings) -> Tracking:
    return Tracking.of(home)


def registered(tracking: Tracking, registry: Engine, name: str, count: int) -> RegisteredVersions:
    """A model with some versions, all of one run."""
    with tracking.run("models", name, {}) as run:
        run.log_text("weights", "model/data")
    for _ in range(count):
        tracking.register(name, run.run_id, {})
    return RegisteredVersions(tracking, registry, name)


def test_records_are_of_their_version_and_cannot_be_changed(tracking: Tracking, registry: Engine, tmp_path: Path) -> None:
    versions = registered(tracking, registry, "other", 2)
    versions.keep("1", "note", '{"number": 1}')
    versions.keep("1", "note", '{"number": 2}')
    assert versions.kept("1", "note") == '{"number": 2}'
    assert versions.kept("2", "note") is None
    (known,) = [found for found in tracking.versions("other") if str(found.version) == "1"]
    files = list(tracking.artifact(known.run_id, "records/1", tmp_path).iterdir())
    assert len(files) == 2
    digest = known.tags["srp.record.note"]
    tracking.client.log_text(known.run_id, '{"number": 3}', f"records/1/note-{digest}.json")
    with pytest.raises(InvalidInput, match="was changed after it was kept"):
        versions.kept("1", "note")
    addresses = {versions.attach("2", "report.html", content) for content in ("<p>old</p>", "<p>new</p>")}
    (address,) = addresses
    assert Path(address.removeprefix("file://")).read_text(encoding="utf-8") == "<p>new</p>"
    with pytest.raises(NotFound, match="there is no version 9"):
        versions.kept("9", "note")
    with pytest.raises(NotFound, match="there is no version 1"):
        RegisteredVersions(tracking, registry, "nobody").keep("1", "note", "{}")


def test_two_promotions_at_once_leave_one_champion(tracking: Tracking, registry: Engine) -> None:
    versions = registered(tracking, registry, "contested", 3)
    versions.move("champion", "1")
    for number in ("2", "3"):
        answer = Answer(name="quality", state="passed", reason="better")
        decision = Decision(
            model="contested", version=number, champion="1", outcome="champion", answers=(answer,), records={}, decided_at=NOW
        )
        keep_decision(versions, decision)
    together, outcomes = Barrier(2), {}

    def promoted(number: str) -> None:
        together.wait()
        try:
            promote(versions, number)
            outcomes[number] = "promoted"
        except Conflict:
            outcomes[number] = "refused"

    threads = [Thread(target=promoted, args=(number,)) for number in ("2", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["promoted", "refused"]
    assert outcomes[versions.version_of("champion") or ""] == "promoted"
    assert versions.version_of("previous_champion") == "1"


SPLITS = {"train": ["2024-03-01"], "gap": [], "validation": ["2024-03-02"]}
ORDER = ("stumps", "trees")
FEATURES = {"trees": ["quality", "category"], "stumps": ["category", "noise"]}


def candidate(tracking: Tracking, name: str, days: SetReader, folder: Path) -> str:
    """A trained model that is registered under its own name, with the file of what it was made from."""
    written = {
        "kind": "model", "name": name, "version": "1.0.0", "owner": "Tests", "description": "Trees on made rows.",
        "labels": {"clicked": 1.0}, "groups": {"all": FEATURES[name]},
        "architecture": {"kind": "gbdt", "rounds": 12, "leaves": 6},
    }  # fmt: skip
    ranker = train_gbdt(resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features), days, None)
    save_ranker(ranker, folder / name, SCHEMA.features)
    features = dict.fromkeys(FEATURES[name], "v1")
    versions = {"semantic_version": "1.0.0+20240303.made", "features": features, "split": SPLITS, "data": {"digest": "made"}}
    with tracking.run(f"models/{name}", name, {}) as run:
        run.log_json(versions, VERSIONS_FILE)
        run.log_folder(folder / name, f"{MODEL_PATH}/data/{name}")
    return tracking.register(name, run.run_id, {})


def test_the_better_of_two_models_becomes_champion_and_a_skewed_feature_is_refused(
    tracking: Tracking, registry: Engine, tmp_path: Path
) -> None:
    storage = Storage(str(tmp_path / "sets"))
    whole = written_sets(storage, {day: [set_table(day, 2_000, seed=number)] for number, day in enumerate(("2024-03-01", "2024-03-03"))})
    trained, judged = (replace(whole, files={day: paths}) for day, paths in whole.files.items())
    versions = RegisteredVersions(tracking, registry, "champions")
    demands = GateOptions(parity_days=1, too_good=0.5)
    evaluation = EvaluationOptions(metrics=MetricOptions(places=2, resamples=100), given_away=None)
    outcomes = []
    for name in ORDER:
        number = candidate(tracking, name, trained, tmp_path)
        entered = enter(versions, name, number)
        assert enter(versions, name, number) == entered
        champion = versions.version_of("champion")
        mine = load_version(versions, entered.version, tmp_path / f"mine-{name}")
        other = None if champion is None else load_version(versions, champion, tmp_path / f"other-{name}")
        keep_record(versions, compare(judged, trained, mine, other, evaluation, step="clicked", recorded_at=NOW))
        of_champion = None if champion is None else interval(0.1)
        keep_record(versions, replayed(model="champions", version=entered.version, champion=champion, champion_gain=of_champion))
        proofs = [proof(feature, "v1", ("2024-03-01",)) for feature in FEATURES[name]]
        skewed = [proof(proofs[0].feature, "v1", (), {"2024-03-01": "differs in 12 % of rows"}), *proofs[1:]]
        for found in (skewed, proofs, proofs):
            evidence = gathered(
                versions,
                entered.version,
                parity=parity(*found, first="2024-03-01", last="2024-03-01"),
                quality_data=data_of(judged, evaluation, "clicked"),
                replay_data="rows",
            )
            outcomes.append((name, judge(versions, evidence, demands, NOW).outcome))
    assert outcomes == [(name, outcome) for name in ORDER for outcome in ("refused", "challenger", "champion")]
    assert (versions.version_of("champion"), versions.version_of("previous_champion")) == ("2", "1")


def test_what_does_not_say_what_it_was_made_of_is_not_entered(tracking: Tracking, registry: Engine) -> None:
    versions = RegisteredVersions(tracking, registry, "entrants")
    with tracking.run("models/vague", "vague", {}) as run:
        run.log_json({"semantic_version": "1.0.0"}, VERSIONS_FILE)
    number = tracking.register("vague", run.run_id, {})
    with pytest.raises(InvalidInput, match="does not say what it was made of"):
        enter(versions, "vague", number)
    with pytest.raises(InvalidInput, match="vague has no version 9"):
        enter(versions, "vague", "9")
    assert tracking.versions("entrants") == []


def test_people_see_approve_and_roll_back_by_command(
    home: Settings, tracking: Tracking, registry: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRP_HOME", str(home.home))
    assert srp("models", "champion") == {"aliases": []}
    assert srp("models", "rollback", "--reason", "none", code=ERROR)["error"]["code"] == "not_found"
    versions = registered(tracking, registry, CHAMPION_MODEL, 2)
    for number in ("1", "2"):
        keep_version(versions, version(number))
    versions.move("champion", "1")
    too_good = quality(differences={"auc": interval(0.05), "gauc": interval(0.01), "log_loss": interval(0)})
    keep_record(versions, too_good)
    keep_record(versions, replayed())

    def outcome() -> str:
        evidence = gathered(versions, "2", parity=parity(), quality_data="rows", replay_data="rows")
        assert evidence.quality == too_good
        return judge(versions, evidence, GateOptions(), NOW).outcome

    assert outcome() == "held"
    checklist = srp("models", "approve", 2, "--comment", "sequences")["checklist"]
    assert srp("models", "approve", 2, "--comment", "sequences", "--yes", "no", code=ERROR)["error"]["code"] == "invalid"
    items = [part for item in checklist for part in ("--yes", item)]
    some = srp("models", "approve", 2, "--comment", "sequences", "--by", "mara", *items[2:])
    assert (some["missing"], some["quality"]) == (list(checklist)[:1], too_good.digest)
    assert outcome() == "held"
    assert srp("models", "approve", 2, "--comment", "sequences", "--by", "mara", *items)["missing"] == []
    assert [outcome(), outcome()] == ["challenger", "champion"]
    shown = {row["alias"]: row for row in srp("models", "champion")["aliases"]}
    assert {alias: row["version"] for alias, row in shown.items()} == {"champion": "2", "previous_champion": "1"}
    assert shown["champion"]["semantic_version"] == "1.2.0"
    assert any("mara approved: sequences" in reason for reason in shown["champion"]["reasons"])
    assert srp("models", "rollback", "--reason", "clicks fell") == {"champion": "1"}
    assert [row["version"] for row in srp("models", "champion")["aliases"]] == ["1", "1"]
    refused = kept_decision(versions, "2")
    assert refused is not None
    assert refused.reasons == ("rollback: rolled back: clicks fell",)
    assert outcome() == "refused"
