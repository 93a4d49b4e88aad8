"""The columns of training sets follow from what is declared."""

from dataclasses import replace
from pathlib import Path

import pytest

from srp_assets.errors import InvalidInput
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.settings import PROJECT_ROOT
from srp_assets.training.schema import training_schema

SAMPLE = PROJECT_ROOT / "examples" / "sample"


def test_columns_of_the_sample_shop() -> None:
    definitions = load_definitions(SAMPLE / "features.yaml")
    schema = training_schema(load_log_catalogue(SAMPLE / "logs.yaml"), definitions)
    assert schema.labels == ("clicked", "cart", "coupon", "order")
    names = schema.arrow.names
    assert len(names) == len(set(names))
    assert {"trace_id", "event_id", "order_amount", "order_delay_seconds", "click_delay_seconds", "weight"} <= set(names)
    assert names[-len(definitions.features) :] == list(definitions.features)
    assert schema.versions == {name: feature.version for name, feature in definitions.features.items()}


def test_a_feature_cannot_take_the_name_of_a_label() -> None:
    definitions = load_definitions(Path(__file__).parents[1] / "features" / "small.yaml")
    feature = next(iter(definitions.features.values()))
    clash = replace(definitions, features={**definitions.features, "weight": replace(feature, name="weight")})
    with pytest.raises(InvalidInput, match="'weight' has the name of a column of every training set"):
        training_schema(load_log_catalogue(SAMPLE / "logs.yaml"), clash)
