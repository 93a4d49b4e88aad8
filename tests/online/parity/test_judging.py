"""Great Expectations on Spark judges as the rules say, by figures that are those of the naive evaluator."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from expectations.parity_rules import FeatureStatistics, Side, Tolerances, problems_of
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.reference import Pair, statistics_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TOLERANCES = Tolerances(rows=20)
DRAWN = (
    lambda random: random.gauss(0, 1),
    lambda random: random.lognormvariate(8, 2),
    lambda random: float(random.randint(0, 3)),
    lambda random: 1e9 + random.random(),
    lambda _: 0.1,
    lambda _: None,
)


def drawn_pairs(random: Random) -> list[Pair]:
    """Pairs of one feature: of some kind of values, with few or many faults."""
    draw, rows = random.choice(DRAWN), random.choice((0, 1, 19, 20, 200))
    fault_rate, null_rate, bad_rate = (random.choice((0, 0, 0.01, 0.3)) for _ in range(3))
    pairs = []
    for _ in range(rows):
        offline = None if random.random() < null_rate else draw(random)
        served = draw(random) if random.random() < fault_rate else offline
        state = random.choice(("missing", "foreign")) if random.random() < bad_rate else "compared"
        differs = state == "compared" and served != offline
        pairs.append(Pair(state, served, offline, differs, random.random() < 0.1))
    return pairs


def frame_of(features: dict[str, list[Pair]]) -> pa.Table:
    rows = [
        {"event_id": str(number), "feature": name, **vars(pair)} for name, pairs in features.items() for number, pair in enumerate(pairs)
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS)


def near(found: FeatureStatistics | None, expected: FeatureStatistics) -> bool:
    if found is None:
        return False
    counts = ("rows", "mismatches", "missing", "foreign", "defaulted")
    same = all(getattr(found, name) == getattr(expected, name) for name in counts)
    return same and _near_side(found.served, expected.served) and _near_side(found.offline, expected.offline)


def _near_side(found: Side, expected: Side) -> bool:
    if expected.mean is None:
        return found == expected
    # A sum of squares loses what is small beside the square of the mean.
    rounding = 1e-12 * expected.mean**2
    return (
        found.nulls == expected.nulls
        and found.mean == pytest.approx(expected.mean, rel=1e-9)
        and found.variance == pytest.approx(expected.variance, rel=1e-9, abs=rounding)
        and found.quantiles == pytest.approx(expected.quantiles, rel=1e-9)
    )


def test_figures_and_verdicts_equal_the_naive_evaluator(spark: "SparkSession") -> None:
    from expectations.parity import EXPECTED, judge

    random = Random(11)
    features = {f"feature_{number}": drawn_pairs(random) for number in range(60)}
    found = judge(spark.createDataFrame(frame_of(features)), list(features), TOLERANCES)
    expected = {name: statistics_of(pairs) for name, pairs in features.items()}
    assert {name for name, own in expected.items() if own.rows + own.missing + own.foreign} == set(found.statistics)
    assert [name for name, own in found.statistics.items() if not near(own, expected[name])] == []
    for name, pairs in features.items():
        problems = problems_of(expected[name] if pairs else None, TOLERANCES)
        # Of what has no row every rule fails.
        assert set(found.problems[name]) == (set(problems) if pairs else {kind.rule for kind in EXPECTED}), name
    assert found.page is None


def test_documents_are_built_in_a_stored_context(spark: "SparkSession", tmp_path: Path) -> None:
    from expectations.parity import judge

    frame = spark.createDataFrame(frame_of({"clicks": [Pair("compared", 1.0, 1.0, False, False)] * 30}))
    (tmp_path / "gx" / "left").mkdir(parents=True)
    found = judge(frame, ["clicks", "unseen"], TOLERANCES, tmp_path / "gx", run="2024-03-09")
    assert found.page is not None
    assert found.page.is_relative_to(tmp_path / "gx")
    (validation,) = found.page.parent.glob("validations/**/*.html")
    text = validation.read_text(encoding="utf-8")
    assert "unseen: The served mean is that of the recomputed values" in text
    assert not (tmp_path / "gx" / "left").exists()


def test_judging_needs_a_frame_of_pairs(spark: "SparkSession") -> None:
    from expectations.parity import judge
    from expectations.validation import ExpectationCrashed

    other: Any = spark.createDataFrame(pa.table({"time": [datetime(2024, 3, 9, tzinfo=UTC)]}))
    with pytest.raises(ExpectationCrashed):
        judge(other, ["a"], TOLERANCES)
