"""The commands for training sets and models: what they say where there are none, and what they build, train, list and tune."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.settings import Settings
from srp_assets.training.assets import training_places
from srp_assets.training.building import bring_up_to_date
from srp_assets.warehouse.catalogue import Catalogue
from support.command_line import INCOMPLETE, srp
from support.training_world import Shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NUMBER = "user_clicks_7d"
DAYS = [f"2024-03-{day:02d}" for day in range(1, 5)]
MODEL = {
    "kind": "model", "name": "trees", "version": "1.0.0", "owner": "Tests", "description": "Trees.", "labels": {"clicked": 1.0},
    "groups": {"all": [NUMBER, "market"]}, "architecture": {"kind": "gbdt", "rounds": 10, "leaves": 7, "least_leaf_rows": 5},
}  # fmt: skip


@pytest.fixture
def home(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A home with the small document of features, whose attributes come from an entity that the catalogue has not, and one model."""
    written = (Path(__file__).parent / "features" / "small.yaml").read_text(encoding="utf-8")
    (tmp_path / "features.yaml").write_text(written.replace("attributes:\n  item:", "attributes:\n  thing:"), encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "trees.yaml").write_text(yaml.safe_dump(MODEL), encoding="utf-8")
    for name, value in (("SRP_FEATURES", tmp_path / "features.yaml"), ("SRP_MODELS", tmp_path / "models"), ("SRP_FEATURES_BUCKETS", 2)):
        monkeypatch.setenv(name, str(value))
    return Settings()


@pytest.fixture
def build(home: Settings, engine: Engine, sample_catalogue: Catalogue, spark: "SparkSession") -> Callable[[], None]:
    """Builds training sets of some days."""

    def build() -> None:
        assert home.log_catalogue is not None
        assert home.feature_declarations is not None
        logs, layout = load_log_catalogue(home.log_catalogue), layout_of(load_definitions(home.feature_declarations))
        shop = Shop(engine, places_of(home, sample_catalogue), logs, layout, NUMBER)
        for number, day in enumerate(DAYS):
            shop.build(day, 200, seed=number)
        bring_up_to_date(spark, engine, training_places(home, sample_catalogue, logs, home.feature_declarations), DAYS)

    return build


@pytest.mark.usefixtures("home")
def test_a_home_without_training_sets_says_so() -> None:
    assert srp("training", "build") == {"built": []}
    assert srp("training", "card", code=1)["error"]["message"] == "no training set is built"
    assert srp("models", "train", code=1)["error"]["message"] == "no training set is built"
    assert srp("models", "list") == {"versions": []}
    error = srp("models", "list", "tree", code=1)["error"]
    assert (error["message"], "trees" in error["remedy"]) == ("there is no model 'tree'", True)


def test_models_are_trained_listed_and_tuned(build: Callable[[], None], tmp_path: Path) -> None:
    build()
    card = srp("training", "card", "--from", DAYS[1], "--html", tmp_path / "card.html")
    assert (list(card["days"]), card["rows"]) == (DAYS[1:], 600)
    assert "Training set" in (tmp_path / "card.html").read_text(encoding="utf-8")
    (trained,) = srp("models", "train", "trees")["versions"]
    assert (trained["version"], trained["trained_to"], trained["judged_to"]) == (1, DAYS[1], DAYS[3])
    assert trained["metrics"]["auc_clicked"] > 0.55
    (listed,) = srp("models", "list")["versions"]
    assert listed == trained
    first = srp("models", "tune", "trees", "--trials", 3, "--minutes", 0, code=INCOMPLETE)
    assert (first["complete"], first["stages"]) == (False, [])
    found: dict[str, Any] = srp("models", "tune", "trees", "--trials", 2)
    assert found["complete"]
    assert [stage["stage"] for stage in found["stages"]] == ["sizes", "learning rate", "rows", "regularisation"]
    assert [stage["best"] for stage in found["stages"]] == sorted(stage["best"] for stage in found["stages"])
    assert srp("models", "tune", "trees", "--trials", 2) == found
