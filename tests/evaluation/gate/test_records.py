"""Records are made from what was measured and replayed, survive JSON, and change their digest with any word."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from srp_assets.evaluation.evaluating import StepEvaluation
from srp_assets.evaluation.gate.evidence import ModelVersion, QualityRecord, ReplayRecord, quality_record, replay_record
from srp_assets.evaluation.metrics.measuring import MetricOptions, differences, measure
from srp_assets.evaluation.metrics.scored import ScoredRows
from srp_assets.evaluation.replay.replaying import ReplayOptions, replay
from srp_assets.samples.ranking.replayed import replayed
from srp_assets.samples.ranking.world import RankingWorld

NOW = datetime(2024, 3, 20, tzinfo=UTC)
DAYS = (date(2024, 3, 16), date(2024, 3, 18))
TRAINED = {"features": {"price": "v"}, "training_first": DAYS[0], "training_last": DAYS[1], "training_data": "digest"}
CANDIDATE, CHAMPION = (ModelVersion(model="ranker", version=number, semantic_version="1.0.0", **TRAINED) for number in ("2", "1"))


def scored(noise: float) -> ScoredRows:
    random = np.random.default_rng(8)
    rows = 2_000
    score = random.beta(1, 5, rows)
    label = random.random(rows) < score
    unit, request = ((np.arange(rows) // size).astype(np.int32) for size in (20, 5))
    seen = np.clip(score + noise * random.normal(size=rows), 0, 1)
    key = np.arange(100, dtype=np.uint64)
    return ScoredRows(
        np.arange(rows), unit, key, (np.arange(rows) // 5).astype(np.int32), seen, label, np.ones(rows), np.zeros(rows), np.zeros(rows)
    )


def test_a_record_of_quality_says_what_was_measured() -> None:
    options = MetricOptions(resamples=64)
    better, worse = measure(scored(0.0), options), measure(scored(0.2), options)
    good, bad = (
        dict.fromkeys(("clicked", "order"), StepEvaluation(even=found, weighted=found, slices={"page/feed": found}))
        for found in (better, worse)
    )
    record = quality_record(CANDIDATE, CHAMPION, step="clicked", days=DAYS, recorded_at=NOW, evaluation=good, of_champion=bad)
    assert QualityRecord.model_validate_json(record.model_dump_json()) == record
    assert (record.version, record.champion, record.data, record.rows) == ("2", "1", better.digest, 2_000)
    assert record.metrics["auc"].value == better.values["auc"]
    assert record.differences["auc"].low == pytest.approx(differences(better, worse)["auc"].low)
    assert record.slices["page/feed"] == record.differences == record.weighted_differences
    assert record.metrics["gmv@5"].value == 0
    assert sum(found.rows for found in record.bins) == sum(found.rows for found in record.champion_bins) == 2_000
    alone = quality_record(CANDIDATE, None, step="clicked", days=DAYS, recorded_at=NOW, evaluation=good, of_champion=None)
    assert record.further_steps == {"order": record.differences}
    assert alone.differences == {}
    assert alone.champion is None
    assert alone.slices["page/feed"] == alone.metrics
    assert alone.digest != record.digest
    assert record.model_copy(update={"rows": 1}).digest != record.digest


def test_a_record_of_replay_says_what_was_estimated() -> None:
    world, options = RankingWorld(8_000, seed=5), ReplayOptions(resamples=64)
    mine, other = (replayed(world, share=1.0, sharpness=sharpness).choices for sharpness in (1.2, 0.3))
    found = replay(mine, options, other)
    record = replay_record(CANDIDATE, CHAMPION, days=DAYS, recorded_at=NOW, found=found, estimator="dr")
    assert ReplayRecord.model_validate_json(record.model_dump_json()) == record
    assert record.data == found.digest
    assert record.value.value == found.values["dr"].normal.value
    assert record.gain.high == found.gains["dr"].bootstrap.high
    assert record.champion_gain is not None
    assert record.champion_gain.low == found.champion_gains["dr"].bootstrap.low
    assert record.effective_rows == found.diagnostics.effective_rows
    alone = replay_record(
        CANDIDATE, None, days=DAYS, recorded_at=NOW, found=replay(mine, options), estimator="dr", problems=("the log has holes",)
    )
    assert alone.champion_gain is None
    assert alone.warnings == ("the log has holes", *record.warnings)


def test_a_version_is_trained_on_days_in_order() -> None:
    with pytest.raises(ValidationError, match="before it begins"):
        ModelVersion(model="ranker", version="1", semantic_version="1.0.0", **{**TRAINED, "training_last": date(2024, 3, 1)})


def test_what_no_record_says_is_refused() -> None:
    with pytest.raises(ValidationError, match="forbidden"):
        ModelVersion.model_validate({**CANDIDATE.model_dump(), "champion": "1"})
