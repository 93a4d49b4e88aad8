"""Records of a candidate that is good in every way, to be spoiled in one way at a time by tests of the gate and of its report."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.evidence import (
    LEAK_CHECKLIST,
    ApprovalRecord,
    ExperimentRecord,
    Interval,
    ModelVersion,
    QualityRecord,
    ReplayRecord,
)
from srp_assets.online.parity.evidence import FeatureEvidence, ParityEvidence

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
DAYS = ("2024-03-12", "2024-03-13", "2024-03-14")
FEATURES = {"clicks_7d": "v-clicks", "price": "v-price"}


def version(number: str, **changed: Any) -> ModelVersion:
    content = {
        "model": "ranker",
        "version": number,
        "semantic_version": f"1.{number}.0",
        "features": FEATURES,
        "training_first": date(2024, 3, 1),
        "training_last": date(2024, 3, 14),
        "training_data": "trained",
    }
    return ModelVersion.model_validate({**content, **changed})


def proof(feature: str, number: str, days: tuple[str, ...] = DAYS, problems: Mapping[str, str] | None = None) -> FeatureEvidence:
    return FeatureEvidence(feature, number, days, problems or {})


def parity(*features: FeatureEvidence, first: str = DAYS[0], last: str = DAYS[-1]) -> ParityEvidence:
    return ParityEvidence(first, last, features or tuple(proof(*item) for item in FEATURES.items()), "parity-data")


def interval(value: float, spread: float = 0.002) -> Interval:
    return Interval(value=value, low=value - spread, high=value + spread)


RECORDED = {
    "model": "ranker",
    "version": "2",
    "champion": "1",
    "first": date(2024, 3, 16),
    "last": date(2024, 3, 18),
    "data": "rows",
    "recorded_at": NOW - timedelta(days=1),
}


def quality(**changed: Any) -> QualityRecord:
    content = {
        **RECORDED,
        "step": "clicked",
        "rows": 50_000,
        "labelled": 4_000,
        "metrics": {"auc": interval(0.72), "gauc": interval(0.68), "log_loss": interval(0.2), "predicted_over_observed": interval(1.01)},
        "differences": {"auc": interval(0.01), "gauc": interval(0.004), "log_loss": interval(-0.003)},
        "slices": {"market/us": {"auc": interval(0.009, 0.02)}, "user/new": {"auc": interval(-0.005, 0.03)}},
    }
    return QualityRecord.model_validate({**content, **changed})


def replayed(**changed: Any) -> ReplayRecord:
    content = {
        **RECORDED,
        "estimator": "dr",
        "value": interval(1.2, 0.05),
        "gain": interval(0.1, 0.04),
        "champion_gain": interval(0.03, 0.02),
        "effective_rows": 20_000.0,
        "warnings": (),
    }
    return ReplayRecord.model_validate({**content, **changed})


def approval(of: QualityRecord, **changed: Any) -> ApprovalRecord:
    content = {
        **RECORDED,
        "quality": of.digest,
        "approved_by": "mara",
        "checklist": dict.fromkeys(LEAK_CHECKLIST, True),
        "comment": "sequences are new",
    }
    return ApprovalRecord.model_validate({**content, **changed})


def experiment(**changed: Any) -> ExperimentRecord:
    return ExperimentRecord.model_validate({**RECORDED, "verdict": "better", "reason": "clicks +2 %", **changed})


GOOD = Evidence(
    candidate=version("2"),
    champion=version("1"),
    parity=parity(),
    quality=quality(),
    quality_data="rows",
    replay=replayed(),
    replay_data="rows",
)
