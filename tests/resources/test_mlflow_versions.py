"""Model versions in a real MLflow: aliases move one at a time, records come back as they were written, promotions wait for one another."""

from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from resources.mlflow import Tracking
from resources.mlflow_versions import RegisteredVersions
from resources.registry_database import open_registry
from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.evaluation.gate.decision import Answer, Decision
from srp_assets.evaluation.gate.keeping import gathered, judge, keep_record, keep_version
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.gate.promotion import keep_decision, kept_decision, promote, rollback
from srp_assets.settings import Settings
from support.gate_evidence import NOW, parity, quality, replayed, version


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


def test_a_candidate_is_promoted_and_rolled_back(tracking: Tracking, registry: Engine) -> None:
    versions = registered(tracking, registry, "ranker", 2)
    assert versions.version_of("champion") is None
    for number in ("1", "2"):
        keep_version(versions, version(number))
    versions.move("champion", "1")
    keep_record(versions, quality())
    keep_record(versions, replayed())

    def outcome() -> str:
        evidence = gathered(versions, "2", parity=parity(), quality_data="rows", replay_data="rows")
        assert evidence.quality == quality()
        return judge(versions, evidence, GateOptions(), NOW).outcome

    assert outcome() == "challenger"
    assert versions.version_of("challenger") == "2"
    assert outcome() == "champion"
    assert {alias: versions.version_of(alias) for alias in ("champion", "previous_champion", "challenger")} == {
        "champion": "2", "previous_champion": "1", "challenger": None,
    }  # fmt: skip
    assert rollback(versions, "clicks fell", NOW) == "1"
    assert versions.version_of("champion") == "1"
    refused = kept_decision(versions, "2")
    assert refused is not None
    assert refused.reasons == ("rollback: rolled back: clicks fell",)


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
