"""What declarations promise of values: every computed value keeps it, and the promises are no empty ones."""

from random import Random

from expectations.contracts import ColumnContract
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.ranges import range_of
from srp_assets.features.quality import table_contracts
from srp_assets.features.reference import feature_values, first_arrivals
from support.feature_logs import random_logs


def test_computed_values_keep_what_is_promised(small: Definitions) -> None:
    (contract,) = table_contracts(layout_of(small), "impressions").values()
    promised = {column.name: column for column in contract.columns}
    for seed in range(6):
        logs = random_logs(Random(seed), 60, 8)
        events = first_arrivals(logs.events)
        for request in logs.requests:
            for name, value in feature_values(small, events, request, logs.versions).items():
                assert keeps(value, promised[name]), (name, value)


def keeps(value: object, column: ColumnContract) -> bool:
    if value is None:
        return not column.required
    if not isinstance(value, float):
        return (column.least, column.most) == (None, None)
    return (column.least is None or value >= column.least) and (column.most is None or value <= column.most)


def test_ranges_follow_from_the_declarations(small: Definitions) -> None:
    expected = {
        "user_clicks_7d": (0.0, None),
        "item_ctr_30d": (0.0, None),
        "user_shift_2d": (0.0, 1.0),
        "user_last_amount_7d": (None, None),
        "item_decayed_amount_30d": (None, None),
        "user_decayed_60d": (0.0, None),
        "hour_sine": (-1.0, 1.0),
        "same_item": (0.0, 1.0),
        "seconds_since": (None, None),
        "user_last_item_1d": (None, None),
        "lists": (0.0, None),
    }
    assert {name: range_of(small.features[name]) for name in expected} == expected


def test_windows_have_a_table_for_each_entity(small: Definitions) -> None:
    contracts = table_contracts(layout_of(small), "windows")
    assert set(contracts) == {feature.entity for feature in small.aggregated if not feature.is_of_session}
    assert contracts["user_category"].key == ("user_id", "category")
    assert all(contract.strict for contract in contracts.values())
    columns = {column.name: column.required for column in contracts["user"].columns}
    assert (columns["user_id"], columns["user_clicks_7d"], columns["user_dwell_30d"]) == (True, True, False)
