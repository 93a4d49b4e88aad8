"""Two trained models are compared on days that neither was trained on, and the record of it passes or fails the gate."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.comparing import VersionedRanker, compare, data_of
from srp_assets.evaluation.evaluating import EvaluationOptions, evaluate
from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.decision import decide
from srp_assets.evaluation.gate.evidence import ModelVersion
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.importance import permutation_importance
from srp_assets.evaluation.metrics.measuring import MetricOptions
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import train_gbdt
from srp_assets.training.reader import SetReader
from srp_assets.warehouse.storage import Storage
from support.gate_evidence import parity, proof
from support.training_sets import SCHEMA, set_table, written_sets

NOW = datetime(2024, 3, 5, tzinfo=UTC)
OPTIONS = EvaluationOptions(metrics=MetricOptions(places=2, resamples=200), given_away=None)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[SetReader, SetReader]:
    """A day to train on and a day to judge by, in several pieces."""
    storage = Storage(str(tmp_path_factory.mktemp("sets")))
    tables = {f"2024-03-0{day}": [set_table(f"2024-03-0{day}", 2_000, seed=day)] for day in (1, 3)}
    whole = written_sets(storage, tables)
    return tuple(replace(whole, files={day: whole.files[day]}) for day in tables)  # type: ignore[return-value]


def trained(sets: tuple[SetReader, SetReader], number: str, features: list[str], objective: str = "binary") -> VersionedRanker:
    written = {
        "kind": "model", "name": "trees", "version": "1.0.0", "owner": "Tests", "description": "Trees on made rows.",
        "labels": {"clicked": 1.0}, "groups": {"all": features},
        "architecture": {"kind": "gbdt", "rounds": 12, "leaves": 6, "objective": objective},
    }  # fmt: skip
    version = ModelVersion(
        model="trees",
        version=number,
        semantic_version="1.0.0",
        features=dict.fromkeys(features, "v1"),
        training_first=date(2024, 3, 1),
        training_last=date(2024, 3, 1),
        training_data="made",
    )
    return VersionedRanker(version, train_gbdt(resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features), sets[0], None))


@pytest.fixture(scope="module")
def good(sets: tuple[SetReader, SetReader]) -> VersionedRanker:
    return trained(sets, "2", ["quality", "category"])


@pytest.fixture(scope="module")
def poor(sets: tuple[SetReader, SetReader]) -> VersionedRanker:
    return trained(sets, "1", ["category", "noise"])


def outcome(candidate: VersionedRanker, champion: VersionedRanker | None, sets: tuple[SetReader, SetReader], options: GateOptions) -> str:
    record = compare(sets[1], sets[0], candidate, champion, OPTIONS, step="clicked", recorded_at=NOW)
    proofs = [proof(name, "v1", ("2024-03-01",)) for name in candidate.version.features]
    evidence = Evidence(
        candidate=candidate.version,
        champion=None if champion is None else champion.version,
        parity=parity(*proofs, first="2024-03-01", last="2024-03-01"),
        quality=record,
        quality_data=record.data,
    )
    return decide(evidence, options, is_challenger=False, now=NOW).outcome


def test_the_better_model_becomes_challenger_and_the_worse_one_is_refused(
    sets: tuple[SetReader, SetReader], good: VersionedRanker, poor: VersionedRanker
) -> None:
    options = GateOptions(parity_days=1, too_good=0.5)
    assert outcome(good, poor, sets, options) == "challenger"
    assert outcome(poor, good, sets, options) == "refused"
    assert outcome(good, None, sets, options) == "challenger"
    assert outcome(good, poor, sets, GateOptions(parity_days=1)) == "held"


def test_the_record_is_of_the_judged_rows(sets: tuple[SetReader, SetReader], good: VersionedRanker, poor: VersionedRanker) -> None:
    record = compare(sets[1], sets[0], good, poor, OPTIONS, step="clicked", recorded_at=NOW)
    assert (record.version, record.champion, record.first, record.last) == ("2", "1", date(2024, 3, 3), date(2024, 3, 3))
    whole = set_table("2024-03-03", 2_000, seed=3)
    alone = evaluate(whole, good.ranker.score(whole), OPTIONS, seen_users=(), seen_items=())["clicked"].even
    assert record.data == alone.digest == data_of(sets[1], OPTIONS, "clicked")
    assert data_of(sets[0], OPTIONS, "clicked") != record.data != data_of(sets[1], OPTIONS, "order")
    assert data_of(replace(sets[1], files={}), OPTIONS, "clicked") is None
    assert record.metrics["auc"].value == pytest.approx(alone.values["auc"])
    assert record.rows == 2_000
    assert {"position/1", "item/known", "market/unknown"} <= set(record.slices)
    assert sum(found.rows for found in record.champion_bins) == 2_000
    assert list(record.importance) == ["quality", "category"]
    assert record.importance["quality"] > record.importance["category"] > 0.01
    noise = permutation_importance(poor.ranker, sets[1], "clicked")["noise"]
    assert abs(noise) < 0.02
    assert noise == permutation_importance(poor.ranker, sets[1], "clicked")["noise"]


def test_a_ranker_is_compared_by_what_both_have(sets: tuple[SetReader, SetReader], poor: VersionedRanker) -> None:
    orders = trained(sets, "3", ["quality", "category"], "lambdarank")
    record = compare(sets[1], sets[0], orders, poor, OPTIONS, step="clicked", recorded_at=NOW)
    assert "auc" in record.differences
    assert "log_loss" not in record.metrics
    assert record.bins == ()


def test_amounts_are_those_of_the_funnel() -> None:
    assert EvaluationOptions.of_steps(("cart", "coupon", "order")).amounts == ("order_amount", "coupon_amount")
    assert EvaluationOptions.of_steps(("cart", "lease")).amounts == ("lease_amount",)


def test_what_cannot_be_compared_is_refused(
    sets: tuple[SetReader, SetReader], good: VersionedRanker, poor: VersionedRanker, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="does not score 'order'"):
        compare(sets[1], sets[0], good, poor, OPTIONS, step="order", recorded_at=NOW)
    with pytest.raises(InvalidInput, match="no rows to judge by"):
        compare(written_sets(Storage(str(tmp_path)), {}), sets[0], good, poor, OPTIONS, step="clicked", recorded_at=NOW)
    with pytest.raises(InvalidInput, match="no column 'coupon_amount'"):
        compare(sets[1], sets[0], good, poor, EvaluationOptions(), step="clicked", recorded_at=NOW)
