"""What may be declared, what is said of what may not, and what a version depends on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.functions import FUNCTIONS
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.features.derivation import VECTORISED

CLICKS = {
    "name": "clicks",
    "entity": "user",
    "aggregation": "count",
    "event": "click",
    "windows": [7],
    "unit": "clicks",
    "description": "x",
}


def document(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    entities = {"user": {"keys": ["user_id"], "description": "x"}, "item": {"keys": ["item_id"], "description": "x"}}
    item = {"key": "item_id", "columns": {"category": {"type": "text", "column": "category", "unit": "none", "description": "x"}}}
    whole = {"name": "test", "owner": "tests", "events": ["click", "impression"], "attributes": {"item": item}, "entities": entities}
    return whole | {"features": [{**CLICKS, **feature} for feature in features]} | more


def written(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def derived(**more: Any) -> dict[str, Any]:
    return {"name": "d", "unit": "x", "description": "x", **more}


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (document({"entity": "usr"}), "features[0] (clicks).entity", "there is no entity 'usr'"),
        (document({"event": "clik"}), "features[0] (clicks).event", "there is no event 'clik'"),
        (document({"windows": [0]}), "features[0] (clicks).windows[0]", "greater than or equal to 1"),
        (document({"windows": [7, 7]}), "features[0] (clicks).windows", "a window stands twice"),
        (document({"column": "price"}), "features[0] (clicks).column", "Extra inputs are not permitted"),
        (document({"aggregation": "median"}), "features[0] (clicks)", "this has neither a function nor an aggregation"),
        (document({"aggregation": "sum", "column": "query"}), "features[0] (clicks).column", "'query' is no number of events"),
        (document({"aggregation": "distinct", "column": "amount"}), "features[0] (clicks).column", "'amount' is no text of events"),
        (document({"aggregation": "distinct", "column": "user_id"}), "features[0] (clicks).column", "'user_id' is a key of user"),
        (document({"entity": "item", "windows": ["session"]}), "features[0] (clicks).windows", "there is no session of that"),
        (document({"default": "none"}), "features[0] (clicks).default", "valid number"),
        (document({}, {}), "features[1] (clicks)", "the name 'clicks_7d' is taken"),
        (
            document({"event": {"kinds": ["click"], "where": [{"column": "price", "test": "equals", "value": "1"}]}}),
            "features[0] (clicks).event.where",
            "'price' is a number",
        ),
        (
            document({"event": {"kinds": ["click"], "where": [{"column": "price", "test": "is_null", "value": 1}]}}),
            "features[0] (clicks).event.where[0]",
            "test is_null takes no value",
        ),
        (document(features=[derived(function="eval", inputs=["price"])]), "features[0] (d)", "there is no function 'eval'"),
        (document(features=[derived(function="ratio", inputs=["price"])]), "features[0] (d)", "ratio takes 2 input(s)"),
        (document(features=[derived(function="sine", inputs=["price"])]), "features[0] (d)", "sine needs period"),
        (document(features=[derived(function="ratio", inputs=["price", "pric"])]), "features[0] (d).inputs", "there is no input 'pric'"),
        (
            document(features=[derived(function="ratio", inputs=["price", "query"])]),
            "features[0] (d).inputs[1]",
            "ratio takes a number there",
        ),
        (document(features=[derived(function="value", inputs=["d"])]), "features[0] (d).inputs", "'d' is derived from itself"),
        (document(features=[derived(function="value", inputs=["as_of"], default=1.0)]), "features[0] (d).default", "the default of a time"),
        (document({}, entities={"user": {"keys": ["usr_id"], "description": "x"}}), "entities.user.keys", "'usr_id' is no text"),
        (document({}, wrong=1), "wrong", "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, content: Any, where: str, message: str) -> None:
    path = written(tmp_path / "features.yaml", content)
    with pytest.raises(InvalidInput) as caught:
        load_definitions(path)
    assert caught.value.where == f"{path}: {where}"
    assert message in caught.value.message
    assert caught.value.remedy


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_definitions(path)


def definitions_of(*features: dict[str, Any], **more: Any) -> Definitions:
    return resolve(FeatureDocument.model_validate(document(*features, **more)))


def version(*features: dict[str, Any], **more: Any) -> str:
    return next(reversed(definitions_of(*features, **more).features.values())).version


@pytest.mark.parametrize("change", [{"description": "other"}, {"owner": "others"}, {"name": "renamed"}, {"windows": [7, 30]}])
def test_a_version_does_not_depend_on_words_for_people(change: dict[str, Any]) -> None:
    assert next(iter(definitions_of({**change}).features.values())).version == version({})


@pytest.mark.parametrize(
    "change",
    [
        {"windows": [8]},
        {"unit": "other"},
        {"default": None},
        {"event": "impression"},
        {"entity": "item"},
        {"aggregation": "distinct", "column": "market"},
    ],
)
def test_a_version_depends_on_what_changes_values(change: dict[str, Any]) -> None:
    assert version({**change}) != version({})


def test_the_version_of_a_derived_feature_depends_on_its_inputs() -> None:
    log = derived(function="logarithm", inputs=["clicks_7d"])
    versions = [version(features=[{**CLICKS, **change}, log]) for change in ({}, {"event": "impression"}, {"description": "y"})]
    assert versions[0] == versions[2] != versions[1]


def test_the_version_depends_on_where_an_attribute_comes_from() -> None:
    def with_source(column: str) -> str:
        category = {"type": "text", "column": column, "unit": "none", "description": "x"}
        item = {"key": "item_id", "columns": {"category": category}}
        return version({"aggregation": "distinct", "column": "category"}, attributes={"item": item})

    assert with_source("category") != with_source("leaf_category")


def test_inputs_come_before_what_is_derived_from_them() -> None:
    content = document(features=[derived(function="logarithm", inputs=["clicks_7d"]), CLICKS])
    assert list(resolve(FeatureDocument.model_validate(content)).features) == ["clicks_7d", "d"]


def test_selected_features_bring_their_inputs(small: Definitions) -> None:
    selected = small.selected(["weighted"])
    assert set(selected.features) == {"weighted", "category_share", "item_ctr_30d", "pair_clicks_30d", "user_clicks_30d"}
    with pytest.raises(InvalidInput, match="did you mean 'weighted'"):
        small.selected(["weigthed"])


def test_windows_share_their_sums() -> None:
    windows = [1, 7, 30, 60]
    rate = {"name": "ctr", "aggregation": "rate", "of": "impression", "windows": windows}
    layout = layout_of(definitions_of({"windows": windows}, rate))
    assert [(table.keys, [part.name for part in table.additives]) for family in layout.families for table in family.tables] == [
        (("user_id",), ["click_count", "impression_count"])
    ]


def test_windows_and_defaults_do_not_change_what_is_kept() -> None:
    assert layout_of(definitions_of({})).digest == layout_of(definitions_of({"windows": [1, 60], "default": 3.0})).digest
    assert layout_of(definitions_of({})).digest != layout_of(definitions_of({"event": "impression"})).digest


def test_every_function_exists_in_both_forms() -> None:
    assert FUNCTIONS.keys() == VECTORISED.keys()


def test_the_small_document_reaches_every_aggregation_and_function(small: Definitions) -> None:
    aggregations = {getattr(feature.declared, "aggregation", None) for feature in small.features.values()}
    assert aggregations - {None} == {"count", "sum", "mean", "rate", "last", "distinct", "top", "decayed_sum", "entropy", "shift"}
    assert {getattr(feature.declared, "function", None) for feature in small.derived} == set(FUNCTIONS)
