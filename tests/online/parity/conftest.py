from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from srp_assets.settings import Settings
from support import served_day as days
from support.served_day import ServedDay

FEATURES = {
    "user_clicks", "user_dwell", "item_ctr", "user_last_item", "user_last_time", "user_items", "user_favourites", "pair_clicks",
    "shown_price", "category_share", "hour_sine", "seconds_since", "same_item", "query_length", "device_category",
}  # fmt: skip
"""Every kind of value, over days and sessions, and what is derived from them; all features are compared without Spark."""


@pytest.fixture
def served_day(settings_with_spark: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ServedDay:
    """A day of the small document of features that can be served."""
    declared = yaml.safe_load((Path(__file__).parents[2] / "features" / "small.yaml").read_text(encoding="utf-8"))
    # An entity that the catalogue has not, so that nothing has to land for it.
    declared["attributes"] = {"thing": declared["attributes"]["item"]}
    declared["features"] = [feature for feature in declared["features"] if feature["name"] in FEATURES]
    declared["parity"] = {"rows": 20}
    for name, content in (("features", declared), ("logs", days.LOGS)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setenv(f"SRP_{name.upper()}", str(tmp_path / f"{name}.yaml"))
    # The models of the sample world read features that the small document has not.
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("SRP_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SRP_FEATURES_BUCKETS", "2")
    assert settings_with_spark.spark_remote is not None
    return days.served_day(Settings(), engine, tmp_path)
