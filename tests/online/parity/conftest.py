from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from srp_assets.settings import Settings
from support import served_day as days
from support.served_day import ServedDay


@pytest.fixture
def served_day(settings_with_spark: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ServedDay:
    """A day of the small document of features that can be served."""
    declared = yaml.safe_load((Path(__file__).parents[2] / "features" / "small.yaml").read_text(encoding="utf-8"))
    # An entity that the catalogue has not, so that nothing has to land for it.
    declared["attributes"] = {"thing": declared["attributes"]["item"]}
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
