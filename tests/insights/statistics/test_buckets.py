"""Where a metric's buckets begin and end, and what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from srp_assets.insights.statistics.buckets import bounds_of, buckets_of, places
from srp_assets.warehouse.catalogue import Column


def metric(**more: object) -> Column:
    return Column.model_validate({"kind": "metric", "description": "how many", **more})


def test_declared_bounds_are_the_buckets() -> None:
    assert [bucket.label for bucket in buckets_of(metric(bounds=[100, 1000]))] == ["below 100", "100 to 999", "1,000 and more"]


def test_without_bounds_whole_numbers_are_told_apart_by_powers_of_ten() -> None:
    labels = [bucket.label for bucket in buckets_of(metric())]
    assert labels[:4] == ["below 0", "0", "1 to 9", "10 to 99"]
    assert labels[-1] == "1,000,000,000 and more"


def test_decimals_have_buckets_below_one() -> None:
    labels = [bucket.label for bucket in buckets_of(metric(type="float64"))]
    assert labels[:4] == ["below 0", "0 to below 0.001", "0.001 to below 0.01", "0.01 to below 0.1"]
    assert buckets_of(metric(type="float64", bounds=[0.5]))[0].label == "below 0.5"


@given(bounds=st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True), values=st.lists(st.integers(-60, 60)))
def test_every_value_lies_in_exactly_the_bucket_of_its_place(bounds: list[int], values: list[int]) -> None:
    column = metric(bounds=sorted(bounds))
    buckets = buckets_of(column)
    for value, place in zip(values, places(bounds_of(column), np.array(values, dtype=np.float64)).tolist(), strict=True):
        holding = [
            number
            for number, bucket in enumerate(buckets)
            if (bucket.lower is None or bucket.lower <= value) and (bucket.upper is None or value < bucket.upper)
        ]
        assert holding == [place]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"kind": "metric", "bounds": [5, 5]}, "bounds must ascend"),
        ({"kind": "metric", "bounds": [5, 1]}, "bounds must ascend"),
        ({"kind": "enum", "bounds": [1]}, "only a metric has bounds"),
    ],
)
def test_bounds_that_make_no_buckets_are_refused(declared: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Column.model_validate({**declared, "description": "x"})
