"""The online twin against the reference: whatever comes late or twice, however often it is restarted, however it is batched."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import feature_values
from srp_assets.online.store import Store
from support.feature_logs import Logs, logs
from support.feature_values import differences
from support.online_world import answers, as_online


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
