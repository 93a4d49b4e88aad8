"""The declarations of the sample world, and the command that lists them."""

import json
from pathlib import Path

import pytest

from srp_assets.cli import run
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.settings import PROJECT_ROOT
from support.command_line import srp


@pytest.fixture(scope="module")
def sample() -> Definitions:
    return load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml")


def test_there_are_features_of_every_family(sample: Definitions) -> None:
    assert len(sample.features) >= 70
    entities = {feature.entity for feature in sample.aggregated}
    assert entities >= {
        "user",
        "item",
        "user_category",
        "user_item",
        "market",
        "query",
        "query_item",
        "category_hour",
        "category_device",
        "category_location",
    }
    assert sum(feature.is_of_session for feature in sample.aggregated) >= 5
    assert {
        "user_diversity_60d",
        "user_shift_7d",
        "hour_sine",
        "weekday_cosine",
        "item_word_lists",
        "market_category",
    } <= sample.features.keys()
    assert {feature.window for feature in sample.aggregated} >= {1, 7, 30, 60}
    assert {feature.name for feature in sample.features.values() if not feature.declared.description or not feature.declared.unit} == set()


def test_partials_are_kept_once_for_all_windows(sample: Definitions) -> None:
    tables = [table for family in layout_of(sample).families for table in family.tables]
    assert len({table.name for table in tables}) == len(tables)
    for table in tables:
        names = [part.name for part in (*table.additives, *table.newest)]
        assert len(set(names)) == len(names)


def test_the_command_lists_all_features(sample: Definitions) -> None:
    answer = srp("features")
    assert answer["digest"] == sample.digest
    found = {feature["name"]: feature for feature in answer["features"]}
    assert found.keys() == sample.features.keys()
    assert found["user_ctr_7d"] | {"version": ""} == {
        "name": "user_ctr_7d",
        "about": "user_id",
        "definition": "rate of click by impression smoothed by 20 at 0.08",
        "window": "7 days",
        "type": "number",
        "default": None,
        "unit": "clicks per impression",
        "description": "click-through rate of the user",
        "owner": "ranking",
        "inputs": [],
        "version": "",
    }
    assert found["item_top_ctr_30d"]["definition"].startswith("rate of click where position below 2 by impression where")
    assert found["user_favourite_categories_60d"]["definition"] == "top 5 of category in cart or click or order, half-life 14 days"
    assert found["user_shift_7d"]["definition"] == "shift of category in click against 60 days"


def test_the_command_shows_one_feature_with_its_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    assert [feature["name"] for feature in srp("features", "user_trend")["features"]] == ["user_ctr_7d", "user_ctr_60d", "user_trend"]
    assert run(["features", "user_trend"]) == 0
    assert "difference: the first minus the second (user_ctr_7d, user_ctr_60d)" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "features.yaml"
    path.write_text("name: x\n", encoding="utf-8")
    monkeypatch.setenv("SRP_FEATURES", str(path))
    assert run(["features", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["where"] == f"{path}: owner"
    monkeypatch.delenv("SRP_FEATURES")
    monkeypatch.setenv("SRP_CATALOGUE", str(PROJECT_ROOT / "examples" / "shop" / "catalogue.yaml"))
    assert run(["features", "--json"]) == 1
    assert "declares no features" in capsys.readouterr().out
    monkeypatch.delenv("SRP_CATALOGUE")
    assert run(["features", "no_such", "--json"]) == 1
    assert "there is no feature 'no_such'" in capsys.readouterr().out
