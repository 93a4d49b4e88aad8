"""The online twin against the reference: whatever comes late or twice, however often it is restarted, however it is batched."""

from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.plan_join import features_of_requests
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import feature_values
from srp_assets.online.store import Store
from srp_assets.warehouse.storage import Storage
from support.drawn_features import drawn_definitions
from support.feature_logs import Logs, logs, random_logs, requests_table
from support.feature_values import differences
from support.online_home import built
from support.online_world import answers, as_online

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@given(generated=logs(), seed=st.integers(0, 2**32 - 1))
def test_the_twin_agrees_with_the_reference(small: Definitions, store: Store, generated: Logs, seed: int) -> None:
    expected = [feature_values(small, generated.events, request, generated.versions) for request in generated.requests]
    found = answers(small, store, generated, Random(seed))
    assert differences(found, [as_online(small, row) for row in expected]) == []


@given(generated=logs(max_events=40, max_requests=4), seed=st.integers(0, 2**32 - 1))
def test_every_feature_of_the_sample_agrees_with_the_reference(
    sample_features: Definitions, store: Store, generated: Logs, seed: int
) -> None:
    expected = [feature_values(sample_features, generated.events, request, generated.versions) for request in generated.requests]
    found = answers(sample_features, store, generated, Random(seed))
    assert differences(found, [as_online(sample_features, row) for row in expected]) == []


@given(generated=logs(max_events=40, max_requests=4), seed=st.integers(0, 2**32 - 1))
def test_drawn_declarations_agree_with_the_reference(store: Store, generated: Logs, seed: int) -> None:
    random = Random(seed)
    definitions = drawn_definitions(random)
    expected = [feature_values(definitions, generated.events, request, generated.versions) for request in generated.requests]
    found = answers(definitions, store, generated, random)
    assert differences(found, [as_online(definitions, row) for row in expected]) == []


@pytest.mark.parametrize("name", ["small", "sample_features"])
def test_reference_spark_and_online_agree(
    request: pytest.FixtureRequest, store: Store, storage: Storage, spark: "SparkSession", name: str
) -> None:
    definitions: Definitions = request.getfixturevalue(name)
    generated = random_logs(Random(9), 60, 12)
    requests = [{**row, "event_id": f"r{number}"} for number, row in enumerate(generated.requests)]
    expected = [feature_values(definitions, generated.events, row, generated.versions) for row in generated.requests]
    assert differences(answers(definitions, store, generated, Random(1)), [as_online(definitions, row) for row in expected]) == []
    inputs, layout = built(definitions, storage, generated), layout_of(definitions)
    asked = requests_table(requests).append_column("event_id", pa.array([row["event_id"] for row in requests]))
    frame = features_of_requests(spark.createDataFrame(asked), inputs.partials, layout, inputs.versions, inputs.buckets, "scratch")
    found = {row.pop("event_id"): row for row in frame.drop("as_of").toArrow().to_pylist()}
    assert differences([found[row["event_id"]] for row in requests], expected) == []
