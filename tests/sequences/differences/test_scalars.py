"""Planted faults of scalar features are found by their names, alone and two at once; what no cause describes stays unexplained."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.parity.comparing import PAIRS, same_numbers
from srp_assets.sequences.differences.hypotheses.catalogue import CAUSES, UNEXPLAINED
from srp_assets.sequences.differences.scalars import causes_of
from srp_assets.sequences.differences.staleness import AskedRows
from srp_assets.warehouse.schema import TIMESTAMP

USERS, ROWS = 40, 2_000
DAY = 86_400_000_000
START = 19_800 * DAY
NOON = START + DAY // 2


class Day:
    """Requests of a day, and a counter of each user that grows all day.

    `value` is right at each row; `at_noon` is what it was at noon, or is, for rows before; `lossy` counts nine of ten events.
    """

    def __init__(self, unit: float) -> None:
        random = np.random.default_rng(7)
        self.random = random
        self.times = np.sort(random.integers(START, START + DAY, ROWS))
        self.users = random.integers(0, USERS, ROWS)
        events = [np.sort(random.integers(START, START + DAY, 12 if user % 5 else 2)) for user in range(USERS)]
        counted = [own[random.random(len(own)) < 0.9] for own in events]
        # Some have done nothing before; sums of amounts are no whole numbers.
        base = np.where(np.arange(USERS) % 5 == 0, 0, random.integers(1, 30, USERS))

        def counts(of: list[Any], until: Any) -> Any:
            pairs = zip(self.users.tolist(), until.tolist(), strict=True)
            return np.array([(base[user] + np.searchsorted(of[user], time)) * unit for user, time in pairs])

        self.value, self.lossy = counts(events, self.times), counts(counted, self.times)
        self.at_noon = counts(events, np.minimum(self.times, NOON))

    def asked(self) -> AskedRows:
        columns = {
            "trace_id": [f"t{row}" for row in range(ROWS)],
            "event_time": pa.array(self.times).cast(TIMESTAMP),
            "user_id": [f"u{user}" for user in self.users],
        }
        return AskedRows(pa.table(columns))

    def some(self, share: float) -> Any:
        return self.random.random(ROWS) < share


def pairs_of(feature: str, served: Any, offline: Any) -> pa.Table:
    differs = ~same_numbers(served, offline)
    columns = {
        "event_id": [f"t{row}/i{row % 7}" for row in range(ROWS)],
        "feature": [feature] * ROWS,
        "state": ["compared"] * ROWS,
        "served": pa.array(served, mask=np.isnan(served)),
        "offline": pa.array(offline, mask=np.isnan(offline)),
        "served_text": pa.nulls(ROWS, pa.string()),
        "offline_text": pa.nulls(ROWS, pa.string()),
        "differs": differs,
        "defaulted": np.zeros(ROWS, bool),
    }
    return pa.table(columns).cast(PAIRS)


def planted(cause: str, day: Day, value: Any, default: float, share: float) -> Any:
    """What is served with a fault of a cause."""
    faults: dict[str, Callable[[], Any]] = {
        "unit_slip": lambda: value * 100,
        "default_instead_of_value": lambda: np.where(day.some(share), default, value),
        "null_against_default": lambda: np.where(day.some(share) & (value == default), np.nan, value),
        "float_width": lambda: value.astype(np.float32).astype(np.float64),
        "time_zone_slip": lambda: value + 7_200.0,
        "stale_snapshot": lambda: day.at_noon,
    }
    return faults[cause]()


FEATURES = {
    "unit_slip": "user_clicks_30d",
    "default_instead_of_value": "user_clicks_30d",
    "null_against_default": "user_clicks_30d",
    "float_width": "user_clicks_30d",
    "time_zone_slip": "user_last_order_time_60d",
    "stale_snapshot": "user_clicks_30d",
}


def found_causes(definitions: Definitions, day: Day, name: str, served: Any, value: Any) -> Any:
    feature = definitions.features[name]
    return np.array(causes_of(pairs_of(name, served, value), feature, definitions, day.asked()), object)


def precision_and_recall(cause: str, found: Any, expected: Any) -> tuple[float, float]:
    right = ((found == cause) & expected).sum()
    return right / max(1, (found == cause).sum()), right / max(1, expected.sum())


@pytest.mark.parametrize("cause", FEATURES)
def test_a_planted_fault_is_found_by_its_name(sample_features: Definitions, cause: str) -> None:
    name, day = FEATURES[cause], Day(1.1)
    value = day.times / 1e6 if cause == "time_zone_slip" else day.value
    served = planted(cause, day, value, 0.0, 0.5)
    differs = ~same_numbers(served, value)
    found = found_causes(sample_features, day, name, served, value)
    assert differs.sum() > 50
    assert ((found != "") == differs).all()
    precision, recall = precision_and_recall(cause, found, differs)
    assert precision >= 0.95
    assert recall >= 0.95
    assert cause in CAUSES


@pytest.mark.parametrize(
    ("first", "second"),
    [("stale_snapshot", "default_instead_of_value"), ("unit_slip", "null_against_default"), ("float_width", "default_instead_of_value")],
)
def test_two_faults_at_once_are_told_apart(sample_features: Definitions, first: str, second: str) -> None:
    day = Day(1.1)
    own, other = (planted(cause, day, day.value, 0.0, 0.2) for cause in (first, second))
    is_other = ~same_numbers(other, day.value)
    served = np.where(is_other, other, own)
    found = found_causes(sample_features, day, "user_clicks_30d", served, day.value)
    for cause, expected in ((first, ~is_other & ~same_numbers(own, day.value)), (second, is_other)):
        precision, recall = precision_and_recall(cause, found, expected)
        assert precision >= 0.85, cause
        assert recall >= 0.85, cause


def test_hours_since_something_slip_with_the_time_zone(sample_features: Definitions) -> None:
    day = Day(1.0)
    value = day.value / 3
    found = found_causes(sample_features, day, "user_item_recency", value + 2.0, value)
    assert set(found) == {"time_zone_slip"}
    # Twenty minutes are no zone.
    assert set(found_causes(sample_features, day, "user_item_recency", value + 1 / 3, value)) == {UNEXPLAINED}


def test_lost_events_do_not_pass_for_a_counter_that_stood_still(sample_features: Definitions) -> None:
    day = Day(1.0)
    found = found_causes(sample_features, day, "user_clicks_30d", day.lossy, day.value)
    assert (found == UNEXPLAINED).sum() >= 0.95 * (found != "").sum() > 100
